"""A crash after every file operation, names that a crash reorders, and faults of the disk: nothing lost or doubled."""

from __future__ import annotations

import collections
import csv
import dataclasses
import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from failing_disk import Disk, PowerCut
from instant_engine import small_job

from emosense.errors import EmoSenseError
from emosense.labelling.job import LabelJob
from emosense.labelling.run_job import run_label_job

N_FILES = 8
TALLY: collections.Counter[str] = collections.Counter()


@pytest.fixture
def job(tmp_path: Path, tiny_model: str, monkeypatch: pytest.MonkeyPatch) -> LabelJob:
    """Two parts of four recordings."""
    return small_job(tmp_path, tiny_model, monkeypatch, N_FILES)


@pytest.fixture
def expected(job: LabelJob) -> bytes:
    run_label_job(job)
    table = Path(job.output).read_bytes()
    shutil.rmtree(Path(job.output).parent)
    Path(job.output).parent.mkdir()
    return table


def rows_of(table: bytes) -> dict[str, dict[str, str]]:
    return {row["path"]: row for row in csv.DictReader(table.decode().splitlines())}


def check(table: bytes, expected: bytes) -> None:
    """The bytes are the same; lost, doubled and wrong rows are counted for the summary."""
    rows, known = rows_of(table), rows_of(expected)
    TALLY["rows lost"] += len(known.keys() - rows.keys())
    TALLY["rows doubled"] += table.count(b"\r\n") - 1 - len(rows)
    TALLY["rows wrong"] += sum(rows[name] != known[name] for name in rows.keys() & known.keys())
    assert table == expected
    TALLY["faults survived"] += 1


def resume(job: LabelJob, expected: bytes) -> None:
    TALLY["faults tried"] += 1
    assert run_label_job(job).exit_code == 0
    check(Path(job.output).read_bytes(), expected)
    assert json.loads(Path(f"{job.output}.run.json").read_text())["exit_code"] == 0


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "lock"}


def laid_out(folder: Path, files: dict[str, bytes]) -> None:
    shutil.rmtree(folder)
    folder.mkdir()
    for name, content in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(content)


def cut_at(number: int) -> Callable[[int, str], None]:
    is_off = False

    def strike(step: int, _kind: str) -> None:
        nonlocal is_off
        is_off = is_off or step == number
        if is_off:
            raise PowerCut

    return strike


def exit_code_of(job: LabelJob) -> int:
    """Run a job; anything but an error that EmoSense raises on purpose fails the test."""
    try:
        return run_label_job(job).exit_code
    except EmoSenseError as err:
        return err.exit_code


def with_first_half_done(job: LabelJob) -> None:
    """Finish an earlier run of half of the recordings, whose table and manifest are replaced."""
    run_label_job(dataclasses.replace(job, limit=N_FILES // 2))


@pytest.mark.parametrize("is_first", [True, False])
def test_a_run_that_is_killed_after_any_operation_resumes(
    job: LabelJob, expected: bytes, monkeypatch: pytest.MonkeyPatch, is_first: bool
) -> None:
    folder = Path(job.output).parent
    if not is_first:
        with_first_half_done(job)
    before = files_in(folder)
    with Disk(folder, lambda step, kind: None).watched(monkeypatch) as disk:
        run_label_job(job)
    assert len(disk.steps) > 20
    for number in range(len(disk.steps)):
        laid_out(folder, before)
        with Disk(folder, cut_at(number)).watched(monkeypatch), pytest.raises(PowerCut):
            run_label_job(job)
        resume(job, expected)


@pytest.mark.parametrize("is_first", [True, False])
def test_a_power_cut_that_reorders_names_loses_nothing(
    job: LabelJob, expected: bytes, monkeypatch: pytest.MonkeyPatch, is_first: bool
) -> None:
    folder = Path(job.output).parent
    if not is_first:
        with_first_half_done(job)
    before = files_in(folder)
    with Disk(folder, lambda step, kind: None).watched(monkeypatch) as disk:
        run_label_job(job)
    after = files_in(folder)
    for number in range(len(disk.steps) + 1):
        for state in disk.states(number, before):
            if number == len(disk.steps):
                # Exit code 0 was given: whatever the cut reorders, table and manifest are there.
                assert {state[name] for name in (job.output, f"{job.output}.run.json")} <= {*after.values()}
            laid_out(folder, state)
            resume(job, expected)


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EROFS])
def test_a_disk_that_fails_once_costs_no_row_and_is_a_sentence(
    job: LabelJob, expected: bytes, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    folder = Path(job.output).parent
    with_first_half_done(job)
    before = files_in(folder)
    with Disk(folder.parent, lambda step, kind: None).watched(monkeypatch) as disk:
        run_label_job(job)
    # Reading fails with EIO; what is written, with all three.
    reads = range(-disk.n_reads, 0) if number == errno.EIO else range(0)
    for due in (*range(len(disk.steps)), *reads):
        laid_out(folder, before)

        def strike(step: int, kind: str, due: int = due) -> None:
            if step == due:
                raise OSError(number, os.strerror(number), kind)

        with Disk(folder.parent, strike).watched(monkeypatch):
            code = exit_code_of(job)
        assert code in (0, 3, 5, 6) or (code == 2 and due < 0)
        if code == 0:
            check(Path(job.output).read_bytes(), expected)
        resume(job, expected)


def test_nothing_was_lost_doubled_or_wrong(record_property: Callable[[str, object], None]) -> None:
    for name in ("faults tried", "faults survived", "rows lost", "rows doubled", "rows wrong"):
        record_property(name, TALLY[name])
    assert TALLY["faults survived"] >= TALLY["faults tried"] > 100
    assert (TALLY["rows lost"], TALLY["rows doubled"], TALLY["rows wrong"]) == (0, 0, 0)
