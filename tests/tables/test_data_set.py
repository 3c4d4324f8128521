"""A table as a folder of Parquet files: one table for those that read it, and the rows of the other formats."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from pathlib import Path
from typing import BinaryIO

import pandas as pd
import pyarrow.dataset
import pytest
from instant_engine import small_job

from emosense.errors import UsageError
from emosense.labelling.run_job import run_label_job
from emosense.storage.commits import Commit
from emosense.tables import data_set as module
from emosense.tables.data_set import data_files, data_set
from emosense.tables.formats import TableLayout
from emosense.tables.readers import read_records
from emosense.tables.row import Row, labelled_row


def rows(n: int) -> list[Row]:
    return [labelled_row(f"a/{index:04d}.wav", (0.125,) * 8, 1.0, 1.0) for index in range(n)]


@pytest.fixture(autouse=True)
def ten_rows_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROWS_A_FILE", 10)


def write(folder: str, n: int, at_once: int) -> None:
    with data_set(folder, TableLayout()) as append:
        for start in range(0, n, at_once):
            append(rows(n)[start : start + at_once])


@pytest.mark.parametrize(("n", "n_files"), [(0, 1), (1, 1), (10, 1), (11, 2), (35, 4)])
def test_files_hold_as_many_rows_however_they_come(tmp_path: Path, n: int, n_files: int) -> None:
    write(f"{tmp_path}/a/", n, 3)
    write(f"{tmp_path}/b/", n, 35)
    names = [f"part-{index:05d}.parquet" for index in range(n_files)]
    assert data_files(f"{tmp_path}/a/") == data_files(f"{tmp_path}/b/") == names
    for folder in ("a", "b"):
        lengths = [pyarrow.parquet.read_metadata(tmp_path / folder / name).num_rows for name in names]
        assert lengths == [10] * (n_files - 1) + [n - 10 * (n_files - 1)]
        assert list(pd.read_parquet(tmp_path / folder)["path"]) == [row.path for row in rows(n)]


def test_a_shorter_table_leaves_no_row_of_the_one_before(tmp_path: Path) -> None:
    write(f"{tmp_path}/a/", 35, 7)
    (tmp_path / "a" / "part-notes.txt").write_text("mine")
    write(f"{tmp_path}/a/", 12, 7)
    found = pyarrow.dataset.dataset(tmp_path / "a", format="parquet", exclude_invalid_files=True).to_table()
    assert found["path"].to_pylist() == [row.path for row in rows(12)]
    assert (tmp_path / "a" / "part-notes.txt").exists()


def test_a_run_into_a_folder_has_the_rows_of_a_single_table(
    tmp_path: Path, tiny_model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = small_job(tmp_path, tiny_model, monkeypatch)
    single = dataclasses.replace(job, output=f"{tmp_path}/out/labels.parquet")
    folder = dataclasses.replace(job, output=f"{tmp_path}/out/labels/")
    assert run_label_job(single).n_recordings == 20
    assert run_label_job(dataclasses.replace(folder, limit=9)).n_recordings == 9
    # Resumed, with the run folder and the manifest inside, which readers leave out.
    assert run_label_job(folder).n_reused == 9
    assert sorted(path.name for path in (tmp_path / "out" / "labels").iterdir()) == [
        *(".run", ".run.json"),
        *(f"part-0000{index}.parquet" for index in range(2)),
    ]
    expected = pd.read_parquet(single.output)
    pd.testing.assert_frame_equal(pd.read_parquet(folder.output), expected)
    assert [record["path"] for record in read_records(folder.output, None, dict)] == list(expected["path"])
    (tmp_path / "in" / "00.wav").unlink()
    assert run_label_job(folder).n_recordings == 19
    assert len(pd.read_parquet(folder.output)) == 19


@pytest.mark.parametrize(
    ("output", "exports", "segments"),
    [("labels/", (), None), ("labels/", (), "segments.csv"), ("labels.csv", ("dataset",), None)],
)
def test_a_data_set_that_is_replaced_has_no_manifest(
    output: str,
    exports: tuple[str, ...],
    segments: str | None,
    tmp_path: Path,
    tiny_model: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table = f"{tmp_path}/{segments}" if segments else None
    job = dataclasses.replace(small_job(tmp_path, tiny_model, monkeypatch), output=f"{tmp_path}/{output}")
    job = dataclasses.replace(job, exports=exports, segments_output=table)
    manifest, seen, put = Path(f"{job.output}.run.json"), [], module.atomic_writer

    def watched(path: str, commit: Commit) -> contextlib.AbstractContextManager[BinaryIO]:
        seen.append(manifest.exists())
        return put(path, commit)

    monkeypatch.setattr(module, "atomic_writer", watched)
    for n in (12, 20):
        assert run_label_job(dataclasses.replace(job, limit=n)).n_recordings == n
        assert json.loads(manifest.read_text())["counts"]["recordings"] == n
    assert seen == [False] * 4


def test_a_folder_of_other_files_is_refused_and_an_empty_one_is_not(
    tmp_path: Path, tiny_model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = dataclasses.replace(small_job(tmp_path, tiny_model, monkeypatch, 4), output=f"{tmp_path}/mine/")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "part-00000.parquet").write_text("mine")
    with pytest.raises(UsageError, match="already exists and was not written by this run"):
        run_label_job(job)
    (tmp_path / "mine" / "part-00000.parquet").unlink()
    assert run_label_job(job).n_recordings == 4
