"""Numbers -> drawings, continued: the matrix, intervals, and small density curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from emosense.reports.drawing import WIDTH, Drawing, Frame, Series, label, legend, ticks, title
from emosense.reports.markup import Markup, count, element, join, percent, shorten, text

# The numbers at the ends stay inside.
_ANCHORS: Final = {0.0: "minor", 1.0: "minor end"}
# A full cell is this opaque: its letters keep a contrast of 4.5 in both modes.
_FULL: Final = 0.75


def matrix(names: Sequence[str], counts: Sequence[Sequence[int]]) -> Drawing:
    """Draw a confusion matrix, truth in rows; a cell shows its share of the row and its count."""
    left, top = 72.0, 80.0
    size = (WIDTH - left - 26) / len(names)
    height = min(size, 44.0)
    parts = [label(WIDTH, 10, "taken for", "minor end"), label(0, top - 8, "truth", "minor")]
    for place, name in enumerate(names):
        x, y = left + (place + 0.5) * size + 4, top + (place + 0.5) * height + 4
        turned = f"rotate(-55 {x:.1f} {top - 8:.1f})"
        parts.append(element("text", text(name), x=x, y=top - 8, transform=turned))
        parts.append(label(left - 8, y, name, "end"))
    for row, (name, values) in enumerate(zip(names, counts, strict=True)):
        total = sum(values)
        for column, value in enumerate(values):
            share = value / total if total else 0.0
            said = f"{name} taken for {names[column]}: {count(value)} of {count(total)} ({100 * share:.1f} %)"
            parts.append(_cell(left + column * size, top + row * height, (size, height), share, value, said))
    return Drawing(top + len(names) * height + 2, join(parts))


def _cell(x: float, y: float, size: tuple[float, float], share: float, value: int, said: str) -> Markup:
    width, height = size
    box = {"x": x, "y": y, "width": width, "height": height}
    middle = x + width / 2
    return element(
        "g",
        title(said),
        element("rect", **box, class_="track"),
        element("rect", **box, class_="f-heat gap", fill_opacity=_FULL * share),
        label(middle, y + height / 2 - 1, f"{100 * share:.0f} %" if value else "·", "middle strong"),
        label(middle, y + height / 2 + 12, count(value) if value else "", "middle"),
    )


def intervals(rows: Sequence[tuple[str, str, float, tuple[float, float] | None]]) -> Drawing:
    """Draw scores in [0, 1] as points with their intervals; a row is name, colour, score, interval."""
    frame = Frame(4, 38.0 * len(rows), (0, 1), (0, 1), left=4)
    bottom = frame.top + frame.height
    parts = []
    for value in ticks(0, 1):
        x = frame.at_x(value)
        parts.append(element("line", x1=x, x2=x, y1=frame.top, y2=bottom, class_="grid"))
        parts.append(
            label(x + 9 if value == 1 else x, bottom + 14, percent(value, 0), _ANCHORS.get(value, "minor middle"))
        )
    for place, (name, colour, score, interval) in enumerate(rows):
        y = frame.top + 38.0 * place + 28
        span = "" if interval is None else f", {percent(interval[0])} to {percent(interval[1])}"
        parts.append(label(4, y - 14, shorten(name, 50)))
        if interval is not None:
            ends = {"x1": frame.at_x(interval[0]), "x2": frame.at_x(interval[1]), "y1": y, "y2": y}
            parts.append(element("line", **ends, class_=f"line l-{colour}"))
        said = title(f"{name}: {percent(score)}{span}")
        parts.append(element("circle", said, cx=frame.at_x(score), cy=y, r=5, class_=f"f-{colour}"))
    return Drawing(bottom + 18, join(parts))


def densities(panels: Sequence[tuple[str, str, Sequence[float], Sequence[Series]]]) -> Drawing:
    """Draw curves in panels, two in a row; a panel is name, note, places from left to right, curves."""
    key = legend(panels[0][3])
    width, height = WIDTH / 2 - 8, 118.0
    parts = [key.body]
    for place, (name, note, x, curves) in enumerate(panels):
        left, top = place % 2 * (width + 16), key.height + 6 + place // 2 * height
        highest = max(max(curve.values) for curve in curves) or 1.0
        frame = Frame(top + 32, 66, (x[0], x[-1]), (0, highest * 1.05), left, left + width)
        parts.append(element("text", title(name), text(shorten(name, 26)), x=left, y=top + 11, class_="strong"))
        parts.append(label(left, top + 25, note, "minor"))
        for curve in curves:
            points = [f"{frame.at_x(a):.1f},{frame.at_y(b):.1f}" for a, b in zip(x, curve.values, strict=True)]
            shape = f"{frame.left:.1f},{frame.at_y(0):.1f} {' '.join(points)} {frame.right:.1f},{frame.at_y(0):.1f}"
            parts.append(element("polygon", points=shape, class_=f"f-{curve.colour} area"))
            parts.append(
                element("polyline", title(curve.label), points=" ".join(points), class_=f"line l-{curve.colour}")
            )
        y = frame.at_y(0)
        parts.append(element("line", x1=frame.left, x2=frame.right, y1=y, y2=y, class_="axis"))
    return Drawing(key.height + 6 + (len(panels) + 1) // 2 * height, join(parts))
