"""A finished table of labels, in any of its three formats -> its rows, one at a time."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Final, NamedTuple

from emosense.emotions import EMOTIONS
from emosense.errors import UsageError
from emosense.storage.files import open_stream
from emosense.storage.locations import redact
from emosense.tables.columns import QUALITY_COLUMNS
from emosense.tables.formats import format_of
from emosense.tables.row import printable_path, unescape_cell

_TEXT: Final = ("path", "emotion", "status", "error_code", "error")
_NUMBERS: Final = ("confidence", "duration_s", "decoded_s")
_STATUSES: Final = ("ok", "partial", "error")
_BATCH_ROWS: Final = 4096


class LabelRow(NamedTuple):
    """The columns of a recording that a report uses; None for an empty number."""

    path: str
    emotion: str
    status: str
    error_code: str
    error: str
    confidence: float | None
    duration_s: float | None
    decoded_s: float | None
    is_uncertain: bool
    quality: tuple[float | None, ...] = ()
    speaker: str | None = None


def reader_of(location: str) -> Callable[[BinaryIO], Iterator[dict[str, Any]]]:
    """Return the function that reads a table of labels.

    Parameters
    ----------
    location : str
        Path or URL of the table; its extension decides.

    Returns
    -------
    callable
        Takes an open binary file and yields one dict per row.

    Raises
    ------
    UsageError
        If tables of this format cannot be read.
    """
    readers = {"csv": _csv_records, "jsonl": _json_records, "parquet": _parquet_records}
    name = format_of(location)
    if name not in readers:
        raise UsageError(f"a report cannot read {name}: use a .csv, .parquet or .jsonl table, not {redact(location)}")
    return readers[name]


def read_labels(location: str) -> Iterator[LabelRow]:
    """Read a table of labels row by row; memory does not grow with its length.

    Parameters
    ----------
    location : str
        Local path or URL of a .csv, .parquet or .jsonl table that `emosense.tables.row` wrote.

    Yields
    ------
    LabelRow
        One row of the table.

    Raises
    ------
    UsageError
        If there is no such table, or it is not a table of recordings.
    StorageError
        If object storage does not answer.
    """
    reader = reader_of(location)
    number = 0
    try:
        with open_stream(location) as file:
            for record in reader(file):
                yield _row(record)
                number += 1
    except FileNotFoundError as err:
        raise UsageError(f"there is no table at {redact(location)}") from err
    except OSError as err:
        raise UsageError(f"the table {redact(location)} cannot be read: {err.strerror or err}") from err
    except (KeyError, ValueError, TypeError, csv.Error) as err:
        where = f"after row {number}" if number else "at its start"
        raise UsageError(f"{redact(location)} is not a table of labels: {where}, {_reason(err)}") from err


def _reason(err: Exception) -> str:
    if isinstance(err, KeyError):
        return f"it has no column {err.args[0]!r}"
    return f"{err}"


def _row(record: dict[str, Any]) -> LabelRow:
    """Check a record and return its row."""
    if "start_s" in record:
        raise ValueError("it is a table of segments: use the table of recordings")
    path, emotion, status, code, error = (record[name] for name in _TEXT)
    if emotion and emotion not in EMOTIONS:
        raise ValueError(f"{emotion!r} is not an emotion")
    if status not in _STATUSES:
        raise ValueError(f"{status!r} is not a status")
    confidence, duration_s, decoded_s = numbers = [_number(record[name]) for name in _NUMBERS]
    if any(number is not None and not 0 <= number < math.inf for number in numbers):
        raise ValueError("a confidence or a duration is out of range")
    if emotion and (confidence is None or confidence > 1):
        raise ValueError("there is an emotion without a confidence from 0 to 1")
    is_uncertain = record.get("uncertain") in (True, "true")
    quality = tuple(_number(record.get(name)) for name in QUALITY_COLUMNS) if QUALITY_COLUMNS[0] in record else ()
    speaker = str(record["speaker"] or "") if "speaker" in record else None
    return LabelRow(
        path, emotion, status, code, error, confidence, duration_s, decoded_s, is_uncertain, quality, speaker
    )


def _number(cell: str | float | None) -> float | None:
    """Return the number in a cell, None for an empty cell."""
    return None if cell in (None, "") else float(cell)


def _csv_records(file: BinaryIO) -> Iterator[dict[str, Any]]:
    with io.TextIOWrapper(file, "utf-8", newline="") as text:
        for record in csv.DictReader(text, restval=None, restkey=""):
            if "" in record or None in record.values():
                raise ValueError("a row has more or fewer cells than the header")
            yield record | {name: unescape_cell(record[name]) for name in (*_TEXT, "speaker") if name in record}


def _json_records(file: BinaryIO) -> Iterator[dict[str, Any]]:
    for line in file:
        record = json.loads(line)
        yield record | {"path": _printable(record["path"])}


def _printable(path: str) -> str:
    try:
        return printable_path(path)
    except UnicodeEncodeError:
        # A lone surrogate that stands for no byte; JSON can hold it, a file name cannot.
        return path.encode("utf-8", "backslashreplace").decode("utf-8")


def _parquet_records(file: BinaryIO) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(file) as table:
        present = set(table.schema_arrow.names)
        names = (*_TEXT, *_NUMBERS, "uncertain", "start_s", *QUALITY_COLUMNS, "speaker")
        wanted = [name for name in names if name in present]
        for batch in table.iter_batches(batch_size=_BATCH_ROWS, columns=wanted):
            yield from batch.to_pylist()
