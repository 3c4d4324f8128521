"""Parts and their order, what is printed, and the driver's memory."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emosense.errors import EmoSenseError, NothingToDo, RecordingError, TooManyErrors
from emosense.inputs.listing import Listing
from emosense.inputs.listing_config import ListingConfig, reason_to_ignore
from emosense.inputs.recording import Recording
from emosense.labelling.config import LabelSpec
from emosense.labelling.job import LabelJob
from emosense.labelling.job_check import remove_leftovers
from emosense.labelling.labelled import Labelled
from emosense.labelling.manifest import result_settings
from emosense.labelling.run import part_file
from emosense.labelling.run.finished import Finished, decoder_versions, in_order
from emosense.labelling.run.part_content import PartFile
from emosense.labelling.run.part_file import PartPlace
from emosense.labelling.run.parts import RunFolder
from emosense.labelling.run_job import run_label_job
from emosense.models.model_files import read_model
from emosense.storage.locations import redact, without_credentials
from emosense.storage.writing import atomic_writer
from emosense.tables.row import error_row, labelled_row


def recordings(*names: str, version: str = "1") -> list[Recording]:
    return [Recording(name, f"/{name}", 1, version) for name in names]


def results(of: list[Recording], code: str = "") -> list[Labelled]:
    if code:
        return [Labelled(error_row(each.path, RecordingError(code, "it is so"))) for each in of]
    return [Labelled(labelled_row(each.path, (0.125,) * 8, 1.0, 1.0)) for each in of]


def write(run: RunFolder, index: int, of: list[Recording], labelled: list[Labelled]) -> None:
    done = list(zip(of, labelled, strict=False))
    if done:
        run.add(run.place.write(index, done))


def opened(tmp_path: Path, warnings: list[str] | None = None) -> RunFolder:
    run = RunFolder(str(tmp_path / "out.csv"), {"schema": 1}, (warnings if warnings is not None else []).append)
    run.open(restart=False)
    return run


@given(st.binary(min_size=1, max_size=30), st.text(max_size=20))
def test_finished_work_comes_back_from_its_part_whatever_its_name(name: bytes, version: str) -> None:
    recording = Recording(os.fsdecode(name), "", 7, version)
    entry = Finished(recording.path, 7, version, results([recording])[0], decoder_versions())
    with tempfile.TemporaryDirectory() as folder:
        kept = PartPlace(folder, 0, "").write(0, [(recording, entry.labelled)])
        assert PartFile.of(kept.name, Path(folder, kept.name).read_bytes(), ()).finished(()) == [entry]


def test_generations_are_merged_in_order_and_the_newest_result_counts(tmp_path: Path) -> None:
    every = recordings("a", "a-b", "a/b", "b", "\udcff")
    first = opened(tmp_path)
    write(first, 0, every[:2], results(every[:2], "timeout"))
    write(first, 1, every[3:], results(every[3:]))
    second = opened(tmp_path)
    write(second, 0, every[1:3], results(every[1:3]))
    rows = [entry.labelled.row for entry in in_order(every, second.finished(), complete=True)]
    assert [row.path for row in rows] == [each.path for each in every]
    assert [row.status for row in rows] == ["error", "ok", "ok", "ok", "ok"]


def test_work_on_another_content_is_not_taken_for_this_one(tmp_path: Path) -> None:
    run = opened(tmp_path)
    write(run, 0, recordings("a", "b"), results(recordings("a", "b")))
    changed = recordings("a") + recordings("b", version="2")
    assert [entry.path for entry in in_order(changed, run.finished(), complete=False)] == ["a"]


def test_a_part_stops_where_its_results_do(tmp_path: Path) -> None:
    run = opened(tmp_path)
    write(run, 0, recordings("a", "b"), results(recordings("a")))
    assert [entry.path for entry in run.finished()] == ["a"]


def test_a_damaged_part_is_reported_once_however_often_it_is_read(tmp_path: Path) -> None:
    warnings: list[str] = []
    run = opened(tmp_path, warnings)
    write(run, 0, recordings("a"), results(recordings("a")))
    (part,) = (tmp_path / "out.csv.run").glob("*.parquet")
    part.write_bytes(b"{")
    assert list(run.finished()) == list(run.finished()) == []
    assert len(warnings) == 1


def test_restart_discards_the_work_and_nothing_else(tmp_path: Path) -> None:
    run = opened(tmp_path)
    write(run, 0, recordings("a"), results(recordings("a")))
    (tmp_path / "out.csv.run" / "notes.txt").write_text("mine")
    run.open(restart=True)
    assert list(run.finished()) == []
    assert (tmp_path / "out.csv.run" / "notes.txt").exists()


def test_what_a_worker_of_an_earlier_start_writes_late_does_no_harm(tmp_path: Path) -> None:
    one = recordings("a")
    first, second = opened(tmp_path), opened(tmp_path)
    late = first.place.write(0, list(zip(one, results(one), strict=True)))
    # This start did not see it when it began, and its own workers have not told of it.
    assert list(second.finished()) == []
    assert [entry.path for entry in opened(tmp_path).finished()] == ["a"]
    (tmp_path / "out.csv.run" / late.name).unlink()
    second.open(restart=True)
    first.place.write(0, list(zip(one, results(one, "corrupt"), strict=True)))
    # Discarded work does not come back, however often the run is resumed.
    assert list(second.finished()) == list(opened(tmp_path).finished()) == []


def test_a_task_that_runs_twice_leaves_one_result(tmp_path: Path) -> None:
    run, (one,) = opened(tmp_path), recordings("a")
    kept = [run.place.write(0, [(one, result)]) for result in (*results([one]), *results([one], "timeout"))]
    run.add(kept[0])
    assert kept[0] == run.place.write(0, [(one, results([one])[0])])
    assert [entry.labelled.row.status for entry in run.finished()] == ["ok"]
    # The next start finds both, and labels again what only one of them has.
    again = opened(tmp_path)
    assert len({part.name for part in kept}) == 2
    assert [path for path, _, _, is_again in again.identities() if not is_again] == ["a"]


def test_half_written_files_of_the_run_are_removed_and_nothing_else(tmp_path: Path) -> None:
    write = ("l[1].csv", "parts.csv", "l[1].csv.run/journal.json", "l[1].audacity/a/x.wav.txt", "page.html")
    leftovers = [tmp_path / f"{name}.tmp-2024" for name in write]
    kept = [
        tmp_path / name for name in ("l[1].csv.tmp-2024-backup", "l1.csv.tmp-1", "other.csv.tmp-1", "l[1].csv.tmp-")
    ]
    kept.append(tmp_path / "parts.csv.tmp-7" / "mine")
    for path in (*leftovers, *kept):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    places = [str(tmp_path / name) for name in ("l[1].csv", "l[1].csv.run", "l[1].audacity", "parts.csv", "page.html")]
    remove_leftovers([*places, "memory://bucket/l.csv"])
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(kept)


def fill_the_disk(file: BinaryIO) -> None:
    file.write(b"half")
    raise OSError(28, "No space left on device")


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    for location in (str(tmp_path / "file"), "memory://whole/file"):
        with pytest.raises(EmoSenseError, match="No space left"), atomic_writer(location) as file:
            fill_the_disk(file)
        with atomic_writer(location) as file:
            file.write(b"whole")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("s3://key:secret@bucket/a", "s3://***@bucket/a"),
        ("ftp://u:p@ss@host/a@b.wav", "ftp://***@host/a@b.wav"),
        ("https://h/a?x=1&X-Amz-Signature=abc&token=t#f", "https://h/a?x=1&X-Amz-Signature=***&token=***"),
        ("az://c/a?sig=abc", "az://c/a?sig=***"),
        ("a@b.wav and c?d", "a@b.wav and c?d"),
        ("s3://bucket/a@b.wav", "s3://bucket/a@b.wav"),
    ],
)
def test_credentials_are_taken_out_of_urls(text: str, expected: str) -> None:
    assert without_credentials(text) == redact(text) == expected


def test_names_cannot_drive_a_terminal_or_forge_a_line(tmp_path: Path, tiny_model: str) -> None:
    evil = "no\x1b[31m\nemosense-batch: 5 recordings\r\x9b\u202e.csv"
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / f"x.{evil}").write_bytes(b"x")
    for arguments in ([evil], ["in"], ["in", "-m", evil]):
        command = [sys.executable, "-m", "emosense", "label", "-m", tiny_model, *arguments, "-o", evil]
        done = subprocess.run(command, capture_output=True, timeout=60, cwd=tmp_path)
        stderr = done.stderr.decode()
        assert done.returncode in (2, 7, 9)
        assert len(stderr.splitlines()) == 1
        assert not set(stderr[:-1]) & set("\x1b\n\r\x9b\u202e")


def test_names_choose_no_counters_of_their_own() -> None:
    config = ListingConfig()
    names = ["a.txt", "a.7z", "a", "a.000123", "a.\x1b[31m", "a.averylongextension", "a.TXT"]
    assert [reason_to_ignore(name, config) for name in names] == [
        *(".txt", ".7z", "no extension", "other", "other", "other", ".txt"),
    ]


def test_the_manifest_says_how_the_run_ended(tmp_path: Path, tiny_model: str, write_voice: Callable[..., Path]) -> None:
    (tmp_path / "in").mkdir()
    job = LabelJob((str(tmp_path / "in"),), str(tmp_path / "out.csv"), model=tiny_model)
    assert isinstance(run_label_job(job).failure, NothingToDo)
    assert json.loads((tmp_path / "out.csv.run.json").read_text())["exit_code"] == 9
    for index in range(3):
        (tmp_path / "in" / f"{index}.wav").write_bytes(b"no audio")
    assert isinstance(run_label_job(dataclasses.replace(job, max_errors="1")).failure, TooManyErrors)
    assert json.loads((tmp_path / "out.csv.run.json").read_text())["exit_code"] == 4


@pytest.mark.parametrize(
    ("code", "size", "expected"),
    [
        ("timeout", 1, True),
        ("corrupt", 1, False),
        ("missing", 1, True),
        ("missing", -1, False),  # it was not there when it was listed, and it is still not there
        ("unsupported_encoding", 1, False),
        ("", 1, False),
    ],
)
def test_an_error_whose_cause_may_be_gone_is_tried_again(code: str, size: int, expected: bool) -> None:
    (one,) = recordings("a")
    (labelled,) = results([one], code)
    assert Finished("a", size, "1", labelled, decoder_versions()).is_tried_again is expected


@pytest.mark.parametrize("code", ["unsupported_encoding", "corrupt", "no_samples"])
def test_what_another_decoder_may_read_is_labelled_once_it_is_installed_and_not_again(
    tmp_path: Path, tiny_model: str, write_voice: Callable[..., Path], code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_voice("in/a.wav")
    (tmp_path / "in" / "b.wav").write_bytes(b"no audio")
    job = LabelJob((str(tmp_path / "in"),), str(tmp_path / "out.csv"), model=tiny_model, n_workers=1)
    run = RunFolder(job.output, result_settings(LabelSpec(read_model(tiny_model), job.config)), print)
    run.open(restart=False)
    with Listing() as listing:
        listing.add_input(job.inputs[0], ListingConfig())
        listed = list(listing)
    with monkeypatch.context() as earlier:
        earlier.setattr(part_file, "decoder_versions", lambda: "soundfile 0.9")
        write(run, 0, listed, results(listed, code))
    first = run_label_job(job)
    assert (first.n_reused, first.by_status["ok"], first.by_status["error"]) == (0, 1, 1)
    table = Path(job.output).read_bytes()
    again = run_label_job(job)
    assert (again.n_reused, again.engine) == (2, "none")
    assert Path(job.output).read_bytes() == table


MEMORY = """
import sys
from emosense.inputs.listing import Listing
from emosense.inputs.recording import Recording
from emosense.labelling.config import LabelConfig
from emosense.labelling.labelled import Labelled
from emosense.labelling.chunks import chunked
from emosense.labelling.job import LabelJob
from emosense.labelling.label_run import LabelRun
from emosense.storage.folder_lock import lock_folder
from emosense.labelling.run.parts import RunFolder
from emosense.labelling.manifest import result_settings
from emosense.labelling.summary import Summary
from emosense.labelling.config import LabelSpec
from emosense.models.model_files import ModelFiles
from emosense.progress import Silent
from emosense.tables.row import labelled_row

def keep_chunk(run, chunk):
    rows = [labelled_row(each.path, (0.125,) * 8, 3.0, 3.0) for each in chunk.recordings]
    run.keep(run.writer.keep(chunk, [Labelled(row) for row in rows]))

output, n = sys.argv[1], int(sys.argv[2])
spec = LabelSpec(ModelFiles({"name": "none"}, b"", "0"), LabelConfig())
names = (f"corpus/speaker{index // 1000:05d}/session{index % 1000:04d}-utterance.wav" for index in range(n))
with Listing() as listing, lock_folder(f"{output}.run", print) as lock:
    listing.add(Recording(name, "/data/" + name, 96_044, "1700000000000000000") for name in names)
    for n_reused in (0, n):
        job, folder, summary = LabelJob(("corpus",), output), RunFolder(output, result_settings(spec), print), Summary()
        folder.open(restart=False)
        run = LabelRun(job, listing, None, folder, lock, Silent(), summary)
        run.reuse()
        for chunk in chunked(listing.pending(), 512):
            keep_chunk(run, chunk)
        run.write_tables()
        assert (summary.n_recordings, summary.n_reused) == (n, n_reused)
# Not ru_maxrss, which a process inherits from the one that started it.
print(int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]))
"""


def test_the_drivers_memory_does_not_grow_with_the_number_of_recordings(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    peaks = []
    for n in (5_000, 60_000):
        command = [sys.executable, "-c", MEMORY, str(tmp_path / f"{n}.csv"), str(n)]
        peaks.append(int(subprocess.run(command, capture_output=True, check=True, timeout=120).stdout))
    record_property("peak RSS in MB at 5,000 and 60,000 recordings", [peak // 1024 for peak in peaks])
    assert peaks[1] < 1.15 * peaks[0]
