"""Rows -> a table in one of three formats, written as they come."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO, Final, Protocol

from emosense.errors import UsageError
from emosense.storage.files import redact
from emosense.tables.row import (
    COUNT_COLUMNS,
    PROBABILITY_DIGITS,
    SECONDS_DIGITS,
    TEXT_COLUMNS,
    Row,
    escape_cell,
    printable_path,
)


class TableWriter(Protocol):
    """Writes rows to an open binary file."""

    def write(self, rows: list[Row]) -> None:
        """Append rows."""
        ...

    def close(self) -> None:
        """Write what the format needs at its end."""
        ...


def extra_columns(row: Row, min_confidence: float | None) -> dict[str, Any]:
    """Columns that are there only when asked for: ``uncertain`` with a least confidence."""
    if min_confidence is None:
        return {}
    return {"uncertain": row.confidence is None or row.confidence < min_confidence}


class CsvWriter:
    r"""RFC 4180: UTF-8, ``\r\n``, a header, quotes where needed."""

    def __init__(self, file: BinaryIO, columns: tuple[str, ...], min_confidence: float | None) -> None:
        self._file, self._columns, self._min_confidence = file, columns, min_confidence
        extra = ("uncertain",) if min_confidence is not None else ()
        self._put([[*columns, *extra]])

    def _put(self, lines: Iterable[Iterable[str]]) -> None:
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\r\n").writerows(lines)
        self._file.write(text.getvalue().encode("utf-8"))

    def write(self, rows: list[Row]) -> None:
        """Append rows."""
        self._put(self._cells(row) for row in rows)

    def _cells(self, row: Row) -> Iterator[str]:
        values = row.to_dict()
        values |= {"path": printable_path(row.path), "speaker": printable_path(row.speaker)}
        for column in self._columns:
            value = values[column]
            if column in TEXT_COLUMNS:
                yield escape_cell(value)
            elif value is None:
                yield ""
            elif column in COUNT_COLUMNS:
                yield str(value)
            else:
                yield f"{value:.{SECONDS_DIGITS if column.endswith('_s') else PROBABILITY_DIGITS}f}"
        for flag in extra_columns(row, self._min_confidence).values():
            yield "true" if flag else "false"

    def close(self) -> None:
        """Nothing is left to write."""


class JsonLinesWriter:
    r"""One JSON object a line, raw names; bytes of a name that are not UTF-8 are written as ``\udcNN``."""

    def __init__(self, file: BinaryIO, columns: tuple[str, ...], min_confidence: float | None) -> None:
        self._file, self._columns, self._min_confidence = file, columns, min_confidence

    def write(self, rows: list[Row]) -> None:
        """Append rows."""
        for row in rows:
            values = row.to_dict()
            record = {column: values[column] for column in self._columns} | extra_columns(row, self._min_confidence)
            self._file.write(json.dumps(record).encode("ascii") + b"\n")

    def close(self) -> None:
        """Nothing is left to write."""


class ParquetWriter:
    """Parquet with typed columns, raw names; one that is not UTF-8 is written as `printable_path` does."""

    def __init__(self, file: BinaryIO, columns: tuple[str, ...], min_confidence: float | None) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._pa, self._min_confidence = pa, min_confidence
        types = dict.fromkeys(TEXT_COLUMNS, pa.string()) | dict.fromkeys(COUNT_COLUMNS, pa.int64())
        fields = [(column, types.get(column, pa.float64())) for column in columns]
        if min_confidence is not None:
            fields.append(("uncertain", pa.bool_()))
        self._schema = pa.schema(fields)
        self._writer = pq.ParquetWriter(file, self._schema)

    def write(self, rows: list[Row]) -> None:
        """Append rows as one row group."""
        records = []
        for row in rows:
            record = row.to_dict() | extra_columns(row, self._min_confidence)
            records.append(record | {"path": printable_path(row.path), "speaker": printable_path(row.speaker)})
        self._writer.write_table(self._pa.Table.from_pylist(records, schema=self._schema))

    def close(self) -> None:
        """Write the footer."""
        self._writer.close()


WriterFactory = Callable[[BinaryIO, tuple[str, ...], float | None], TableWriter]
WRITERS: Final[dict[str, WriterFactory]] = {"csv": CsvWriter, "jsonl": JsonLinesWriter, "parquet": ParquetWriter}


def format_of(output: str) -> str:
    """Return the format that an output's extension asks for.

    Raises
    ------
    UsageError
        If the extension is none of .csv, .parquet and .jsonl.
    """
    extension = os.path.splitext(output)[1].lower().lstrip(".")
    if extension not in WRITERS:
        raise UsageError(f"cannot tell the format of {redact(output)}: end it in .csv, .parquet or .jsonl")
    return extension
