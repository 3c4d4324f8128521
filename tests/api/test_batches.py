"""Labels in a pipeline of Ray Data, and of anything else that has batches."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import REPOSITORY

from emosense import LabelBatch, Labeller
from emosense.errors import UsageError
from emosense.ray_session import ray_session

WORKER = (str(REPOSITORY / "tests" / "crashing_worker.py"),)


@pytest.fixture
def files(write_voice: Callable[..., Path], tmp_path: Path) -> dict[str, bytes]:
    """Five recordings by path, in ``in``; one is empty."""
    paths = [write_voice(f"in/{index}.wav", duration_s=0.6, pitch_hz=100 + 20 * index) for index in range(4)]
    (tmp_path / "in" / "9.wav").write_bytes(b"")
    return {str(path): path.read_bytes() for path in (*paths, tmp_path / "in" / "9.wav")}


@pytest.fixture
def label_batch(tiny_model: str) -> Iterator[Callable[..., pa.Table]]:
    opened: dict[str, LabelBatch] = {}

    def call(batch: Any, **settings: Any) -> pa.Table:
        if str(settings) not in opened:
            opened[str(settings)] = LabelBatch(tiny_model, **settings)
        return opened[str(settings)](batch)

    yield call
    for each in opened.values():
        each.close()


@pytest.fixture
def wanted(files: dict[str, bytes], tiny_model: str) -> list[tuple[str, str, float]]:
    with Labeller(tiny_model) as labeller:
        return [(row.path, row.emotion, row.confidence) for row in labeller.label_many(files)]


def short(rows: list[dict[str, Any]]) -> list[tuple[str, str, float]]:
    return [(row["path"], row["emotion"] or "", row["confidence"]) for row in sorted(rows, key=lambda row: row["path"])]


def test_batches_of_every_form_give_the_rows_of_the_files(
    files: dict[str, bytes], wanted: list[tuple[str, str, float]], label_batch: Callable[..., pa.Table]
) -> None:
    columns: dict[str, list[Any]] = {"path": list(files), "bytes": list(files.values()), "n": list(range(5))}
    arrays = {name: np.array(values, object) for name, values in columns.items()}
    for batch in (columns, arrays, pd.DataFrame(columns), pa.table(columns)):
        table = label_batch(batch, keep=["n"])
        assert short(table.to_pylist()) == wanted
        assert table["n"].to_pylist() == list(range(5))
    records = [{"bytes": content, "path": path} for path, content in files.items()]
    assert short(label_batch({"audio": records}).to_pylist()) == wanted
    assert short(label_batch({"place": list(files)}, audio="place").to_pylist()) == wanted


def test_every_batch_has_the_same_columns(files: dict[str, bytes], label_batch: Callable[..., pa.Table]) -> None:
    paths = list(files)
    schemas = [label_batch({"path": batch}).schema for batch in (paths, paths[-1:], [None], [])]
    assert all(schema.equals(schemas[0]) for schema in schemas)


def test_segments_repeat_what_is_kept(files: dict[str, bytes], label_batch: Callable[..., pa.Table]) -> None:
    table = label_batch({"path": list(files)[:2], "n": [7, 8]}, keep=["n"], segments=True, window_s=0.3)
    assert table["n"].to_pylist() == [7, 7, 8, 8]
    assert table["start_s"].to_pylist() == [0.0, 0.3] * 2


def test_a_recording_that_crashes_its_worker_is_one_row(files: dict[str, bytes], tiny_model: str) -> None:
    label_batch = LabelBatch(tiny_model)
    labeller = label_batch._labeller
    labeller._spec = dataclasses.replace(labeller._spec, worker=WORKER)
    content = next(iter(files.values()))
    try:
        table = label_batch({"bytes": [content] * 3, "path": ["a.wav", "crash.wav", "b.wav"]})
    finally:
        label_batch.close()
    assert table["status"].to_pylist() == ["ok", "error", "ok"]
    assert table["error_code"][1].as_py() == "worker_crashed"


def test_columns_that_are_not_there_or_there_twice_are_refused(label_batch: Callable[..., pa.Table]) -> None:
    with pytest.raises(UsageError, match="has no column bytes, audio or path, but n"):
        label_batch({"n": [1]})
    with pytest.raises(UsageError, match="has no column place"):
        label_batch({"path": ["a"]}, audio="place")
    with pytest.raises(UsageError, match="has a column emotion of its own"):
        label_batch({"path": ["a"]}, keep=["emotion"])


def test_ray_data_labels_files_tables_and_items(
    files: dict[str, bytes], wanted: list[tuple[str, str, float]], tiny_model: str, tmp_path: Path
) -> None:
    table = pa.table({"audio": [{"bytes": content, "path": path} for path, content in files.items()]})
    pq.write_table(table, tmp_path / "t.parquet")
    with ray_session(None, 2):
        import ray.data

        datasets = (
            ray.data.read_binary_files(str(tmp_path / "in"), include_paths=True),
            ray.data.read_parquet(str(tmp_path / "t.parquet")),
            ray.data.from_items([{"path": path, "n": len(path)} for path in files]),
        )
        for dataset in datasets:
            labelled = dataset.map_batches(
                LabelBatch,
                batch_size=2,
                compute=ray.data.ActorPoolStrategy(size=1),
                fn_constructor_kwargs={"model": tiny_model},
            )
            assert short(labelled.take_all()) == wanted


def test_missing_cells_of_pandas_are_rows_and_types_of_kept_columns_stay(label_batch: Callable[..., pa.Table]) -> None:
    times = np.array(["2026-01-01", "2026-01-02"], "datetime64[ns]")
    frame = pd.DataFrame({"path": ["gone.wav", None], "at": times, "n": np.array([1, 2], np.int8)})
    table = label_batch(frame, keep=["at", "n"])
    assert table["error_code"].to_pylist() == ["missing", "missing"]
    assert (table.schema.field("at").type, table.schema.field("n").type) == (pa.timestamp("ns"), pa.int8())
    with pytest.raises(UsageError, match="recordings are bytes, paths or records with either, not int"):
        label_batch({"bytes": np.array([1, 2])})
