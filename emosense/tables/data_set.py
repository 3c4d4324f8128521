"""A table as a folder of Parquet files, for tables that are too long for one file.

    labels/part-00000.parquet, part-00001.parquet ...     the rows, in order of path

pandas, DuckDB, Spark, Polars and Ray Data read the folder as one table. They leave out names that begin with a dot,
such as the run folder ``labels/.run`` and the manifest ``labels/.run.json``.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from emosense.storage.folders import list_folder, make_inner_folder, remove
from emosense.storage.locations import join
from emosense.storage.writing import atomic_writer
from emosense.tables.formats import OUTPUT_FORMATS, OutputFormat, TableLayout, WriteRows
from emosense.tables.row import Row
from emosense.tables.writers import parquet_table

if TYPE_CHECKING:
    import pyarrow as pa

# Some 30 MB: few enough files for 10 billion rows, small enough that many readers have work.
ROWS_A_FILE: Final = 1 << 18
_NAME: Final = re.compile(r"part-([0-9]{5,})\.parquet")


def data_files(folder: str) -> list[str]:
    """Return the files of a data set.

    Parameters
    ----------
    folder : str
        Local path or URL.

    Returns
    -------
    list of str
        Names, in order of path of their rows; none where there is no folder.
    """
    try:
        names = list_folder(folder)
    except NotADirectoryError:
        return []
    found = (_NAME.fullmatch(name) for name in names)
    return [match[0] for match in sorted(filter(None, found), key=lambda match: int(match[1]))]


@contextlib.contextmanager
def data_set(folder: str, layout: TableLayout) -> Iterator[WriteRows]:
    """Write a folder of Parquet files; those of a longer table that lay there before are removed at the end.

    Parameters
    ----------
    folder : str
        Local path or URL.
    layout : TableLayout
        Columns of the table, and how a file is put in place.

    Yields
    ------
    callable
        Appends rows.
    """
    make_inner_folder(folder, "")
    n_files = 0
    with contextlib.ExitStack() as current:

        def next_file() -> WriteRows:
            nonlocal n_files
            current.close()
            file = current.enter_context(atomic_writer(join(folder, f"part-{n_files:05d}.parquet"), layout.commit))
            n_files += 1
            return current.enter_context(parquet_table(file, layout))

        write, n_left = next_file(), ROWS_A_FILE

        def append(rows: Sequence[Row] | pa.Table) -> None:
            nonlocal write, n_left
            while len(rows):
                if not n_left:
                    write, n_left = next_file(), ROWS_A_FILE
                now, rows = rows[:n_left], rows[n_left:]
                write(now)
                n_left -= len(now)

        yield append
    for name in data_files(folder)[n_files:]:
        remove(join(folder, name))


OUTPUT_FORMATS.register(
    "dataset",
    OutputFormat(
        "a folder of Parquet files, read as one table", ".dataset", data_set, is_folder=True, takes_tables=True
    ),
)
