"""Tables with every row and every column: CSV, Parquet and JSON Lines."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

from emosense.tables.cells import escape_cell, printable_path, quoted_cell
from emosense.tables.columns import SCHEMA_VERSION, Column
from emosense.tables.formats import OUTPUT_FORMATS, OutputFormat, TableLayout, WriteRows, single_file
from emosense.tables.row import Row

if TYPE_CHECKING:
    import pyarrow as pa


@contextlib.contextmanager
def csv_table(file: BinaryIO, layout: TableLayout) -> Iterator[WriteRows]:
    r"""Write RFC 4180: UTF-8, ``\r\n``, a header, quotes around every text.

    Parameters
    ----------
    file : binary file
        Opened for writing.
    layout : TableLayout
        Columns of the table.

    Yields
    ------
    callable
        Appends rows.
    """
    columns = layout.columns

    def write(rows: Sequence[Row]) -> None:
        lines = (
            ",".join([_cell(column, record[column.name]) for column in columns]) for record in layout.records(rows)
        )
        file.write("".join(f"{line}\r\n" for line in lines).encode("utf-8"))

    file.write((",".join(column.name for column in columns) + "\r\n").encode("utf-8"))
    yield write


def _cell(column: Column, value: Any) -> str:
    if column.kind in ("name", "text"):
        return quoted_cell(escape_cell(printable_path(value) if column.kind == "name" else value))
    if value is None:
        return ""
    if column.kind == "number":
        return f"{value:.{column.digits}f}"
    return str(value).lower()


@contextlib.contextmanager
def json_lines(file: BinaryIO, layout: TableLayout) -> Iterator[WriteRows]:
    r"""Write one JSON object per line, with raw names; bytes of a name that are not UTF-8 become ``\udcNN``.

    Parameters
    ----------
    file : binary file
        Opened for writing.
    layout : TableLayout
        Columns of the table.

    Yields
    ------
    callable
        Appends rows.
    """

    def write(rows: Sequence[Row]) -> None:
        file.writelines(json.dumps(record).encode("ascii") + b"\n" for record in layout.records(rows))

    yield write


def arrow_schema(layout: TableLayout) -> pa.Schema:
    """Return the names and types of the columns of a table.

    Parameters
    ----------
    layout : TableLayout
        Columns of the table.

    Returns
    -------
    pyarrow.Schema
        Its metadata has the version of the table, ``emosense.schema``.
    """
    import pyarrow as pa

    types = {"name": pa.string(), "text": pa.string(), "number": pa.float64(), "count": pa.int64(), "flag": pa.bool_()}
    fields = [(column.name, types[column.kind]) for column in layout.columns]
    return pa.schema(fields, {"emosense.schema": str(SCHEMA_VERSION)})


def arrow_columns(rows: Sequence[Row], layout: TableLayout) -> list[pa.Array]:
    """Put rows into typed columns; a text that is not UTF-8 is written as `printable_path` does.

    Parameters
    ----------
    rows : sequence of Row
        Rows of the table.
    layout : TableLayout
        Columns of the table.

    Returns
    -------
    list of pyarrow.Array
        One per column of `arrow_schema`.
    """
    import pyarrow as pa

    records, columns = list(layout.records(rows)), []
    for column, field in zip(layout.columns, arrow_schema(layout), strict=True):
        values = [record[column.name] for record in records]
        columns.append(pa.array(map(printable_path, values) if field.type == pa.string() else values, field.type))
    return columns


@contextlib.contextmanager
def parquet_table(file: BinaryIO, layout: TableLayout) -> Iterator[WriteRows]:
    """Write Parquet with typed columns and raw names; a name that is not UTF-8 is written as `printable_path` does.

    Parameters
    ----------
    file : binary file
        Opened for writing.
    layout : TableLayout
        Columns of the table.

    Yields
    ------
    callable
        Appends rows as one row group.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = arrow_schema(layout)
    with pq.ParquetWriter(file, schema) as writer:
        yield lambda rows: writer.write_table(pa.Table.from_arrays(arrow_columns(rows, layout), schema=schema))


OUTPUT_FORMATS.register("csv", OutputFormat("a table as text (RFC 4180)", ".csv", single_file(csv_table)))
OUTPUT_FORMATS.register("parquet", OutputFormat("a table with typed columns", ".parquet", single_file(parquet_table)))
OUTPUT_FORMATS.register("jsonl", OutputFormat("one JSON object per row", ".jsonl", single_file(json_lines)))
