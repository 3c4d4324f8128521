"""Counts by actual and predicted class -> a confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from emosense.reports.drawing import WIDTH, Drawing, label, title
from emosense.reports.markup import Markup, element, join, text
from emosense.reports.number_text import count

# Opacity of a cell with the whole row: its text keeps a contrast of 4.5 in both colour schemes.
_FULL: Final = 0.75


def matrix(names: Sequence[str], counts: Sequence[Sequence[int]]) -> Drawing:
    """Draw a confusion matrix.

    Parameters
    ----------
    names : sequence of str
        The classes.
    counts : sequence of sequences of int
        Recordings by actual class (rows) and predicted class (columns).

    Returns
    -------
    Drawing
        A cell shows its percentage of the row and its count.
    """
    left, top = 68.0, 80.0
    size = (WIDTH - left - 20) / len(names)
    height = min(size, 44.0)
    parts = [
        label(0, 10, "each cell: % of the row, and count", "minor"),
        label(WIDTH, 10, "predicted", "minor end"),
        label(0, top - 8, "actual", "minor"),
    ]
    for place, name in enumerate(names):
        x, y = left + (place + 0.5) * size + 4, top + (place + 0.5) * height + 4
        turned = f"rotate(-55 {x:.1f} {top - 8:.1f})"
        parts.append(element("text", text(name), x=x, y=top - 8, transform=turned))
        parts.append(label(left - 8, y, name, "end"))
    for row, (name, values) in enumerate(zip(names, counts, strict=True)):
        total = sum(values)
        for column, value in enumerate(values):
            share = value / total if total else 0.0
            tooltip = f"{name} predicted as {names[column]}: {count(value)} of {count(total)} ({100 * share:.1f} %)"
            parts.append(_cell(left + column * size, top + row * height, (size, height), share, value, tooltip))
    return Drawing(top + len(names) * height + 2, join(parts))


def _cell(x: float, y: float, size: tuple[float, float], share: float, value: int, tooltip: str) -> Markup:
    width, height = size
    box = {"x": x, "y": y, "width": width, "height": height}
    middle = x + width / 2
    return element(
        "g",
        title(tooltip),
        element("rect", **box, class_="track"),
        element("rect", **box, class_="f-heat gap", fill_opacity=_FULL * share),
        label(middle, y + height / 2 - 1, _share_text(share) if value else "·", "middle strong"),
        label(middle, y + height / 2 + 12, _count_text(value) if value else "", "middle"),
    )


def _share_text(share: float) -> str:
    """Write a share in percent with a decimal, as the tables do; all of a row needs none."""
    return "100" if share == 1 else f"{100 * share:.1f}"


def _count_text(value: int) -> str:
    """Write a count in five characters at most: from 10,000 in thousands."""
    return count(value) if value < 10_000 else f"{value / 1000:.0f}k"
