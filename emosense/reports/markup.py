"""Values -> markup: the one place where text becomes HTML or SVG, and where numbers get their written form.

Whatever comes from a table, such as a name, passes `text`, which escapes it and makes control characters visible.
`Markup` is the type of what is safe already, so that mypy finds a name that was put into a page as it is.
"""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterable
from typing import Final, NewType

Markup = NewType("Markup", str)

EMPTY: Final = Markup("")
_NO_BREAK: Final = "\N{NO-BREAK SPACE}"
# They turn the text around them: a name could show "exe.wav" for "vaw.exe" (Unicode Technical Report 36, section 2.5).
_TURNING: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029")


def visible(value: str) -> str:
    r"""Return the text with control and direction characters written as Python escapes, such as ``\n``."""
    if value.isprintable():
        return value
    return "".join(_escaped(char) if _is_hidden(char) else char for char in value)


def _is_hidden(char: str) -> bool:
    return char in _TURNING or unicodedata.category(char) in ("Cc", "Cs", "Cn")


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def text(value: str) -> Markup:
    """Return a text as markup that shows it."""
    return Markup(html.escape(visible(value), quote=True))


def join(parts: Iterable[Markup]) -> Markup:
    """Put pieces of markup one after the other."""
    return Markup("".join(parts))


def element(tag: str, *children: Markup, **attributes: str | float | bool | None) -> Markup:
    """Return an element; ``class_`` stands for ``class`` and ``stroke_width`` for ``stroke-width``.

    A number is written with two decimals at most, True as an attribute without a value; None and False are left out.
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
    """Return a file's name as markup whose direction does not leak into its surroundings."""
    return element("bdi", text(value), class_="name")


def number(value: float) -> str:
    """Write a coordinate: two decimals at most."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if value % 1 else f"{value:.0f}"


def count(value: int) -> str:
    """Write a whole number, such as 40,000."""
    return f"{value:,}"


def percent(share: float | None, digits: int = 1) -> str:
    """Write a share in [0, 1], such as 78.5 %; a dash where there is none."""
    return "\N{EN DASH}" if share is None else f"{100 * share:.{digits}f}{_NO_BREAK}%"


def points(difference: float) -> str:
    """Write a difference of shares in percentage points, with its sign."""
    return f"{100 * difference:+.1f}".replace("-", "\N{MINUS SIGN}")


def decimal(value: float | None, digits: int = 3) -> str:
    """Write a number with fixed decimals; a dash where there is none."""
    return "\N{EN DASH}" if value is None else f"{value:.{digits}f}"


def seconds(value_s: float | None) -> str:
    """Write a duration: 3.29 s, 4 min 05 s, 3 h 20 min."""
    if value_s is None:
        return "\N{EN DASH}"
    if value_s < 60:
        return f"{value_s:.2f}{_NO_BREAK}s"
    minutes, rest_s = divmod(round(value_s), 60)
    if minutes < 60:
        return f"{minutes}{_NO_BREAK}min {rest_s:02}{_NO_BREAK}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,}{_NO_BREAK}h {minutes:02}{_NO_BREAK}min"


def shorten(value: str, n_chars: int) -> str:
    """Cut the middle out of a text that is too long; wide characters count twice."""
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
