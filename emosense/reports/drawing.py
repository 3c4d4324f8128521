"""What every chart is made of: the drawing, its series, its frame with axes, and its legend, as SVG.

A drawing is 360 units wide, so that its 11-unit letters can be read on a telephone; a page shows several side by side.
Every mark carries its value as a title, which a pointer shows and a screen reader reads.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Final

from emosense.reports.markup import Markup, element, join, text

WIDTH: Final = 360.0
# Width of a digit of DejaVu Sans, the widest of the style's faces.
LETTER: Final = 7.0


@dataclasses.dataclass(frozen=True, slots=True)
class Drawing:
    """A chart without its frame.

    Parameters
    ----------
    height : float
        In the drawing's units, of which it is `WIDTH` wide.
    body : Markup
    """

    height: float
    body: Markup


@dataclasses.dataclass(frozen=True, slots=True)
class Series:
    """Values that belong together.

    Parameters
    ----------
    label : str
        In the legend; empty for a series that is not in it.
    colour : str
        A key of the style's colours.
    values : sequence of float
        Counts of the bins, or heights of the points.
    x : sequence of float
        Places of the points of a line.
    is_faint : bool
        Drawn thin and pale, as background.
    """

    label: str
    colour: str
    values: Sequence[float]
    x: Sequence[float] = ()
    is_faint: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Frame:
    """The rectangle between the axes and the values at its edges."""

    top: float
    height: float
    x: tuple[float, float]
    y: tuple[float, float]
    left: float = 46.0
    right: float = WIDTH - 10.0

    def at_x(self, value: float) -> float:
        """Place of a value from left to right."""
        low, high = self.x
        return self.left + (value - low) / (high - low) * (self.right - self.left)

    def at_y(self, value: float) -> float:
        """Place of a value from bottom to top."""
        low, high = self.y
        return self.top + self.height - (value - low) / (high - low) * self.height


def label(x: float, y: float, value: str, class_: str = "") -> Markup:
    """Write a text at a place."""
    return element("text", text(value), x=x, y=y, class_=class_ or None)


def title(value: str) -> Markup:
    """Return what a mark says when it is pointed at."""
    return element("title", text(value))


def legend(series: Sequence[Series], top: float = 0.0) -> Drawing:
    """Name the colours, in as many lines as it takes."""
    x, y, parts = 0.0, top + 10.0, []
    for item in series:
        if not item.label:
            continue
        width = 16 + LETTER * len(item.label) + 12
        if x and x + width - 12 > WIDTH:
            x, y = 0.0, y + 17.0
        parts.append(element("rect", x=x, y=y - 9, width=10, height=10, rx=2, class_=f"f-{item.colour}"))
        parts.append(label(x + 15, y, item.label))
        x += width
    return Drawing(y + 12.0 - top if parts else 0.0, join(parts))


def ticks(low: float, high: float, n_most: int = 5) -> list[float]:
    """Return round numbers from `low` to `high`, at most `n_most` steps."""
    span = (high - low) or 1.0
    size = 10.0 ** math.floor(math.log10(span / n_most))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10, 20) if span / (size * factor) <= n_most)
    first = math.ceil(low / step - 1e-9)
    return [round(step * index, 10) for index in range(first, math.floor(high / step + 1e-9) + 1)]


def axes(
    frame: Frame,
    x_ticks: Sequence[tuple[float, str]],
    y_format: Callable[[float], str],
    x_label: str,
    y_label: str,
) -> Markup:
    """Draw the grid and its numbers; the name of the upright axis stands above it."""
    bottom = frame.top + frame.height
    parts = [label(0, frame.top - 14, y_label, "minor")]
    for value in ticks(*frame.y, 4):
        y = frame.at_y(value)
        parts.append(element("line", x1=frame.left, x2=frame.right, y1=y, y2=y, class_="grid"))
        parts.append(label(frame.left - 6, y + 4, y_format(value), "minor end"))
    parts.append(element("line", x1=frame.left, x2=frame.right, y1=bottom, y2=bottom, class_="axis"))
    for value, written in x_ticks:
        x = frame.at_x(value)
        anchor = "end" if x > WIDTH - 4 * LETTER and len(written) > 4 else "middle"
        parts.append(label(min(x, WIDTH) if anchor == "middle" else WIDTH, bottom + 15, written, f"minor {anchor}"))
    parts.append(label((frame.left + frame.right) / 2, bottom + 31, x_label, "minor middle"))
    return join(parts)
