"""A run that is paused while another one takes over never overwrites what that one has finished."""

from __future__ import annotations

import errno
import functools
from collections.abc import Callable
from pathlib import Path

import pytest
from paused_run import RENEW_EVERY_S, paused, resumed

from emosense.errors import OutputError, UsageError
from emosense.labelling import label_run
from emosense.labelling.job import LabelJob
from emosense.labelling.run_job import run_label_job
from emosense.storage.folder_lock import lock_folder


@pytest.fixture
def job(tmp_path: Path, tiny_model: str, write_voice: Callable[..., Path]) -> LabelJob:
    """Three recordings, of which the run that will be paused labels two."""
    for index in range(3):
        write_voice(f"in/{index}.wav", 0.3, 100.0 + 20 * index)
    return LabelJob((str(tmp_path / "in"),), str(tmp_path / "out.csv"), model=tiny_model, engine="local", n_workers=1)


def test_a_paused_run_keeps_the_lock_of_the_file_system(job: LabelJob, tmp_path: Path) -> None:
    with paused(job, 2, "out.csv", "before", tmp_path / "mark") as driver:
        with pytest.raises(UsageError, match="another run is writing"):
            run_label_job(job)
        assert resumed(driver)[0] == 0
    assert run_label_job(job).n_reused == 2


@pytest.mark.parametrize(
    ("suffix", "moment"),
    [
        (".parquet", "after"),  # as it begins to assemble
        ("out.csv", "before"),  # after it has read the lease for the last time
    ],
)
def test_a_paused_run_whose_lease_was_taken_over_ends_with_a_sentence(
    job: LabelJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, moment: str
) -> None:
    with paused(job, 2, suffix, moment, tmp_path / "mark", has_locks=False) as driver:
        with monkeypatch.context() as other:
            other.setattr(label_run, "lock_folder", functools.partial(lock_folder, renew_every_s=RENEW_EVERY_S))
            other.setattr("fcntl.flock", refuse)
            assert run_label_job(job).n_recordings == 3
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
        code, lines = resumed(driver)
    assert (code, lines[-1].count("another run has taken over")) == (6, 1)
    assert not any("Traceback" in line for line in lines)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before
    assert before["out.csv"].count(b"\n") == 4


def refuse(_descriptor: int, _operation: int) -> None:
    raise OSError(errno.ENOLCK, "No locks available")


def test_a_run_whose_folder_was_replaced_stops_before_it_writes(tmp_path: Path) -> None:
    folder = tmp_path / "out.csv.run"
    with lock_folder(str(folder), print) as lock:
        lock.assert_owned()
        folder.rename(tmp_path / "moved")
        folder.mkdir()
        with (
            lock_folder(str(folder), print),
            pytest.raises(OutputError, match="was removed or replaced: this run stops"),
        ):
            lock.commit(str(tmp_path / "out.csv"), lambda _version: (tmp_path / "out.csv").touch())
    assert not (tmp_path / "out.csv").exists()
