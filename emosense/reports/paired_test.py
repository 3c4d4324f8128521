"""The paired test of two evaluations, as a section of a page and as a sentence for the terminal."""

from __future__ import annotations

from typing import Final

from emosense.evaluation.intervals import Comparison
from emosense.progress import plural
from emosense.reports import page
from emosense.reports.markup import Markup
from emosense.reports.number_text import count, decimal, points

_SIGNIFICANT: Final = 0.05


def verdict_section(heading: str, tested: Comparison, names: tuple[str, str], n: int) -> Markup:
    """Return the paired test as a sentence and its values.

    Parameters
    ----------
    heading : str
    tested : Comparison
        The test.
    names : tuple of (str, str)
        Names of both evaluations.
    n : int
        Rows in both.

    Returns
    -------
    Markup
        A section.
    """
    better, worse = names if tested.uar_difference >= 0 else names[::-1]
    sentence = (
        f"{better} is {points(abs(tested.uar_difference)).lstrip('+')} points of UAR above {worse}, "
        f"{p_text(tested.p_value)} (sign-flip test over actors)"
        f"{'.' if tested.p_value < _SIGNIFICANT else ': not significant at 0.05.'}"
        f"{_few_speakers(tested)}"
    )
    interval = tested.interval
    span = "none" if interval is None else f"{points(interval[0])} to {points(interval[1])}"
    kind = "all swaps" if tested.is_exact else "10,000 random swaps"
    values = page.key_values([
        ("difference in UAR", points(tested.uar_difference), f"points, {names[0]} minus {names[1]}"),
        ("95 % interval", span, f"points, over {plural(tested.n_speakers, 'actor')}"),
        ("p-value", decimal(tested.p_value, 4), f"sign-flip test over actors, {kind}"),
        ("rows compared", count(n), "recordings and seeds"),
    ])  # fmt: skip
    return page.section(heading, page.paragraph(sentence), values)


def verdict_text(tested: Comparison, names: tuple[str, str], n: int) -> str:
    """Return the paired test as a sentence for the terminal.

    Parameters
    ----------
    tested : Comparison
        The test.
    names : tuple of (str, str)
        Names of both evaluations.
    n : int
        Rows in both.

    Returns
    -------
    str
    """
    interval = tested.interval
    span = "" if interval is None else f" (95 % over speakers: {100 * interval[0]:+.1f} to {100 * interval[1]:+.1f})"
    test = "exact" if tested.is_exact else "10,000 random flips"
    return (
        f"{names[0]} against {names[1]}: {100 * tested.uar_difference:+.1f} points of UAR{span}, "
        f"{p_text(tested.p_value)} (sign-flip test over {tested.n_speakers} speakers, {test}), "
        f"{n} recordings in common.{_few_speakers(tested)}"
    )


def _few_speakers(tested: Comparison) -> str:
    """State the smallest p-value where few speakers limit it."""
    if not tested.is_exact:
        return ""
    smallest = decimal(tested.smallest_p, 4 if tested.smallest_p < _SIGNIFICANT else 2)
    limit = "" if tested.smallest_p < _SIGNIFICANT else ", so no difference can be significant at 0.05"
    return f" The smallest p that {plural(tested.n_speakers, 'speaker')} can give is {smallest}{limit}."


def p_text(p_value: float) -> str:
    """Write a p-value as papers do.

    Parameters
    ----------
    p_value : float
        In (0, 1].

    Returns
    -------
    str
        Such as ``p = 0.031`` or ``p < 0.001``.
    """
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"
