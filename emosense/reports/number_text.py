"""Numbers as the reports write them: counts, shares, points, decimals, durations and enumerations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_NO_BREAK: Final = "\N{NO-BREAK SPACE}"


def count(value: int) -> str:
    """Write an integer, such as 40,000.

    Parameters
    ----------
    value : int
        An integer.

    Returns
    -------
    str
        Its text.
    """
    return f"{value:,}"


def percent(share: float | None, digits: int = 1) -> str:
    """Write a share in [0, 1], such as 78.5 %; a dash for None.

    Parameters
    ----------
    share : float | None
        In [0, 1], or None.
    digits : int
        Number of decimals.

    Returns
    -------
    str
        Its text.
    """
    return "\N{EN DASH}" if share is None else f"{100 * share:.{digits}f}{_NO_BREAK}%"


def points(difference: float) -> str:
    """Write a difference of shares in percentage points with its sign.

    Parameters
    ----------
    difference : float
        In [-1, 1].

    Returns
    -------
    str
        Such as ``+2.3``.
    """
    return f"{100 * difference:+.1f}".replace("-", "\N{MINUS SIGN}")


def decimal(value: float | None, digits: int = 3) -> str:
    """Write a number with fixed decimals; a dash for None.

    Parameters
    ----------
    value : float | None
        A number, or None.
    digits : int
        Number of decimals.

    Returns
    -------
    str
        Its text.
    """
    return "\N{EN DASH}" if value is None else f"{value:.{digits}f}"


def seconds(value_s: float | None) -> str:
    """Write a duration: 3.29 s, 4 min 05 s, 3 h 20 min.

    Parameters
    ----------
    value_s : float | None
        A duration in seconds, or None.

    Returns
    -------
    str
        Its text.
    """
    if value_s is None:
        return "\N{EN DASH}"
    if value_s < 60:
        return f"{value_s:.2f}{_NO_BREAK}s"
    minutes, rest_s = divmod(round(value_s), 60)
    if minutes < 60:
        return f"{minutes}{_NO_BREAK}min{_NO_BREAK}{rest_s:02}{_NO_BREAK}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,}{_NO_BREAK}h{_NO_BREAK}{minutes:02}{_NO_BREAK}min"


def share_text(value: float) -> str:
    """Write a share as a number of an axis.

    Parameters
    ----------
    value : float
        In [0, 1].

    Returns
    -------
    str
        Such as ``20 %``.
    """
    return f"{100 * value:.3g} %"


def listed(texts: Sequence[str]) -> str:
    """Write an enumeration: a; a and b; a, b and c.

    Parameters
    ----------
    texts : sequence of str
        At least one.

    Returns
    -------
    str
        The enumeration.
    """
    return " and ".join(filter(None, (", ".join(texts[:-1]), texts[-1])))
