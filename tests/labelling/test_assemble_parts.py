"""Parts that pass as they are give the bytes and the counts of those that are read row by row."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from instant_engine import small_job

from emosense.errors import StorageError
from emosense.labelling.job import LabelJob
from emosense.labelling.label_run import LabelRun
from emosense.labelling.run.part_content import PartFile
from emosense.labelling.run_job import run_label_job
from emosense.tables import data_set


@pytest.fixture
def job(tmp_path: Path, tiny_model: str, write_voice: Callable[..., Path]) -> LabelJob:
    """Short recordings, one of several windows, and three that have no label; in several parts."""
    for index in range(24):
        write_voice(f"in/{index:02d}.wav", 5.0 if index == 7 else 0.4, 100.0 + 9 * index)
    for index in (3, 11, 12):
        (tmp_path / "in" / f"{index:02d}.wav").write_bytes(b"no audio at all")
    job = LabelJob((str(tmp_path / "in"),), str(tmp_path / "out.parquet"), model=tiny_model, n_workers=1)
    return dataclasses.replace(job, engine="local", exports=("dataset",))


def content(job: LabelJob) -> tuple[dict[str, bytes], dict[str, object]]:
    """The tables of a job, in small pieces, and what its summary counts."""
    counts = run_label_job(job).counts()
    files = [Path(job.output), *sorted(Path(job.output).with_suffix(".dataset").glob("*.parquet"))]
    return {path.name: path.read_bytes() for path in files}, counts | {"reused": 0}


def is_same_row_by_row(job: LabelJob, monkeypatch: pytest.MonkeyPatch) -> bool:
    n_whole: list[bool] = []
    is_of = PartFile.is_of

    def noted(part: PartFile, *arguments: object) -> bool:
        n_whole.append(is_of(part, *arguments))  # type: ignore[arg-type]
        return n_whole[-1]

    with monkeypatch.context() as during:
        during.setattr(PartFile, "is_of", noted)
        passed = content(job)
    with monkeypatch.context() as during:
        during.setattr(LabelRun, "_can_pass_parts", lambda _run: False)
        assert passed == content(job)
    return any(n_whole)


@pytest.mark.parametrize("changes", [{}, {"quality": True}, {"min_confidence": 0.2}])
def test_whole_parts_give_the_same_bytes_and_counts(
    job: LabelJob, monkeypatch: pytest.MonkeyPatch, changes: dict[str, object]
) -> None:
    monkeypatch.setattr("emosense.labelling.label_run.ROWS_A_WRITE", 5)
    monkeypatch.setattr("emosense.labelling.assemble.ROWS_A_WRITE", 5)
    monkeypatch.setattr(data_set, "ROWS_A_FILE", 10)
    assert is_same_row_by_row(dataclasses.replace(job, **changes), monkeypatch)  # type: ignore[arg-type]


def test_parts_that_overlap_or_are_out_of_date_give_the_same_bytes_and_counts(
    tmp_path: Path, tiny_model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = small_job(tmp_path, tiny_model, monkeypatch)
    job = dataclasses.replace(job, output=f"{tmp_path}/out/labels.parquet", exports=("dataset",))
    run_label_job(dataclasses.replace(job, limit=13))
    (tmp_path / "in" / "02.wav").write_bytes(b"another content")
    (tmp_path / "in" / "09.wav").unlink()
    (tmp_path / "in" / "04b.wav").write_bytes(b"a new one")
    assert is_same_row_by_row(job, monkeypatch)


def test_a_part_that_is_gone_when_the_table_is_written_is_no_short_table(
    tmp_path: Path, tiny_model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = small_job(tmp_path, tiny_model, monkeypatch)
    job = dataclasses.replace(job, output=f"{tmp_path}/out/labels.parquet")
    reuse = LabelRun.reuse

    def reuse_and_lose(run: LabelRun) -> int:
        n_left = reuse(run)
        next(Path(f"{job.output}.run").glob("0000-00000002-*")).unlink()
        return n_left

    run_label_job(job)
    Path(job.output).unlink()
    monkeypatch.setattr(LabelRun, "reuse", reuse_and_lose)
    with pytest.raises(StorageError, match="run the same command again"):
        run_label_job(job)
    assert not Path(job.output).exists()
