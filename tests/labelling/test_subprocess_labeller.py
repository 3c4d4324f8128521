"""A recording that kills or blocks its worker loses its own row and no other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import REPOSITORY

from emosense.errors import ModelError
from emosense.inputs.recording import Recording
from emosense.labelling.config import LabelConfig, LabelSpec
from emosense.labelling.subprocess_labeller import SubprocessLabeller
from emosense.models.model_files import ModelFiles, read_model

WORKER = (str(REPOSITORY / "tests" / "crashing_worker.py"),)


def recording(path: Path) -> Recording:
    return Recording(path.name, str(path), path.stat().st_size, "")


@pytest.fixture
def spec(tiny_model: str) -> LabelSpec:
    return LabelSpec(read_model(tiny_model), LabelConfig(), file_timeout_s=3.0, worker=WORKER)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("crash.wav", "worker_crashed"),
        ("exit.wav", "worker_crashed"),
        ("kill.wav", "out_of_memory"),
        ("hang.wav", "timeout"),
    ],
)
def test_a_recording_that_kills_its_worker_becomes_a_row_and_its_neighbours_keep_theirs(
    spec: LabelSpec, write_voice: Callable[..., Path], name: str, code: str
) -> None:
    names = ["a.wav", name, "b.wav", "c.wav"]
    with SubprocessLabeller(spec) as labeller:
        rows = [labelled.row for labelled in labeller.label_batch([recording(write_voice(each)) for each in names])]
    assert [row.path for row in rows] == names
    assert [row.status for row in rows] == ["ok", "error", "ok", "ok"]
    assert rows[1].error_code == code


def test_a_recording_is_tried_a_second_time(spec: LabelSpec, write_voice: Callable[..., Path]) -> None:
    with SubprocessLabeller(spec) as labeller:
        (labelled,) = labeller.label_batch([recording(write_voice("once.wav"))])
    assert labelled.row.status == "ok"


def test_a_worker_ends_with_its_parent(spec: LabelSpec, write_voice: Callable[..., Path]) -> None:
    labeller = SubprocessLabeller(spec)
    list(labeller.label_batch([recording(write_voice("a.wav"))]))
    process = labeller.worker._process
    assert process is not None
    assert process.stdin is not None
    process.stdin.close()
    process.stdin = None
    process.wait(timeout=10)
    labeller.worker.stop()


def test_a_model_that_the_worker_cannot_load_is_a_model_error(
    tiny_model: str, write_voice: Callable[..., Path]
) -> None:
    files = read_model(tiny_model)
    broken = LabelSpec(ModelFiles(files.description, b"no graph", "0"), LabelConfig())
    with SubprocessLabeller(broken) as labeller, pytest.raises(ModelError, match="not a usable ONNX graph"):
        list(labeller.label_batch([recording(write_voice("a.wav"))]))


def test_a_slow_recording_that_makes_progress_does_not_time_out(
    spec: LabelSpec, write_voice: Callable[..., Path]
) -> None:
    with SubprocessLabeller(spec) as labeller:
        (labelled,) = labeller.label_batch([recording(write_voice("slow.wav"))])
    assert labelled.row.status == "ok"
