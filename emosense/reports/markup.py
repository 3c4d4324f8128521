"""Values -> markup: the only place where text becomes HTML or SVG.

Text from a table, such as a file name, goes through `text`, which escapes it and makes control characters visible.
`Markup` is the type of escaped text, so that mypy finds a name that is put into a page unescaped.
"""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterable
from typing import Final, NewType

Markup = NewType("Markup", str)

EMPTY: Final = Markup("")
# They change the direction of text: "vaw.exe" could read "exe.wav" (Unicode Technical Report 36, section 2.5).
_DIRECTION_MARKS: Final = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029"
)


def visible(value: str) -> str:
    r"""Return the text with control and direction characters written as Python escapes, such as ``\n``.

    Parameters
    ----------
    value : str
        Any text.

    Returns
    -------
    str
        Printable text.
    """
    if value.isprintable():
        return value
    return "".join(_escaped(char) if _is_hidden(char) else char for char in value)


def _is_hidden(char: str) -> bool:
    return char in _DIRECTION_MARKS or unicodedata.category(char) in ("Cc", "Cs", "Cn")


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def text(value: str) -> Markup:
    """Escape a text.

    Parameters
    ----------
    value : str
        Any text.

    Returns
    -------
    Markup
        The escaped text.
    """
    return Markup(html.escape(visible(value), quote=True))


def join(parts: Iterable[Markup]) -> Markup:
    """Concatenate markup.

    Parameters
    ----------
    parts : Iterable[Markup]
        Pieces of markup.

    Returns
    -------
    Markup
        One piece.
    """
    return Markup("".join(parts))


def element(tag: str, *children: Markup, **attributes: str | float | bool | None) -> Markup:
    """Return an element; ``class_`` stands for ``class`` and ``stroke_width`` for ``stroke-width``.

    A number is written with two decimals at most, True as an attribute without a value; None and False are left out.

    Parameters
    ----------
    tag : str
        Name of the element.
    *children : Markup
        Content of the element.
    **attributes : str | float | bool | None
        Attributes of the element.

    Returns
    -------
    Markup
        The element.
    """
    written = []
    for key, value in attributes.items():
        name = "viewBox" if key == "viewBox" else key.rstrip("_").replace("_", "-")
        if value is True:
            written.append(f" {name}")
        elif isinstance(value, str):
            written.append(f' {name}="{text(value)}"')
        elif value is not None and value is not False:
            written.append(f' {name}="{number(value)}"')
    return Markup(f"<{tag}{''.join(written)}>{join(children)}</{tag}>")


def name(value: str) -> Markup:
    """Return a file name whose text direction does not affect its surroundings.

    Parameters
    ----------
    value : str
        A file name.

    Returns
    -------
    Markup
        A ``bdi`` element.
    """
    return element("bdi", text(value), class_="name")


def number(value: float) -> str:
    """Write a coordinate with at most two decimals.

    Parameters
    ----------
    value : float
        A coordinate.

    Returns
    -------
    str
        Its text.
    """
    return f"{value:.2f}".rstrip("0").rstrip(".") if value % 1 else f"{value:.0f}"


def shorten(value: str, n_chars: int) -> str:
    """Cut out the middle of a text that is too long; wide characters count twice.

    Parameters
    ----------
    value : str
        Any text.
    n_chars : int
        Greatest width in characters.

    Returns
    -------
    str
        Printable text that fits.
    """
    value = visible(value)
    if _columns(value) <= n_chars:
        return value
    head, tail = "", ""
    left, right = 0, len(value) - 1
    while _columns(head + tail + value[left]) < n_chars - 1:
        head, left = head + value[left], left + 1
        tail, right = value[right] + tail, right - 1
    return f"{head}\N{HORIZONTAL ELLIPSIS}{tail}"


def _columns(value: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in value)
