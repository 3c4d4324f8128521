"""A run that is killed, stopped or damaged resumes, gives the same bytes, and repeats no work."""

from __future__ import annotations

import collections
import csv
import dataclasses
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile
from conftest import REPOSITORY
from made_sounds import voice

from emosense.errors import StorageError, UsageError
from emosense.inputs.recording import Recording
from emosense.labelling.job import LabelJob
from emosense.labelling.run.finished import in_order
from emosense.labelling.run_job import run_label_job
from emosense.storage.folder_lock import lock_folder

DRIVER = str(REPOSITORY / "tests" / "signalled_driver.py")
N_RECORDINGS, N_PARTS, PART = 80, 10, 8
TALLY: collections.Counter[str] = collections.Counter()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings for ten parts of eight, every ninth of them no audio."""
    root = tmp_path_factory.mktemp("in")
    for index in range(N_RECORDINGS):
        path = root / f"{index:02d}.wav"
        if index % 9 == 4:
            path.write_bytes(b"no audio at all")
        else:
            soundfile.write(path, voice(0.3, 90 + 2 * index), 16_000)
    return root


@pytest.fixture(scope="module")
def job(folder: Path, tiny_model: str) -> LabelJob:
    return LabelJob((str(folder),), "", model=tiny_model, engine="local", n_workers=2)


@pytest.fixture(scope="module")
def expected(job: LabelJob, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The table of an undisturbed run."""
    return finish(job, tmp_path_factory.mktemp("fresh") / "out.csv")[0]


def finish(job: LabelJob, output: Path) -> tuple[bytes, int]:
    """Run to the end; returns the table and the number of recordings that were not labelled again."""
    summary = run_label_job(dataclasses.replace(job, output=str(output)))
    manifest = json.loads(Path(f"{output}.run.json").read_text())
    assert manifest["exit_code"] == summary.exit_code
    return output.read_bytes(), manifest["counts"]["reused"]


def check(table: bytes, expected: bytes) -> None:
    """The bytes are the same; lost and duplicate rows are counted for the summary."""
    paths = [row["path"] for row in csv.DictReader(table.decode().splitlines())]
    known = [row["path"] for row in csv.DictReader(expected.decode().splitlines())]
    TALLY["faults survived"] += 1
    TALLY["rows lost"] += len(set(known) - set(paths))
    TALLY["rows doubled"] += len(paths) - len(set(paths))
    assert table == expected


def strike(job: LabelJob, output: Path, suffix: str, count: int, moment: str, names: str) -> tuple[int, str, float]:
    """Run a driver that signals itself; returns exit code, standard error and seconds from the signal to the end."""
    mark = output.with_suffix(".mark")
    command = [sys.executable, DRIVER, suffix, str(count), moment, names, str(mark)]
    command += ["label", *job.inputs, "-o", str(output), "-m", job.model, "--engine", "local", "-j", "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90)
    return done.returncode, done.stderr, time.monotonic() - float(mark.read_text())


@pytest.mark.parametrize(("share", "n_parts"), [(25, 3), (50, 5), (75, 8), (99, 10)])
def test_a_killed_run_resumes_where_it_stopped(
    job: LabelJob, expected: bytes, tmp_path: Path, share: int, n_parts: int
) -> None:
    output = tmp_path / "out.csv"
    code, _, _ = strike(job, output, ".parquet", n_parts, "before" if share == 99 else "after", "SIGKILL")
    assert code == -signal.SIGKILL
    assert not output.exists()
    table, n_reused = finish(job, output)
    # The other worker may have put its part in the same moment, or not yet have put the one before.
    n_put = n_parts - (share == 99)
    assert n_reused in ((n_put - 1) * PART, n_put * PART, (n_put + 1) * PART)
    check(table, expected)


@pytest.mark.parametrize(
    ("suffix", "moment"), [("out.csv", "before"), ("out.csv", "after"), ("out.csv.run.json", "before")]
)
def test_a_run_killed_while_it_commits_labels_nothing_again(
    job: LabelJob, expected: bytes, tmp_path: Path, suffix: str, moment: str
) -> None:
    output = tmp_path / "out.csv"
    assert strike(job, output, suffix, 1, moment, "SIGKILL")[0] == -signal.SIGKILL
    assert not Path(f"{output}.run.json").exists()
    assert output.exists() == ((suffix, moment) != ("out.csv", "before"))
    table, n_reused = finish(job, output)
    assert n_reused == N_RECORDINGS
    assert [path.name for path in tmp_path.rglob("*.tmp-*")] == []
    check(table, expected)


@pytest.mark.parametrize(("name", "expected_code"), [("SIGTERM", 143), ("SIGINT", 130), ("SIGHUP,SIGHUP", 129)])
def test_one_signal_stops_a_run_cleanly_within_ten_seconds(
    job: LabelJob, expected: bytes, tmp_path: Path, name: str, expected_code: int
) -> None:
    output = tmp_path / "out.csv"
    code, stderr, seconds = strike(job, output, ".parquet", 3, "after", name)
    assert code == expected_code
    assert stderr.splitlines()[-1].startswith("emosense-batch: stopped: finished work is kept")
    assert seconds < 10
    assert not output.exists()
    table, n_reused = finish(job, output)
    assert 3 * PART <= n_reused < N_RECORDINGS
    check(table, expected)


def test_a_second_interrupt_ends_a_run_at_once(job: LabelJob, expected: bytes, tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    code, stderr, seconds = strike(job, output, ".parquet", 3, "after", "SIGINT,SIGINT")
    assert code == -signal.SIGINT  # what a shell shows as 130
    assert "Traceback" not in stderr
    assert seconds < 5
    table, n_reused = finish(job, output)
    assert 3 * PART <= n_reused < N_RECORDINGS
    check(table, expected)


def test_a_signal_while_the_table_is_written_leaves_no_half_table(
    job: LabelJob, expected: bytes, tmp_path: Path
) -> None:
    output = tmp_path / "out.csv"
    code, stderr, _ = strike(job, output, "out.csv", 1, "before", "SIGTERM")
    assert (code, "Traceback" in stderr) == (143, False)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("out.csv.tmp")] == []
    assert not output.exists()
    table, n_reused = finish(job, output)
    assert n_reused == N_RECORDINGS
    check(table, expected)


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flip(content: bytes) -> bytes:
    place = len(content) // 2
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


@pytest.mark.parametrize("damage", [cut, flip, lambda content: b"", lambda content: b"[]\n" + content])
def test_a_damaged_part_is_labelled_again_with_a_warning(
    job: LabelJob, expected: bytes, tmp_path: Path, damage: Callable[[bytes], bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out.csv"
    finish(job, output)
    part = sorted((tmp_path / "out.csv.run").glob("*.parquet"))[4]
    part.write_bytes(damage(part.read_bytes()))
    capsys.readouterr()
    table, n_reused = finish(dataclasses.replace(job, progress="plain"), output)
    assert capsys.readouterr().err.count("is damaged: its recordings are labelled again") == 1
    assert n_reused == N_RECORDINGS - PART
    check(table, expected)


def test_parts_of_another_model_are_never_taken_over_even_without_the_journal(
    job: LabelJob, expected: bytes, tmp_path: Path
) -> None:
    output = tmp_path / "out.csv"
    strict = dataclasses.replace(job.config, strict=True)
    finish(dataclasses.replace(job, config=strict), output)
    with pytest.raises(UsageError, match="--strict was on, now off"):
        finish(job, output)
    (tmp_path / "out.csv.run" / "journal.json").unlink()
    table, n_reused = finish(job, output)
    assert n_reused == 0
    check(table, expected)


def test_changed_removed_and_added_recordings_are_what_is_labelled(job: LabelJob, folder: Path, tmp_path: Path) -> None:
    copy, output = tmp_path / "in", tmp_path / "out.csv"
    shutil.copytree(folder, copy)
    copied = dataclasses.replace(job, inputs=(str(copy),))
    finish(copied, output)
    soundfile.write(copy / "10.wav", voice(0.4, 333.0), 16_000)
    (copy / "11.wav").unlink()
    soundfile.write(copy / "5a.wav", voice(0.5, 222.0), 16_000)
    table, n_reused = finish(copied, output)
    assert n_reused == N_RECORDINGS - 2
    check(table, finish(copied, tmp_path / "fresh.csv")[0])


def test_the_second_of_two_runs_on_one_output_is_refused(job: LabelJob, tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    with lock_folder(f"{output}.run", print), pytest.raises(UsageError, match="another run is writing"):
        finish(job, output)
    assert finish(job, output)[1] == 0


def test_a_part_that_vanishes_is_labelled_again(
    job: LabelJob, expected: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out.csv"
    finish(job, output)
    before = output.read_bytes()
    for index, part in enumerate(sorted((tmp_path / "out.csv.run").glob("*.parquet"))):
        if index % 2:
            part.unlink()
    table, n_reused = finish(job, output)
    assert n_reused == N_RECORDINGS // 2
    check(table, expected)
    assert table == before


def test_an_incomplete_table_is_never_written() -> None:
    recordings = [Recording("a.wav", "/a.wav", 1, "1")]
    with pytest.raises(StorageError, match="no row for"):
        list(in_order(recordings, [], complete=True))


def test_nothing_was_lost_or_doubled(record_property: Callable[[str, object], None]) -> None:
    for name in ("faults survived", "rows lost", "rows doubled"):
        record_property(name, TALLY[name])
    assert TALLY["faults survived"] >= 1
    assert (TALLY["rows lost"], TALLY["rows doubled"]) == (0, 0)
