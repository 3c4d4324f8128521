"""A table of text, of whatever program -> its rows, one at a time.

Cells are separated by commas, semicolons or tabs; a first line ``sep=;`` says so as well, as Excel writes it. The
encoding is UTF-8 or UTF-16. Names of columns are recognised in upper and lower case.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
from collections.abc import Collection, Iterator
from typing import BinaryIO, Final, TextIO

# A file of zeros is one line.
MAX_LINE: Final = 1 << 20
_SEPARATORS: Final = ",;\t"


def text_encoding(start: bytes) -> str:
    """Return the encoding of a text.

    Parameters
    ----------
    start : bytes
        Its first bytes, at least two if it has them.

    Returns
    -------
    str
        UTF-16 by its mark, or by a zero in the first character; UTF-8 otherwise. A mark is not part of the text.
    """
    if start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return "utf-16"
    return {(False, True): "utf-16-le", (True, False): "utf-16-be"}.get(
        (start[:1] == b"\0", start[1:2] == b"\0"), "utf-8-sig"
    )


def _names(line: str, separator: str) -> list[str]:
    try:
        return [name.strip() for name in next(csv.reader([line], delimiter=separator), [])]
    except csv.Error:
        return []


def _fitness(header: str, separator: str, known: Collection[str]) -> tuple[int, int]:
    """Say how well a separator fits a header: how many known columns it gives, then how many in all."""
    names = _names(header, separator)
    return sum(name.lower() in known for name in names), len(names)


@contextlib.contextmanager
def text_table(file: BinaryIO, known: Collection[str] = ()) -> Iterator[TextTable]:
    """Open a table of text.

    Parameters
    ----------
    file : binary file
        At its start.
    known : collection of str
        As for `TextTable`.

    Yields
    ------
    TextTable

    Raises
    ------
    ValueError
        As `TextTable`.
    """
    start = file.read(2)
    file.seek(0)
    text = io.TextIOWrapper(file, text_encoding(start), newline="")
    try:
        yield TextTable(text, known)
    finally:
        # The file stays open for its owner.
        text.detach()


class TextTable:
    """An open table of text; iterate over it for its rows, a dict of str by column each.

    Parameters
    ----------
    text : text file
        At its start, with line ends as they are.
    known : collection of str
        Names of columns in lower case: a column that has one of them in another case gets this name.

    Attributes
    ----------
    columns : tuple of str
        Names of the columns, in order; empty if the file is.
    separator : str
        What separates cells.

    Raises
    ------
    ValueError
        If it is not a table of text, with the line and the reason; also while it is read.
    """

    def __init__(self, text: TextIO, known: Collection[str] = ()) -> None:
        self._text = text
        self._n_lines = 0
        self._ahead: list[str] = []
        csv.field_size_limit(MAX_LINE)
        first = next(self._lines(), "")
        if first[:4].lower() == "sep=" and first[4:5] not in ("", "\r", "\n"):
            self.separator = first[4]
        else:
            self.separator = max(_SEPARATORS, key=lambda separator: _fitness(first, separator, known))
            self._ahead = [first]
        # A quote that is never closed would take all lines after it for one cell.
        self._rows = csv.reader(self._lines(), delimiter=self.separator, strict=True)
        self.columns = tuple(self._known_name(name.strip(), known) for name in next(self._rows_of_cells(), []))
        twice = [name for name in self.columns if name and self.columns.count(name) > 1]
        if twice:
            raise ValueError(f"two columns are called {twice[0]!r}")

    @staticmethod
    def _known_name(name: str, known: Collection[str]) -> str:
        return name.lower() if name.lower() in known else name

    @property
    def line(self) -> int:
        """Number of the line that was read last, from 1."""
        return self._n_lines

    def _lines(self) -> Iterator[str]:
        while True:
            if self._ahead:
                yield self._ahead.pop()
                continue
            try:
                line = self._text.readline(MAX_LINE + 1)
            except UnicodeError as err:
                place = f"after line {self._n_lines}, " if self._n_lines else ""
                raise ValueError(f"{place}it is not UTF-8 text: save it as CSV UTF-8") from err
            if not line:
                return
            self._n_lines += 1
            if len(line) > MAX_LINE:
                raise ValueError(f"line {self._n_lines} has more than {MAX_LINE:,} characters")
            yield line

    def _rows_of_cells(self) -> Iterator[list[str]]:
        try:
            yield from self._rows
        except csv.Error as err:
            raise ValueError(f"line {self._n_lines}: {err}") from err

    def __iter__(self) -> Iterator[dict[str, str]]:
        """Yield the rows; empty lines are skipped, and cells that a line lacks at its end are empty."""
        n_columns = len(self.columns)
        for cells in self._rows_of_cells():
            if len(cells) > n_columns and any(cells[n_columns:]):
                reason = f"put quotes around text with a {self.separator!r}"
                raise ValueError(f"line {self._n_lines} has more cells than the header: {reason}")
            if any(cells):
                cells += [""] * (n_columns - len(cells))
                yield {name: cell for name, cell in zip(self.columns, cells, strict=False) if name}
