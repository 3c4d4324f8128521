"""Parquet files of features, opened where they are: only the parts that are asked for are read, and only once."""

from __future__ import annotations

import itertools
from collections.abc import Callable
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


def feature_arrays(batch: Any) -> list[Float32]:
    """Return the features of each row as views of the batch's memory.

    Parameters
    ----------
    batch : pyarrow.RecordBatch
        With the columns ``n_frames`` and ``features``.

    Returns
    -------
    list of ndarray, float32
        Shape (n_values,) or (n_frames, n_bands); read-only.
    """
    column = batch["features"]
    values = column.values.to_numpy(zero_copy_only=False).astype(np.float32, copy=False)
    spans = itertools.pairwise(column.offsets.to_numpy())
    rows = [values[start:end] for start, end in spans]
    return [
        row.reshape(n_frames, -1) if n_frames else row
        for row, n_frames in zip(rows, batch["n_frames"].to_pylist(), strict=True)
    ]
