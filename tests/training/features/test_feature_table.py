"""A feature table is read once: what it costs in memory and in bytes read."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFile

from emosense.errors import UsageError
from emosense.features.config import default_config
from emosense.inputs.recording import Recording
from emosense.inputs.utterance import Utterance
from emosense.progress import Silent
from emosense.training.features.loading import load_tables
from emosense.training.features.source import FeatureSource
from emosense.training.features.table_file import FeatureTableWriter, is_feature_table, read_feature_table

LOGMEL = default_config("logmel")
# One row group, in Parquet's encoding and in Arrow's, and what the allocators keep.
MAX_TIMES_THE_VALUES = 0.4
N_BANDS = 128


def write_table(path: Path, n_rows: int, n_frames: int, *, error_every: int = 0) -> None:
    """Random values, which no encoding makes smaller."""
    rng = np.random.default_rng(0)
    with open(path, "wb") as file:
        writer = FeatureTableWriter(file, LOGMEL)
        for start in range(0, n_rows, 50):
            names = [f"{row:05d}.wav" for row in range(start, min(start + 50, n_rows))]
            utterances = [Utterance(Recording(name, name, 1, "1"), "calm", "s") for name in names]
            results = []
            for row in range(start, start + len(names)):
                is_error = bool(error_every) and row % error_every == 0
                values = rng.normal(size=0 if is_error else n_frames * N_BANDS).astype(np.float32)
                results.append(
                    {
                        "features": values,
                        "n_frames": 0 if is_error else n_frames,
                        "error": "",
                        "error_code": "empty_file" if is_error else "",
                    }
                )
            writer.write(utterances, results)
        writer.close()


def test_the_peak_memory_of_loading_is_a_part_of_that_of_the_values(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    n_rows, n_frames = 1500, 250
    # A small one first: what Arrow itself needs does not count.
    places = [str(tmp_path / "small.parquet"), str(tmp_path / "f.parquet")]
    write_table(Path(places[0]), 50, n_frames)
    write_table(Path(places[1]), n_rows, n_frames)
    script = (
        "import sys\n"
        "import pyarrow.parquet\n"
        "from emosense.progress import Silent\n"
        "from emosense.features.config import default_config\n"
        "from emosense.training.features.loading import load_tables\n"
        "from emosense.training.features.source import FeatureSource\n"
        "def peak():\n"
        "    lines = open('/proc/self/status').read().splitlines()\n"
        "    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith('VmHWM'))\n"
        "def load(place): return load_tables(FeatureSource(place, ''), {default_config('logmel'): ()}, Silent())[0]\n"
        "load(sys.argv[1])\n"
        "before = peak()\n"
        "table = load(sys.argv[2])\n"
        "print(len(table), peak() - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, *places], capture_output=True, text=True, check=True)
    n_found, n_bytes = map(int, done.stdout.split())
    times = n_bytes / (n_rows * n_frames * N_BANDS * 4)
    record_property("peak memory of loading a feature table, times its values", round(times, 2))
    assert n_found == n_rows
    assert times < MAX_TIMES_THE_VALUES


def test_rows_with_errors_are_left_out_and_counted_whichever_row_group_they_are_in(tmp_path: Path) -> None:
    write_table(tmp_path / "f.parquet", 120, 3, error_every=7)
    table = read_feature_table(str(tmp_path / "f.parquet"))
    rows = [row for row in range(120) if row % 7]
    assert table.paths == tuple(f"{row:05d}.wav" for row in rows)
    assert table.by_error == {"empty_file": 18}
    # Values by another reader.
    stored = pq.read_table(tmp_path / "f.parquet")["features"].to_pylist()
    for features, row in zip(table.features, rows, strict=True):
        np.testing.assert_array_equal(features, np.array(stored[row], np.float32).reshape(3, N_BANDS))


def test_a_remote_table_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_table(tmp_path / "f.parquet", 100, 20)
    content = (tmp_path / "f.parquet").read_bytes()
    fsspec.filesystem("memory").pipe_file("/tables/f.parquet", content)
    n_read = 0
    read = io.BytesIO.read

    def counted(self: MemoryFile, size: int = -1) -> bytes:
        nonlocal n_read
        found = read(self, size)
        n_read += len(found)
        return found

    monkeypatch.setattr(MemoryFile, "read", counted, raising=False)
    (table,) = load_tables(FeatureSource("memory://tables/f.parquet", ""), {LOGMEL: ()}, Silent())
    assert len(table) == 100
    # Footers are read more than once: to see what the file is, and to find the row groups.
    assert len(content) < n_read < 1.2 * len(content)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no Parquet at all, and longer than a footer would be"])
def test_what_is_not_parquet_is_not_a_feature_table(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "f.parquet").write_bytes(content)
    fsspec.filesystem("memory").pipe_file("/tables/other.parquet", content)
    for place in (str(tmp_path / "f.parquet"), "memory://tables/other.parquet"):
        assert not is_feature_table(place)
        with pytest.raises(UsageError, match="is not a feature table"):
            read_feature_table(place)


def test_another_parquet_file_is_not_a_feature_table(tmp_path: Path) -> None:
    pq.write_table(pa.table({"path": ["a.wav"]}), tmp_path / "f.parquet")
    assert not is_feature_table(str(tmp_path / "f.parquet"))
    with pytest.raises(UsageError, match="is not a feature table"):
        read_feature_table(str(tmp_path / "f.parquet"))


def test_a_table_of_an_earlier_version_is_of_an_unknown_corpus(tmp_path: Path) -> None:
    write_table(tmp_path / "f.parquet", 2, 3)
    pq.write_table(pq.read_table(tmp_path / "f.parquet").drop_columns(["corpus", "language"]), tmp_path / "f.parquet")
    table = read_feature_table(str(tmp_path / "f.parquet"))
    assert (table.corpora, table.languages) == (("", ""), ("", ""))


def test_corpus_language_and_further_columns_are_kept(tmp_path: Path) -> None:
    result = {"features": np.ones(N_BANDS, np.float32), "n_frames": 0, "error": "", "error_code": ""}
    utterances = [
        Utterance(Recording(name, name, 1, "1"), "sad", "s", "", "nemo", "pl", further)
        for name, further in (("a.wav", (("room", "hall"),)), ("b.wav", ()))
    ]
    with open(tmp_path / "f.parquet", "wb") as file:
        writer = FeatureTableWriter(file, LOGMEL, ("room",))
        writer.write(utterances, [result, result])
        writer.close()
    assert pq.read_table(tmp_path / "f.parquet")["room"].to_pylist() == ["hall", ""]
    table = read_feature_table(str(tmp_path / "f.parquet"))
    assert (table.corpora, table.languages) == (("nemo", "nemo"), ("pl", "pl"))
    assert table.select([1]).corpora == ("nemo",)


def test_a_further_column_does_not_take_the_place_of_the_features(tmp_path: Path) -> None:
    with open(tmp_path / "f.parquet", "wb") as file, pytest.raises(UsageError, match="a column features"):
        FeatureTableWriter(file, LOGMEL, ("room", "features"))


@pytest.mark.parametrize("kind", [pa.list_(pa.float64()), pa.large_list(pa.float32()), pa.list_(pa.float32(), 6)])
def test_features_may_be_lists_of_another_kind(tmp_path: Path, kind: pa.DataType) -> None:
    path = tmp_path / "f.parquet"
    write_column(path, pa.array(np.arange(24.0).reshape(4, 6).tolist(), kind))
    table = read_feature_table(str(path))
    np.testing.assert_array_equal(np.ravel(table.features), np.arange(24, dtype=np.float32))


def test_features_that_are_not_lists_are_refused_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    write_column(path, pa.array(["a", "b"]))
    with pytest.raises(UsageError, match="is not a feature table"):
        read_feature_table(str(path))


def write_column(path: Path, features: pa.Array) -> None:
    """A feature table whose features have a type of their own."""
    write_table(path, len(features), 0)
    table = pq.read_table(path)
    pq.write_table(table.set_column(table.column_names.index("features"), "features", features), path)
