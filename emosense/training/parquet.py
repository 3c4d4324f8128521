"""Parquet files of features, local or remote: only the parts that are needed are read, and only once."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from emosense.arrays import Float32
from emosense.errors import UsageError
from emosense.storage.locations import local_path, redact
from emosense.storage.objects import filesystem, retry
from emosense.storage.schemes import is_url

T = TypeVar("T")


class WrongContentError(UsageError):
    """A file is not the Parquet file that was expected."""


def read_parquet(location: str, action: Callable[[Any], T]) -> T:
    """Run an action on an open Parquet file; only what the action asks for is read.

    Parameters
    ----------
    location : str
        Local path or URL.
    action : callable
        Takes a `pyarrow.parquet.ParquetFile`. Faults of remote storage run it again.

    Returns
    -------
    object
        What the action returned.

    Raises
    ------
    OSError
        If the file cannot be opened.
    WrongContentError
        If the file is not Parquet, or not with the columns that the action needs.
    """
    import pyarrow.parquet as pq

    def run(file: Any) -> T:
        try:
            return action(pq.ParquetFile(file))
        except (KeyError, TypeError, ValueError) as err:  # pa.ArrowInvalid is a ValueError
            raise WrongContentError(f"{redact(location)} does not have the content that is needed: {err}") from err

    def fetch() -> T:
        with fs.open(path, "rb") as file:
            return run(file)

    if not is_url(local_path(location)):
        with open(local_path(location), "rb") as file:
            return run(file)
    fs, path = filesystem(location)
    return retry(fetch, f"reading {redact(location)}")


def read_rows(
    file: Any, columns: Sequence[str], is_wanted: Callable[[Any], Sequence[bool]]
) -> tuple[list[tuple[Any, ...]], list[Float32]]:
    """Read rows with their features into one array, so that peak memory stays near the size of the values.

    Parameters
    ----------
    file : pyarrow.parquet.ParquetFile
        With the columns ``n_frames`` and ``features``.
    columns : sequence of str
        Further columns to read.
    is_wanted : callable
        Returns for a record batch which of its rows to keep.

    Returns
    -------
    rows : list of tuple
        The values of `columns` in each row that is kept.
    features : list of ndarray, float32
        Shape (n_values,) or (n_frames, n_bands) each.
    """
    import pyarrow as pa

    metadata = file.metadata
    leaves = [i for i in range(metadata.num_columns) if metadata.schema.column(i).path.startswith("features.")]
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    # At least as many as there are; memory that is not written to is not used.
    values = np.empty(sum(group.column(leaf).num_values for group in groups for leaf in leaves), np.float32)
    rows: list[tuple[Any, ...]] = []
    features: list[Float32] = []
    end = 0
    for number in range(len(groups)):
        for whole in file.read_row_group(number, use_threads=False).to_batches():
            mask = is_wanted(whole)
            batch = whole if all(mask) else whole.filter(pa.array(mask))
            offsets = batch["features"].offsets.to_numpy()
            flat = batch["features"].values.to_numpy(zero_copy_only=False)[offsets[0] : offsets[-1]]
            spans = itertools.pairwise(offsets - offsets[0] + end)
            end += len(flat)
            values[end - len(flat) : end] = flat
            rows += zip(*(batch[name].to_pylist() for name in columns), strict=True)
            for (first, last), n_frames in zip(spans, batch["n_frames"].to_pylist(), strict=True):
                features.append(values[first:last].reshape(n_frames, -1) if n_frames else values[first:last])
    return rows, features
