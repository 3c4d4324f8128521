"""Storage that fails after the listing ends the run with 5; a few files that fail by themselves are rows."""

from __future__ import annotations

import collections
import csv
import dataclasses
import errno
import os
from collections.abc import Callable
from pathlib import Path

import faulty_fs
import pytest
import soundfile
from made_sounds import voice

from emosense.errors import RecordingError, StorageError
from emosense.inputs.listing_config import ListingConfig
from emosense.inputs.names import Name, named_recording
from emosense.inputs.recording import Recording
from emosense.inputs.still_there import InputRoots
from emosense.inputs.walk import recordings_at
from emosense.labelling.chunk_writer import KeptChunk
from emosense.labelling.job import LabelJob
from emosense.labelling.label_run import LabelRun
from emosense.labelling.labelled import Labelled
from emosense.labelling.run_job import run_label_job
from emosense.labelling.storage_watch import StorageWatch, readings
from emosense.tables.row import error_row, labelled_row

N_FILES = 40


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with two folders of recordings."""
    for index in range(N_FILES):
        path = tmp_path / "disk" / "ab"[index >= 12] / f"{index:02d}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, voice(0.3, 90 + 5 * index), 16_000)
    return tmp_path / "disk"


@pytest.fixture
def job(root: Path, tmp_path: Path, tiny_model: str) -> LabelJob:
    return LabelJob((str(root),), str(tmp_path / "out.csv"), model=tiny_model, engine="local", n_workers=1)


def listed(root: str | Path) -> list[Recording]:
    return sorted(recordings_at(str(root), ListingConfig(), collections.Counter()), key=lambda each: each.path)


def failed(recordings: list[Recording], code: str) -> list[tuple[Recording, Labelled]]:
    return [(each, Labelled(error_row(each.path, RecordingError(code, "it is so")))) for each in recordings]


def labelled(recordings: list[Recording]) -> list[tuple[Recording, Labelled]]:
    return [(each, Labelled(labelled_row(each.path, (0.125,) * 8, 1.0, 1.0))) for each in recordings]


def after_the_first_part(monkeypatch: pytest.MonkeyPatch, action: Callable[[], None]) -> None:
    keep = LabelRun.keep

    def keep_and_act(run: LabelRun, chunk: KeptChunk) -> None:
        keep(run, chunk)
        if chunk.index == 0:
            action()

    monkeypatch.setattr(LabelRun, "keep", keep_and_act)


def codes_of(path: str) -> dict[str, str]:
    with open(path, newline="", encoding="utf-8") as file:
        return {os.path.basename(row["path"]): row["error_code"] for row in csv.DictReader(file)}


@pytest.mark.parametrize("kind", ["renamed", "unmounted", "a folder in it"])
def test_a_folder_that_vanishes_ends_the_run_and_a_rerun_finishes_it(
    job: LabelJob, root: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    gone = root / "b" if kind == "a folder in it" else root

    def vanish() -> None:
        gone.rename(f"{gone}-elsewhere")
        if kind == "unmounted":
            gone.mkdir()

    with monkeypatch.context() as during:
        after_the_first_part(during, vanish)
        with pytest.raises(StorageError, match="the same command resumes") as raised:
            run_label_job(job)
    assert raised.value.exit_code == 5
    assert not os.path.exists(job.output)
    if gone.exists():
        gone.rmdir()
    Path(f"{gone}-elsewhere").rename(gone)
    summary = run_label_job(job)
    assert (summary.exit_code, summary.n_recordings) == (0, N_FILES)
    assert summary.n_reused >= 8


def test_a_folder_from_which_files_were_removed_is_labelled_to_its_end(
    job: LabelJob, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed = [root / "a" / f"{index:02d}.wav" for index in (9, 10)] + [
        root / "b" / f"{index}.wav" for index in range(13, 23)
    ]
    reuse = LabelRun.reuse

    def remove_and_reuse(run: LabelRun) -> int:
        for path in removed:
            path.unlink()
        return reuse(run)

    with monkeypatch.context() as after_the_listing:
        after_the_listing.setattr(LabelRun, "reuse", remove_and_reuse)
        summary = run_label_job(job)
    assert (summary.exit_code, summary.by_error["missing"]) == (3, len(removed))
    assert codes_of(job.output) == {
        f"{index:02d}.wav": "missing" if root / "ab"[index >= 12] / f"{index:02d}.wav" in removed else ""
        for index in range(N_FILES)
    }
    # The next list does not have them.
    assert run_label_job(job).exit_code == 0
    assert set(codes_of(job.output).values()) == {""}


def test_names_that_never_existed_are_rows_however_many(job: LabelJob, tmp_path: Path) -> None:
    names = tuple(Name(str(tmp_path / "none" / f"{index}.wav")) for index in range(30))
    summary = run_label_job(dataclasses.replace(job, inputs=(), names=names))
    assert (summary.exit_code, summary.by_error["missing"]) == (3, 30)


@pytest.mark.parametrize("code", ["missing", "permission_denied", "io_error"])
def test_many_in_a_row_end_the_run_if_what_was_read_before_cannot_be_read(root: Path, code: str) -> None:
    files, watch = listed(root), StorageWatch(InputRoots([str(root)]))
    assert watch.check(readings(labelled(files[:2]))) is None
    os.unlink(files[1].location)
    assert watch.check(readings(failed(files[2:11], code))) is None
    failure = watch.check(readings(failed(files[11:13], code)))
    assert failure is not None
    assert "01.wav, which was read before, cannot either" in str(failure)


def test_many_in_a_row_end_the_run_if_only_the_workers_cannot_read_them(root: Path) -> None:
    files, watch = listed(root), StorageWatch(InputRoots([str(root)]))
    assert "this process can read it" in str(watch.check(readings(failed(files[:10], "permission_denied"))))
    assert "none could be read before" in str(StorageWatch().check(readings(failed(files[:10], "io_error"))))


def test_recordings_that_nobody_may_read_are_rows(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files, real = listed(root), os.open

    def refusing_open(path: str, *arguments: int) -> int:
        if str(path).endswith(".wav") and "/b/" in str(path):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return real(path, *arguments)

    # The tests may run as root, who may read everything.
    monkeypatch.setattr("emosense.inputs.recording.os.open", refusing_open)
    watch = StorageWatch(InputRoots([str(root)]))
    for _ in range(3):
        assert watch.check(readings(labelled(files[:12]))) is None
        assert watch.check(readings(failed(files[12:24], "permission_denied"))) is None
    # What cannot be decoded was read: it is no sign of failing storage, and ends a row of those that are.
    mixed = [*failed(files[12:21], "permission_denied"), *failed(files[:1], "corrupt")]
    assert watch.check(readings(mixed * 3)) is None


@pytest.mark.parametrize(("operation", "kind"), [("denied", "denied"), ("gone", "missing")])
def test_a_bucket_that_is_denied_or_gone_ends_the_run_at_the_first_row(
    root: Path, tmp_path: Path, tiny_model: str, monkeypatch: pytest.MonkeyPatch, operation: str, kind: str
) -> None:
    monkeypatch.setenv("PYTHONPATH", faulty_fs.install(tmp_path / "driver"))
    bucket = root.rename(tmp_path / "bucket")
    output = str(tmp_path / "out.csv")
    job = LabelJob((f"faulty://{bucket}/b",), output, model=tiny_model, engine="local", n_workers=1)

    def refuse() -> None:
        faulty_fs.plan(bucket, "look", "b", kind)
        for index in range(12, N_FILES):
            faulty_fs.plan(bucket, "read", f"{index}.wav", kind)

    with monkeypatch.context() as during:
        after_the_first_part(during, refuse)
        with pytest.raises(StorageError, match=r"denied since it was listed|nothing at .* any more"):
            run_label_job(job)
    assert not os.path.exists(output)
    for fault in (tmp_path / "faults").iterdir():
        fault.unlink()
    summary = run_label_job(job)
    assert (summary.exit_code, summary.n_recordings) == (0, N_FILES - 12)
    assert summary.n_reused >= 8
    # A list of objects has no folder to ask: the object itself could be looked at when it was listed.
    one = named_recording(f"faulty://{bucket}/b/12.wav")
    faulty_fs.plan(bucket, "look", "12.wav", kind)
    failure = StorageWatch().check(readings(failed([one], "permission_denied")))
    assert (failure is not None) == (operation == "denied")
