"""Parquet files of features, local or remote: only the parts that are needed are read, and only once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from emosense.errors import UsageError
from emosense.storage.locations import local_path, redact
from emosense.storage.objects import filesystem, retry
from emosense.storage.schemes import is_url
from emosense.training.features.mapped_values import MappedValues

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
        # pa.ArrowInvalid is a ValueError; a column of another type cannot be cast: pa.ArrowNotImplementedError.
        except (KeyError, TypeError, ValueError, NotImplementedError) as err:
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
    file: Any, columns: Sequence[str], is_wanted: Callable[[Any], Sequence[bool]], values: MappedValues
) -> list[tuple[Any, ...]]:
    """Read rows with their features, one row group after another.

    Parameters
    ----------
    file : pyarrow.parquet.ParquetFile
        With the columns ``n_frames`` and ``features``.
    columns : sequence of str
        Further columns to read.
    is_wanted : callable
        Returns for a record batch which of its rows to keep.
    values : MappedValues
        Receives the features of the rows that are kept.

    Returns
    -------
    list of tuple
        The values of `columns` in each row that is kept.
    """
    import pyarrow as pa

    rows: list[tuple[Any, ...]] = []
    for number in range(file.num_row_groups):
        for whole in file.read_row_group(number, [*columns, "n_frames", "features"], use_threads=False).to_batches():
            mask = is_wanted(whole)
            batch = whole if all(mask) else whole.filter(pa.array(mask))
            values.append(batch["features"], batch["n_frames"].to_pylist())
            rows += zip(*(batch[name].to_pylist() for name in columns), strict=True)
    return rows
