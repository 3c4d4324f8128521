"""A table or list that names recordings -> their names, as the rest of EmoSense takes them.

A table has a column of paths, among any others. A list has one name per line. Names may be ``file://`` URLs.
"""

from __future__ import annotations

import codecs
import io
import os
import urllib.parse
from collections.abc import Iterator
from typing import BinaryIO, Final

from emosense.errors import NothingToDo, UsageError
from emosense.storage.locations import beside, join, local_path, redact
from emosense.storage.reading import open_stream
from emosense.storage.schemes import is_url
from emosense.storage.text_table import MAX_LINE, text_encoding, text_table

# What people and neighbouring tools call the column, the first that a table has.
PATH_COLUMNS: Final = ("path", "file", "filename", "file_name", "audio_filepath", "url", "uri")
_TABLES: Final = (".csv", ".tsv", ".parquet")
_LISTS: Final = (".txt", ".lst")


def is_table(location: str) -> bool:
    """Say whether an input is a table or list of recordings rather than a recording or a folder.

    Parameters
    ----------
    location : str
        Local path or URL.

    Returns
    -------
    bool
        By its extension: ``.csv``, ``.tsv`` and ``.parquet`` are tables, ``.txt`` and ``.lst`` lists.
    """
    return location.lower().endswith((*_TABLES, *_LISTS)) and not os.path.isdir(location)


def names_in_table(location: str, root: str = "") -> Iterator[str]:
    """Read the recordings of a table or list.

    Parameters
    ----------
    location : str
        Local path or URL.
    root : str
        Folder or URL that relative names begin at. If empty, they are relative to the folder of the table or, if that
        has no such file, to the working directory.

    Yields
    ------
    str
        A local path or URL for each row, in order.

    Raises
    ------
    UsageError
        If there is no such table, it has no column of paths, or it cannot be read.
    NothingToDo
        If it names no recording.
    """
    try:
        with open_stream(location) as file:
            name = None
            for name in _cells(location, file):
                yield named_place(name, location, root)
    except FileNotFoundError as err:
        raise UsageError(f"there is no table at {redact(location)}") from err
    except OSError as err:
        raise UsageError(f"the table {redact(location)} cannot be read: {err.strerror or err}") from err
    except ValueError as err:
        raise UsageError(f"{redact(location)}: {err}") from err
    if name is None:
        raise NothingToDo(f"{redact(location)} names no recording")


def names_in_list(content: bytes, root: str = "") -> tuple[str, ...]:
    """Read a list or table from standard input.

    Parameters
    ----------
    content : bytes
        Names, one per line, or separated by NUL as ``find -print0`` does; or a table of text with a column of paths.
    root : str
        Folder or URL that relative names begin at; the working directory if empty.

    Returns
    -------
    tuple of str
        Local paths and URLs.

    Raises
    ------
    UsageError
        If it is a table that cannot be read.
    """
    marked = content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    if b"\0" in content and not marked:
        names = [os.fsdecode(name) for name in content.split(b"\0") if name]
    else:
        try:
            names = list(_listed(io.BytesIO(content)))
        except ValueError as err:
            raise UsageError(f"the list on standard input: {err}") from err
    return tuple(named_place(name, "", root) for name in names)


def _cells(location: str, file: BinaryIO) -> Iterator[str]:
    lower = location.lower()
    if lower.endswith(".parquet"):
        return _parquet_cells(file)
    return _listed(file) if lower.endswith(_LISTS) else _table_cells(file)


def _table_cells(file: BinaryIO) -> Iterator[str]:
    with text_table(file, PATH_COLUMNS) as table:
        column = _column(table.columns)
        yield from (row[column] for row in table if row[column])


def _column(columns: tuple[str, ...]) -> str:
    for name in PATH_COLUMNS:
        if name in columns:
            return name
    raise ValueError(f"it has no column {', '.join(PATH_COLUMNS[:-1])} or {PATH_COLUMNS[-1]}")


def _listed(file: BinaryIO) -> Iterator[str]:
    """Read a list; one whose first line is the header of a table is a table."""
    start = file.readline(MAX_LINE)
    file.seek(0)
    encoding = text_encoding(start[:2])
    head = start.decode(encoding, "replace").strip().lower()
    if any(name in head.replace(";", ",").replace("\t", ",").replace('"', "").split(",") for name in PATH_COLUMNS):
        yield from _table_cells(file)
        return
    text = io.TextIOWrapper(file, encoding, "surrogateescape", newline="\n")
    try:
        while line := text.readline(MAX_LINE + 1):
            if len(line) > MAX_LINE:
                raise ValueError(f"a line has more than {MAX_LINE:,} characters")
            if line.strip():
                yield line.rstrip("\r\n")
    finally:
        # The file stays open for its owner.
        text.detach()


def _parquet_cells(file: BinaryIO) -> Iterator[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file) as table:
            column = _column(tuple(table.schema_arrow.names))
            for batch in table.iter_batches(columns=[column]):
                yield from (str(cell) for cell in batch.column(0).to_pylist() if cell)
    except pa.ArrowException as err:
        raise ValueError(f"it is not a readable Parquet file: {err}") from err


def named_place(name: str, table: str, root: str = "") -> str:
    """Return the place of a recording that a table names.

    Parameters
    ----------
    name : str
        Path or URL in the table.
    table : str
        Local path or URL of the table; empty for a list on standard input.
    root : str
        Folder or URL that relative names begin at. If empty, they are relative to the folder of the table or, if that
        has no such file, to the working directory.

    Returns
    -------
    str
        A local path or URL.
    """
    if is_url(name):
        path = local_path(name)
        # A URL may have its special characters encoded, which a path has not.
        decoded = urllib.parse.unquote(path, errors="surrogateescape")
        return decoded if not is_url(path) and not os.path.lexists(path) and os.path.lexists(decoded) else path
    # A table that EmoSense wrote has a mark before a name that begins like a formula.
    names = (name, name[1:]) if name.startswith("'") else (name,)
    if root:
        places = [each if os.path.isabs(each) else join(root, each) for each in names]
    else:
        places = [place for each in names for place in (beside(table, each), each)]
    return next((place for place in places if is_url(place) or os.path.lexists(place)), places[0])
