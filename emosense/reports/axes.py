"""The rectangle of a chart with axes, its grid, its numbers and its labels."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

from emosense.reports.drawing import LETTER, WIDTH, label
from emosense.reports.markup import Markup, element, join


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
        """Return the horizontal position of a value.

        Parameters
        ----------
        value : float
            Between the values at the edges.

        Returns
        -------
        float
            In the drawing's units.
        """
        low, high = self.x
        return self.left + (value - low) / (high - low) * (self.right - self.left)

    def at_y(self, value: float) -> float:
        """Return the vertical position of a value.

        Parameters
        ----------
        value : float
            Between the values at the edges.

        Returns
        -------
        float
            In the drawing's units.
        """
        low, high = self.y
        return self.top + self.height - (value - low) / (high - low) * self.height


def ticks(low: float, high: float, n_most: int = 5) -> list[float]:
    """Return round numbers from `low` to `high`, in at most `n_most` steps.

    Parameters
    ----------
    low, high : float
        The range, `low` below `high`.
    n_most : int
        Largest number of steps.

    Returns
    -------
    list of float
        Rising numbers.
    """
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
    *,
    is_count: bool = False,
) -> Markup:
    """Draw the grid, its numbers and the names of the axes; the name of the vertical axis is above it.

    Parameters
    ----------
    frame : Frame
        The rectangle between the axes.
    x_ticks : sequence of (float, str)
        Values below the horizontal axis, and their texts.
    y_format : Callable[[float], str]
        Turns a value of the vertical axis into its text.
    x_label, y_label : str
        Names of the axes.
    is_count : bool
        Whether the vertical axis counts: it then has no fractions.

    Returns
    -------
    Markup
        The axes.
    """
    bottom = frame.top + frame.height
    parts = [label(0, frame.top - 14, y_label, "minor")]
    for value in ticks(*frame.y, 4):
        if is_count and value % 1:
            continue
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
