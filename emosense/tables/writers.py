"""Tables with every row and every column: CSV, Parquet and JSON Lines."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

from emosense.storage.cells import escape_cell, printable_path, quoted_cell
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


def arrow_table(records: Iterable[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    """Put records into typed columns.

    Parameters
    ----------
    records : iterable of dict
        Values by column; a text that is not UTF-8 is written as `printable_path` does.
    schema : pyarrow.Schema
        Names and types of the columns, with what the metadata will be.

    Returns
    -------
    pyarrow.Table
    """
    import pyarrow as pa
    from pyarrow import json as arrow_json

    texts = [field.name for field in schema if field.type == pa.string()]
    lines = [
        json.dumps(record | {name: record[name] and printable_path(record[name]) for name in texts})
        for record in records
    ]
    if not lines:
        return pa.Table.from_batches([], schema)
    # By way of JSON, since whoever makes an array of a list has PyArrow import pandas: 40 MB, and 0.4 s of CPU.
    text = "\n".join(lines).encode()
    reading = arrow_json.ReadOptions(use_threads=False, block_size=len(text) + 1)
    table = arrow_json.read_json(io.BytesIO(text), reading, arrow_json.ParseOptions(explicit_schema=schema))
    return table.replace_schema_metadata(schema.metadata)


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
    import pyarrow.parquet as pq

    schema = arrow_schema(layout)
    with pq.ParquetWriter(file, schema) as writer:

        def write(rows: Sequence[Row] | pa.Table) -> None:
            is_table = not isinstance(rows, Sequence)
            writer.write_table(rows if is_table else arrow_table(layout.records(rows), schema))

        yield write


OUTPUT_FORMATS.register("csv", OutputFormat("a table as text (RFC 4180)", ".csv", single_file(csv_table)))
OUTPUT_FORMATS.register(
    "parquet", OutputFormat("a table with typed columns", ".parquet", single_file(parquet_table), takes_tables=True)
)
OUTPUT_FORMATS.register("jsonl", OutputFormat("one JSON object per row", ".jsonl", single_file(json_lines)))
