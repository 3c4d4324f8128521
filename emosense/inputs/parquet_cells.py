"""A column of a Parquet table -> the cells of a row group, one after the other, without what lies behind them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from emosense.storage.ranges import RangeFile

if TYPE_CHECKING:
    import pyarrow.parquet as pq

_BUFFER_BYTES: Final = 1 << 20
_ROWS_AT_ONCE: Final = 4


def cells_of(file: RangeFile, group: int, column: str) -> Iterator[Any]:
    """Read a column.

    Parameters
    ----------
    file : RangeFile
        Open.
    group : int
        Which row group.
    column : str
        A column of bytes, or ``column.bytes`` for a record.

    Yields
    ------
    pyarrow.Scalar
        In order of the rows.

    Raises
    ------
    pyarrow.ArrowException
        If the table is damaged.
    OSError
        As `RangeFile.part` does.
    """
    import pyarrow.parquet as pq

    table = pq.ParquetFile(file.stream(), pre_buffer=False, buffer_size=_BUFFER_BYTES)
    with contextlib.closing(table):
        file.ahead_to = column_end(table, group, column)
        for batch in table.iter_batches(row_groups=[group], columns=[column], batch_size=_ROWS_AT_ONCE):
            values = batch.column(0)
            yield from values.field("bytes") if column.endswith(".bytes") and "." in column else values


def column_end(table: pq.ParquetFile, group: int, column: str) -> int:
    """Return where a column ends in a row group: what lies behind it is not read.

    Parameters
    ----------
    table : pyarrow.parquet.ParquetFile
    group : int
    column : str
        Its path in the schema, such as ``audio.bytes``.

    Returns
    -------
    int
        Bytes from the beginning of the file; 0 if there is no such column.
    """
    row_group = table.metadata.row_group(group)
    for each in map(row_group.column, range(row_group.num_columns)):
        if each.path_in_schema == column:
            start = each.data_page_offset if each.dictionary_page_offset is None else each.dictionary_page_offset
            return int(min(start, each.data_page_offset) + each.total_compressed_size)
    return 0
