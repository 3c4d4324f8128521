"""A finished table of labels, in any of the formats that a table can have -> its records, one at a time."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO, Final, TypeVar

from emosense.errors import UsageError
from emosense.storage.files import open_stream
from emosense.storage.locations import redact
from emosense.tables.formats import format_of
from emosense.tables.row import printable_path, unescape_cell

Record = TypeVar("Record")

# Columns that `emosense.tables.row.escape_cell` may have changed in a CSV.
_ESCAPED: Final = ("path", "emotion", "status", "error_code", "error", "speaker", "channel")
_BATCH_ROWS: Final = 4096


def check_readable(location: str) -> None:
    """Check that a table of labels in this place could be read again.

    Parameters
    ----------
    location : str
        Path or URL of the table; its extension decides.

    Raises
    ------
    UsageError
        If tables of this format cannot be read.
    """
    _reader_of(location)


def read_records(
    location: str, columns: Sequence[str] | None, parse: Callable[[dict[str, Any]], Record]
) -> Iterator[Record]:
    """Read a table of labels row by row; memory does not grow with its length.

    Parameters
    ----------
    location : str
        Local path or URL of a .csv, .parquet or .jsonl table of labels.
    columns : sequence of str or None
        Columns to read, as far as the table has them; None for all.
    parse : callable
        Makes a record of the values of a row by column. A KeyError, ValueError or TypeError means that the table is
        not a table of labels.

    Yields
    ------
    object
        What `parse` returns.

    Raises
    ------
    UsageError
        If there is no such table, or it is not a table of recordings.
    StorageError
        If object storage does not answer.
    """
    reader = _reader_of(location)
    number = 0
    try:
        with open_stream(location) as file:
            for values in reader(file, columns):
                yield parse(values)
                number += 1
    except FileNotFoundError as err:
        raise UsageError(f"there is no table at {redact(location)}") from err
    except OSError as err:
        raise UsageError(f"the table {redact(location)} cannot be read: {err.strerror or err}") from err
    except (KeyError, ValueError, TypeError, csv.Error) as err:
        where = f"after row {number}" if number else "at its start"
        raise UsageError(f"{redact(location)} is not a table of labels: {where}, {_reason(err)}") from err


def _reader_of(location: str) -> Callable[[BinaryIO, Sequence[str] | None], Iterator[dict[str, Any]]]:
    readers = {"csv": _csv_records, "jsonl": _json_records, "parquet": _parquet_records}
    name = format_of(location)
    if name not in readers:
        raise UsageError(
            f"tables in {name} cannot be read: use a .csv, .parquet or .jsonl table, not {redact(location)}"
        )
    return readers[name]


def _reason(err: Exception) -> str:
    if isinstance(err, KeyError):
        return f"it has no column {err.args[0]!r}"
    return f"{err}"


def _csv_records(file: BinaryIO, columns: Sequence[str] | None) -> Iterator[dict[str, Any]]:
    escaped = [name for name in _ESCAPED if columns is None or name in columns]
    with io.TextIOWrapper(file, "utf-8-sig", newline="") as text:
        for record in csv.DictReader(text, restval=None, restkey=""):
            if "" in record or None in record.values():
                raise ValueError("a row has more or fewer cells than the header")
            yield record | {name: unescape_cell(record[name]) for name in escaped if name in record}


def _json_records(file: BinaryIO, columns: Sequence[str] | None) -> Iterator[dict[str, Any]]:
    for line in file:
        record = json.loads(line)
        yield {name: record[name] for name in columns or record if name in record} | {
            "path": _printable(record["path"])
        }


def _printable(path: str) -> str:
    try:
        return printable_path(path)
    except UnicodeEncodeError:
        # A lone surrogate that stands for no byte; JSON can hold it, a file name cannot.
        return path.encode("utf-8", "backslashreplace").decode("utf-8")


def _parquet_records(file: BinaryIO, columns: Sequence[str] | None) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(file) as table:
        present = table.schema_arrow.names
        wanted = present if columns is None else [name for name in columns if name in present]
        for batch in table.iter_batches(batch_size=_BATCH_ROWS, columns=wanted):
            yield from batch.to_pylist()
