"""A Parquet table with a column of bytes, as Hugging Face and Ray Data write them -> a member for each row.

The column is one of bytes, or a record with a field ``bytes`` as in Hugging Face's ``audio``. A member is called after
the number of its row, and after the path in the table if there is one: ``00000017/a.wav``. So the order of the paths is
that of the table, which is the order in which it can be read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from emosense.inputs.archive import Member, bad
from emosense.inputs.name_columns import PATH_COLUMNS
from emosense.inputs.parquet_cells import column_end
from emosense.storage.ranges import RangeFile

if TYPE_CHECKING:
    import pyarrow as pa

_BYTES_COLUMNS: Final = ("audio", "bytes", "content", "wav", "flac", "mp3", "ogg", "opus", "m4a", "data")
_NAME_COLUMNS: Final = (*PATH_COLUMNS, "key", "__key__", "name", "id")


def bytes_column(schema: pa.Schema) -> str:
    """Find the column of recordings.

    Parameters
    ----------
    schema : pyarrow.Schema
        Of the table.

    Returns
    -------
    str
        The column, or ``column.bytes`` for a record; empty if there is none.
    """
    import pyarrow as pa

    def is_bytes(kind: pa.DataType) -> bool:
        return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))

    for field in schema:
        if pa.types.is_struct(field.type) and any(each.name == "bytes" and is_bytes(each.type) for each in field.type):
            return f"{field.name}.bytes"
    columns = [field.name for field in schema if is_bytes(field.type)]
    known = [name for name in _BYTES_COLUMNS if name in columns]
    return known[0] if known else columns[0] if len(columns) == 1 else ""


def _name_column(schema: pa.Schema, column: str) -> str:
    import pyarrow as pa

    record = column.removesuffix(".bytes")
    if record != column and any(each.name == "path" for each in schema.field(record).type):
        return f"{record}.path"
    texts = [field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)]
    return next((name for name in _NAME_COLUMNS if name in texts), "")


def holds_recordings(location: str) -> bool:
    """Return whether a Parquet table has a column of recordings, rather than one that names them.

    Parameters
    ----------
    location : str
        Local path or URL.

    Returns
    -------
    bool
        False if it cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = RangeFile(location)
    try:
        file.open()
        with file, pq.ParquetFile(file.stream()) as table:
            return bool(bytes_column(table.schema_arrow))
    except (pa.ArrowException, OSError):
        return False


def parquet_members(file: RangeFile) -> Iterator[Member]:
    """List a Parquet table.

    Parameters
    ----------
    file : RangeFile
        Open.

    Yields
    ------
    Member
        One per row; none if the table has no column of bytes.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file.stream(), pre_buffer=False) as table:
            column = bytes_column(table.schema_arrow)
            if not column:
                yield Member(file.location, skipped=".parquet")
                return
            names = _name_column(table.schema_arrow, column)
            number = 0
            for group in range(table.num_row_groups):
                file.ahead_to = column_end(table, group, names)
                for index, name in enumerate(_names(table, group, names)):
                    label = f"{number:08d}" + (f"/{name.rpartition('/')[2]}" if name else "")
                    yield Member(label, -1, f"row:{group}:{index}:{column}")
                    number += 1
    except (pa.ArrowException, OSError) as err:
        yield bad("", f"it is not a readable Parquet file: {err}")


def _names(table: pa.parquet.ParquetFile, group: int, column: str) -> Iterator[str]:
    if not column:
        yield from ("" for _ in range(table.metadata.row_group(group).num_rows))
        return
    for batch in table.iter_batches(row_groups=[group], columns=[column], batch_size=4096):
        values = batch.column(0)
        values = values.field("path") if "." in column else values
        yield from (str(value or "") for value in values.to_pylist())
