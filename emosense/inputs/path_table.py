"""A table or list that names recordings -> their names, as the rest of EmoSense takes them.

A table has a column of paths, among any others. A list has one name per line. Names may be ``file://`` URLs. What a
store itself lists is read as well (`emosense.inputs.inventory`).
"""

from __future__ import annotations

import codecs
import dataclasses
import io
import itertools
import os
import urllib.parse
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final

from emosense.errors import NothingToDo, UsageError
from emosense.inputs.inventory import is_ls_line, is_manifest, ls_names, manifest_names
from emosense.inputs.name_columns import KNOWN_COLUMNS, PATH_COLUMNS, name_columns, parquet_names
from emosense.inputs.names import Name
from emosense.storage.cells import original_path, unescape_cell
from emosense.storage.locations import beside, join, local_path, redact
from emosense.storage.reading import open_stream
from emosense.storage.schemes import is_url
from emosense.storage.table_faults import faults_of_table
from emosense.storage.text_table import MAX_LINE, text_encoding, text_table

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
        By its extension: ``.csv``, ``.tsv`` and ``.parquet`` are tables, ``.txt`` and ``.lst`` lists; and a
        ``manifest.json`` is that of an inventory.
    """
    if is_manifest(location):
        return True
    return location.lower().endswith((*_TABLES, *_LISTS)) and not os.path.isdir(location)


def names_in_table(location: str, root: str = "") -> Iterator[Name]:
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
    Name
        For each row, in order.

    Raises
    ------
    UsageError
        If there is no such table, it has no column of paths, or it cannot be read.
    NothingToDo
        If it names no recording.
    """
    name = None
    try:
        with faults_of_table(location):
            for name in manifest_names(location) if is_manifest(location) else _names(location):
                yield _placed(name, location, root)
    except ValueError as err:
        raise UsageError(f"{redact(location)}: {err}") from err
    if name is None:
        raise NothingToDo(f"{redact(location)} names no recording")


def names_in_list(content: bytes, root: str = "") -> tuple[Name, ...]:
    """Read a list or table from standard input.

    Parameters
    ----------
    content : bytes
        Names, one per line, or separated by NUL as ``find -print0`` does; or a table of text with a column of paths;
        or the output of ``aws s3 ls --recursive``.
    root : str
        Folder or URL that relative names begin at; the working directory if empty.

    Returns
    -------
    tuple of Name

    Raises
    ------
    UsageError
        If it is a table that cannot be read.
    """
    marked = content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    if b"\0" in content and not marked:
        names = [Name(os.fsdecode(name)) for name in content.split(b"\0") if name]
    else:
        try:
            names = list(_listed(io.BytesIO(content)))
        except ValueError as err:
            raise UsageError(f"the list on standard input: {err}") from err
    return tuple(_placed(name, "", root) for name in names)


def _names(location: str) -> Iterator[Name]:
    lower = location.lower()
    with open_stream(location) as file:
        if lower.endswith(".parquet"):
            yield from parquet_names(file)
        else:
            yield from _listed(file) if lower.endswith(_LISTS) else _table_names(file)


def _table_names(file: BinaryIO) -> Iterator[Name]:
    with text_table(file, KNOWN_COLUMNS) as table:
        yield from filter(None, map(name_columns(table.columns).name, table))


def _listed(file: BinaryIO) -> Iterator[Name]:
    """Read a list; one whose first line is the header of a table is a table."""
    start = file.readline(MAX_LINE)
    file.seek(0)
    encoding = text_encoding(start[:2])
    head = start.decode(encoding, "replace").strip().lower()
    if any(name in head.replace(";", ",").replace("\t", ",").replace('"', "").split(",") for name in PATH_COLUMNS):
        yield from _table_names(file)
        return
    text = io.TextIOWrapper(file, encoding, "surrogateescape", newline="\n")
    try:
        lines = (line for line in _lines(text) if line.strip())
        first = next(lines, "")
        names = ls_names if is_ls_line(first) else _plain_names
        yield from names(itertools.chain([first], lines))
    finally:
        # The file stays open for its owner.
        text.detach()


def _plain_names(lines: Iterable[str]) -> Iterator[Name]:
    return (Name(line) for line in lines if line)


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    while line := text.readline(MAX_LINE + 1):
        if len(line) > MAX_LINE:
            raise ValueError(f"a line has more than {MAX_LINE:,} characters")
        yield line.rstrip("\r\n")


def _placed(name: Name, table: str, root: str) -> Name:
    return dataclasses.replace(name, location=named_place(name.location, table, root))


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
    # A table that EmoSense wrote has marks in names that a spreadsheet would run, and escapes what is not UTF-8.
    names = dict.fromkeys((name, unescape_cell(name), original_path(name), original_path(unescape_cell(name))))
    if root:
        places = [each if os.path.isabs(each) else join(root, each) for each in names]
    else:
        places = [place for each in names for place in (beside(table, each), each)]
    return next((place for place in places if is_url(place) or os.path.lexists(place)), places[0])
