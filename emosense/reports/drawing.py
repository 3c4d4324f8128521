"""The parts of every chart: the drawing, its series and its legend, as SVG.

A drawing is 360 units wide, so that its 11-unit letters are readable on a phone; a page shows several side by side.
Every mark has its value as a title, which is shown under the pointer and read by screen readers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Final

from emosense.reports.markup import Markup, element, join, text

WIDTH: Final = 360.0
# Width of a digit of DejaVu Sans, the widest of the fonts.
LETTER: Final = 7.0


@dataclasses.dataclass(frozen=True, slots=True)
class Drawing:
    """A chart without its frame.

    Attributes
    ----------
    height : float
        In the drawing's units, of which it is `WIDTH` wide.
    body : Markup
    """

    height: float
    body: Markup


@dataclasses.dataclass(frozen=True, slots=True)
class Series:
    """Values that are drawn in one colour.

    Attributes
    ----------
    label : str
        Name in the legend; empty for a series that is not in it.
    colour : str
        A key of the style's colours.
    values : sequence of float
        Counts of the bins, or heights of the points.
    x : sequence of float
        Positions of the points of a line.
    is_faint : bool
        Whether it is drawn thin and pale, as background.
    intervals : sequence of ((float, float) or None)
        Ends of an upright line through each point of a line; empty for none.
    """

    label: str
    colour: str
    values: Sequence[float]
    x: Sequence[float] = ()
    is_faint: bool = False
    intervals: Sequence[tuple[float, float] | None] = ()


def label(x: float, y: float, value: str, class_: str = "") -> Markup:
    """Write a text at a position.

    Parameters
    ----------
    x, y : float
        Position in the drawing's units.
    value : str
        The text.
    class_ : str
        Classes of the style sheet.

    Returns
    -------
    Markup
        A ``text`` element.
    """
    return element("text", text(value), x=x, y=y, class_=class_ or None)


def title(value: str) -> Markup:
    """Return the tooltip of a mark.

    Parameters
    ----------
    value : str
        The tooltip.

    Returns
    -------
    Markup
        A ``title`` element.
    """
    return element("title", text(value))


def legend(series: Sequence[Series]) -> Drawing:
    """Draw the names of the series beside their colours, in as many lines as needed.

    Parameters
    ----------
    series : Sequence[Series]
        Those with a label are named.

    Returns
    -------
    Drawing
        The legend; its height is 0 if no series has a label.
    """
    x, y, parts = 0.0, 10.0, []
    for item in series:
        if not item.label:
            continue
        width = 16 + LETTER * len(item.label) + 12
        if x and x + width - 12 > WIDTH:
            x, y = 0.0, y + 17.0
        parts.append(element("rect", x=x, y=y - 9, width=10, height=10, rx=2, class_=f"f-{item.colour}"))
        parts.append(label(x + 15, y, item.label))
        x += width
    return Drawing(y + 12.0 if parts else 0.0, join(parts))
