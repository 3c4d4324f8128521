"""Output formats: one entry per format, registered beside the code that writes it.

A package adds a format with an entry point of the group ``emosense.output_formats``; `emosense.tables` registers the
formats that ship with EmoSense.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO, Final

from emosense.errors import UsageError
from emosense.registry import Registry
from emosense.storage.commits import Commit, at_once
from emosense.storage.locations import absolute_location, redact
from emosense.storage.writing import atomic_writer
from emosense.tables.columns import Column, Group, select_columns
from emosense.tables.row import Row


@dataclasses.dataclass(frozen=True, slots=True)
class TableLayout:
    """What the rows of one table hold.

    Parameters
    ----------
    groups : set of str
        Optional groups of columns that it has (`emosense.tables.columns.Column.group`).
    min_confidence : float or None
        Rows below it are ``uncertain``; None for a table without that column.
    own_emotions : tuple of str
        Emotions of the rows beside `EMOTIONS`.
    commit : callable
        Puts a complete file of the table in place: an argument for `emosense.storage.writing.atomic_writer`.
    """

    groups: frozenset[Group] = frozenset()
    min_confidence: float | None = None
    own_emotions: tuple[str, ...] = ()
    commit: Commit = at_once

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns, in order."""
        flags: frozenset[Group] = frozenset(() if self.min_confidence is None else ("min_confidence",))
        return select_columns(self.groups | flags, self.own_emotions)

    def records(self, rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
        """Yield the values of all columns by name, in the order of the columns.

        Parameters
        ----------
        rows : sequence of Row
            Rows of the table.

        Yields
        ------
        dict
            One per row; None where there is no value.
        """
        names, least = [column.name for column in self.columns], self.min_confidence
        for row in rows:
            # An error row does not say which emotions the model knows.
            values = dict.fromkeys(f"p_{name}" for name in self.own_emotions) | row.to_dict()
            values["uncertain"] = least is not None and (row.confidence is None or row.confidence < least)
            yield {name: values[name] for name in names}


# Appends rows to an open table; one of a format with `takes_tables` is also given a `pyarrow.Table`.
WriteRows = Callable[[Any], None]


@dataclasses.dataclass(frozen=True, slots=True)
class OutputFormat:
    """How rows are written in one format.

    Parameters
    ----------
    description : str
        What it writes, in one line.
    suffix : str
        What replaces the extension of ``-o`` in the name of the file or folder: ``.jsonl``, ``.raven.txt``.
    open : callable
        Context manager that takes a location and a `TableLayout` and gives a function that appends rows. What it has
        written is whole, at the location, when the block ends without an error.
    needs_segments : bool
        Whether it holds time spans. It is then given the segments of one recording at a time, or the row of a
        recording without segments. Otherwise it is given the row of every recording, many at a time.
    is_folder : bool
        Whether it writes a folder of files.
    takes_tables : bool
        Whether its function also takes a `pyarrow.Table` with the columns of the table, in place of rows.
    can_be_main : bool
        Whether it can be the main table, and the table of segments: it holds every row and every column, errors
        included. The extension of ``-o`` is then the format's name.
    """

    description: str
    suffix: str
    open: Callable[[str, TableLayout], contextlib.AbstractContextManager[WriteRows]]
    needs_segments: bool = False
    is_folder: bool = False
    can_be_main: bool = True
    takes_tables: bool = False


OUTPUT_FORMATS: Final = Registry[OutputFormat]("output format", "emosense.output_formats")


def single_file(
    open_table: Callable[[BinaryIO, TableLayout], contextlib.AbstractContextManager[WriteRows]],
) -> Callable[[str, TableLayout], contextlib.AbstractContextManager[WriteRows]]:
    """Make the `open` of a format that is one file, from a context manager that writes to an open binary file.

    Parameters
    ----------
    open_table : callable
        Context manager that takes the file and the layout and gives a function that appends rows.

    Returns
    -------
    callable
        The `open` of an `OutputFormat`.
    """

    @contextlib.contextmanager
    def opened(location: str, layout: TableLayout) -> Iterator[WriteRows]:
        with atomic_writer(location, layout.commit) as file, open_table(file, layout) as write:
            yield write

    return opened


def place_of(output: str, name: str) -> str:
    """Return where the labels lie in another format: ``labels.csv`` gives ``labels.jsonl``, or ``labels.raven.txt``.

    Parameters
    ----------
    output : str
        Location of the main table.
    name : str
        Name of a format.

    Returns
    -------
    str
        Location of a file or folder.

    Raises
    ------
    UsageError
        If there is no such format.
    """
    # A dot in the name of a folder begins no extension.
    stem = output.rstrip("/") if output.endswith("/") else os.path.splitext(output)[0]
    if os.path.basename(stem) in ("", os.curdir, os.pardir):
        stem = absolute_location(output)
    return stem + OUTPUT_FORMATS.find(name).suffix


def format_of(output: str) -> str:
    """Return the name of the format that the extension of a table asks for; a folder, with ``/``, is a data set.

    Parameters
    ----------
    output : str
        Location of the table.

    Returns
    -------
    str
        Name of a format that can be the main table.

    Raises
    ------
    UsageError
        If there is no such format.
    """
    if output.endswith("/"):
        return "dataset"
    extension = os.path.splitext(output)[1].lower().lstrip(".")
    entry = OUTPUT_FORMATS.get(extension)
    if entry is None or not entry.can_be_main:
        files = (name for name, entry in OUTPUT_FORMATS.items() if entry.can_be_main and not entry.is_folder)
        *names, last = (f".{name}" for name in files)
        raise UsageError(
            f"cannot tell the format of {redact(output) or 'an empty name'}: end it in {', '.join(names)} or {last}, "
            "or in / for a data set"
        )
    return extension
