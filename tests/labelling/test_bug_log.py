"""A bug on one recording is a row, and its traceback is kept to be reported."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import REPOSITORY

from emosense.inputs.names import named_recording
from emosense.labelling.chunk_writer import ChunkWriter
from emosense.labelling.chunks import Chunk
from emosense.labelling.config import LabelConfig, LabelSpec
from emosense.labelling.recording_labeller import RecordingLabeller
from emosense.labelling.run.bug_log import BugLog
from emosense.labelling.run.part_file import PartPlace
from emosense.labelling.subprocess_labeller import SubprocessLabeller
from emosense.labelling.worker import label_readable
from emosense.models.model import Model
from emosense.models.model_files import read_model

WORKER = (str(REPOSITORY / "tests" / "crashing_worker.py"),)


def test_the_worker_of_a_recording_with_a_bug_sends_its_traceback(
    tmp_path: Path, tiny_model: str, write_voice: Callable[..., Path]
) -> None:
    names = [write_voice(name, duration_s=0.5) for name in ("a.wav", "bug.wav", "c.wav")]
    (tmp_path / "run").mkdir()
    chunk = Chunk(0, [named_recording(str(name)).listed for name in names])
    spec = dataclasses.replace(LabelSpec(read_model(tiny_model), LabelConfig()), worker=WORKER)
    writer = ChunkWriter(PartPlace(str(tmp_path / "run"), 1, "settings", ()))
    with SubprocessLabeller(spec) as labeller:
        kept = writer(labeller, chunk, lambda: False)
    ((path, text),) = kept.bugs
    assert (path, kept.n_errors) == (str(names[1]), 1)
    assert text.startswith("Traceback")
    assert text.endswith("KeyError: 'a bug'\n")


def test_the_log_has_a_line_for_each_bug_up_to_a_hundred_and_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("mine")
    (tmp_path / "errors.jsonl").symlink_to("victim")
    log = BugLog(str(tmp_path))
    assert "please report the traceback in " in log.add([("a\udcff.wav", "Traceback 1")])
    assert log.add([("b.wav", "Traceback 2")]) == ""
    BugLog(str(tmp_path)).add([("c.wav", f"Traceback {n}") for n in range(3, 200)])
    lines = [json.loads(line) for line in (tmp_path / "errors.jsonl").read_text().splitlines()]
    assert [line["traceback"] for line in lines] == [f"Traceback {n}" for n in range(1, 101)]
    assert lines[0]["path"] == "a\udcff.wav"
    assert (tmp_path / "victim").read_text() == "mine"


@pytest.mark.parametrize(("n_faults", "status"), [(1, "ok"), (2, "ok"), (3, "error")])
def test_a_file_that_cannot_be_read_for_a_moment_is_read_again_in_the_same_run(
    tiny_model: str,
    write_voice: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    n_faults: int,
    status: str,
) -> None:
    recording = named_recording(str(write_voice("a.wav", duration_s=0.5)))
    real, n_opened = os.open, 0

    def opened(path: str, *arguments: object, **more: object) -> int:
        nonlocal n_opened
        n_opened += path == recording.location
        if path == recording.location and n_opened <= n_faults:
            raise OSError(errno.ESTALE if n_opened == 1 else errno.EIO, "a bad sector", path)
        return real(path, *arguments, **more)  # type: ignore[arg-type]

    labeller = RecordingLabeller(Model(read_model(tiny_model)), LabelConfig())
    with monkeypatch.context() as during:
        during.setattr(os, "open", opened)
        during.setattr("time.sleep", lambda _: None)
        row = label_readable(labeller, recording).row
    assert (row.status, n_opened) == (status, min(n_faults + 1, 3))
    assert row.error_code == ("io_error" if status == "error" else "")
