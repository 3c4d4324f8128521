"""A finished table of labels, in any of the formats that a table can have -> its records, one at a time."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO, Final, TypeVar

from emosense.errors import UsageError
from emosense.storage.cells import printable_path, unescape_cell
from emosense.storage.locations import join, redact
from emosense.storage.reading import open_stream, parse_json
from emosense.storage.table_faults import faults_of_table
from emosense.storage.text_table import MAX_LINE, text_table
from emosense.tables.columns import SCHEMA
from emosense.tables.data_set import data_files
from emosense.tables.formats import format_of

Record = TypeVar("Record")

# Columns that `emosense.tables.row.escape_cell` may have changed in a CSV.
_TEXTS: Final = ("path", "emotion", "status", "error_code", "error", "speaker", "channel")
_FLAGS: Final = ("uncertain", "unfamiliar")
# Spreadsheets write these words in the language of their user.
_FLAG_WORDS: Final = {
    **dict.fromkeys(("true", "wahr", "vrai", "verdadero", "vero", "waar", "1"), True),
    **dict.fromkeys(("false", "falsch", "faux", "falso", "onwaar", "0"), False),
    "": None,
}
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
        Local path or URL of a .csv, .parquet or .jsonl table of labels, or of a data set's folder, with ``/``.
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
        with faults_of_table(location):
            for place in _files(location):
                with open_stream(place) as file:
                    for values in reader(file, columns):
                        yield parse(_checked(values))
                        number += 1
    except (KeyError, ValueError, TypeError, NotImplementedError) as err:
        where = f"after row {number}" if number else "at its start"
        raise UsageError(f"{redact(location)} is not a table of labels: {where}, {_reason(err)}") from err


def _files(location: str) -> list[str]:
    """Return the files of a table: one, unless it is a data set."""
    if format_of(location) != "dataset":
        return [location]
    return [join(location, name) for name in data_files(location)] or [join(location, "part-00000.parquet")]


def _checked(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record whose values are of the types that a table can have."""
    for name, value in record.items():
        must_be_text = name in _TEXTS and name not in ("channel", "speaker")
        if isinstance(value, list | dict) or (must_be_text and not isinstance(value, str | None)):
            raise ValueError(f"{name} is {reprlib.repr(value)}, which is no text")
    return record


def _reader_of(location: str) -> Callable[[BinaryIO, Sequence[str] | None], Iterator[dict[str, Any]]]:
    readers = {"csv": _csv_records, "jsonl": _json_records, "parquet": _parquet_records, "dataset": _parquet_records}
    name = format_of(location)
    if name not in readers:
        raise UsageError(
            f"tables in {name} cannot be read: use .csv, .parquet, .jsonl or a data set, not {redact(location)}"
        )
    return readers[name]


def _reason(err: Exception) -> str:
    if isinstance(err, KeyError):
        return f"it has no column {err.args[0]!r}"
    return f"{err}"


def _csv_records(file: BinaryIO, columns: Sequence[str] | None) -> Iterator[dict[str, Any]]:
    with text_table(file, SCHEMA) as table:
        if "path" not in table.columns:
            raise KeyError("path")
        names = [name for name in table.columns if columns is None or name in columns]
        texts, flags = ([name for name in names if name in kind] for kind in (_TEXTS, _FLAGS))
        # A spreadsheet whose cells end at semicolons may write commas in numbers.
        numbers = [name for name in names if name not in (*_TEXTS, *_FLAGS)] if table.separator != "," else []
        for record in table:
            values: dict[str, Any] = {name: record[name] for name in names}
            values |= {name: unescape_cell(record[name]) for name in texts}
            values |= {name: _flag(record[name]) for name in flags}
            yield values | {name: record[name].replace(",", ".") for name in numbers}


def _flag(word: str) -> bool | None:
    if word.lower() not in _FLAG_WORDS:
        raise ValueError(f"{reprlib.repr(word)} is neither true nor false")
    return _FLAG_WORDS[word.lower()]


def _json_records(file: BinaryIO, columns: Sequence[str] | None) -> Iterator[dict[str, Any]]:
    while line := file.readline(MAX_LINE + 1):
        if len(line) > MAX_LINE:
            raise ValueError(f"a line has more than {MAX_LINE:,} bytes")
        if line.strip():
            record = parse_json(line)
            if not isinstance(record, dict):
                raise ValueError("a line is not a JSON object")
            if isinstance(record["path"], str):
                record["path"] = _printable(record["path"])
            yield {name: record[name] for name in columns or record if name in record}


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
