"""How text and names are written in the cells of a table, and read back.

A cell is safe for a spreadsheet, and a path that is not UTF-8 is a text that can be read back.
"""

from __future__ import annotations

import os
import re
from typing import Final

# A spreadsheet runs a cell that begins with one of these as a formula (OWASP, CSV injection).
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "'")
# Where a spreadsheet splits at semicolons, a text that is not the first of its line is split, even if it has quotes.
_BEFORE_FORMULA: Final = re.compile(r"""(?<=[;\n\r])(?=["']*[=+\-@\t\r])""")
_ESCAPED_FORMULA: Final = re.compile(r"""(?<=[;\n\r])'(?=["']*[=+\-@\t\r])""")
_BYTES_MARK: Final = "bytes:"
_BYTE_ESCAPE: Final = re.compile(rb"\\(?:\\|x[0-9a-f]{2})")


def escape_cell(text: str) -> str:
    """Make a text safe for a spreadsheet.

    Parameters
    ----------
    text : str
        Any text.

    Returns
    -------
    str
        The text, with a ``'`` before what would be run as a formula, at the start or after a semicolon or line break;
        `unescape_cell` restores it.
    """
    text = _BEFORE_FORMULA.sub("'", text)
    return "'" + text if text.startswith(_FORMULA_STARTS) else text


def unescape_cell(cell: str) -> str:
    """Restore the text that `escape_cell` was given.

    Parameters
    ----------
    cell : str
        What `escape_cell` returned.

    Returns
    -------
    str
        The original text.
    """
    return _ESCAPED_FORMULA.sub("", cell.removeprefix("'"))


def quoted_cell(text: str) -> str:
    """Put a text in quotes, so that no program splits it, whatever it takes for the end of a cell.

    Parameters
    ----------
    text : str
        Any text.

    Returns
    -------
    str
        The text in quotes, with its own quotes doubled; empty text stays empty.
    """
    return '"' + text.replace('"', '""') + '"' if text else ""


def printable_path(path: str) -> str:
    r"""Return a path as UTF-8 text.

    Parameters
    ----------
    path : str
        May hold surrogate escapes for bytes that are not UTF-8.

    Returns
    -------
    str
        The path itself if it is UTF-8. Otherwise, or if it begins with ``bytes:``, this mark and its bytes, with
        invalid ones as ``\\xNN`` and a backslash doubled. `original_path` restores it.
    """
    if not path.startswith(_BYTES_MARK) and not any("\ud800" <= character <= "\udfff" for character in path):
        return path
    return _BYTES_MARK + os.fsencode(path).replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")


def original_path(text: str) -> str:
    """Restore the path that `printable_path` was given.

    Parameters
    ----------
    text : str
        What `printable_path` returned.

    Returns
    -------
    str
        The path, with surrogate escapes for bytes that are not UTF-8.
    """
    if not text.startswith(_BYTES_MARK):
        return text

    def undo(match: re.Match[bytes]) -> bytes:
        return b"\\" if match[0] == b"\\\\" else bytes([int(match[0][2:], 16)])

    return os.fsdecode(_BYTE_ESCAPE.sub(undo, text[len(_BYTES_MARK) :].encode()))
