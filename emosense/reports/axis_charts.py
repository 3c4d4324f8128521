"""Numbers -> charts with axes: histograms, lines, intervals and density curves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from emosense.reports.axes import Frame, axes, ticks
from emosense.reports.drawing import WIDTH, Drawing, Series, label, legend, title
from emosense.reports.markup import EMPTY, element, join, shorten, text
from emosense.reports.number_text import percent

_N_POINTS: Final = 160
# The first and last numbers of an axis stay inside the drawing.
_ANCHORS: Final = {0.0: "minor", 1.0: "minor end"}


def histogram(
    edges: Sequence[float],
    series: Sequence[Series],
    *,
    x_ticks: Sequence[tuple[float, str]],
    y_format: Callable[[float], str],
    x_label: str,
    y_label: str,
    is_stacked: bool = True,
) -> Drawing:
    """Draw counts, or shares, of bins.

    Parameters
    ----------
    edges : sequence of float
        Edges of the bins, one more than there are bins.
    series : sequence of Series
        Values of the bins.
    x_ticks : sequence of (float, str)
        Places and texts of the numbers below the axis.
    y_format : callable
        Turns a value into its text.
    x_label, y_label : str
        Names of the axes.
    is_stacked : bool
        Whether the series are stacked rather than overlaid.

    Returns
    -------
    Drawing
        The chart, with a legend if there are several series.
    """
    key = legend([item for item in series if any(item.values)] if len(series) > 1 else ())
    columns = list(zip(*(item.values for item in series), strict=True))
    highest = max((sum(column) if is_stacked else max(column) for column in columns), default=0) or 1
    frame = Frame(key.height + 24, 150, (edges[0], edges[-1]), (0, highest))
    is_count = not any(value % 1 for column in columns for value in column)
    parts = [key.body, axes(frame, x_ticks, y_format, x_label, y_label, is_count=is_count)]
    bases = [0.0] * len(columns)
    for item in series:
        for place, value in enumerate(item.values):
            if not value:
                continue
            x, y = frame.at_x(edges[place]), frame.at_y(bases[place] + value)
            box = {"x": x + 0.5, "width": max(frame.at_x(edges[place + 1]) - x - 1, 0.5), "y": y}
            tooltip = title(f"{item.label or y_label}, {edges[place]:g} to {edges[place + 1]:g}: {y_format(value)}")
            class_ = f"f-{item.colour}{'' if is_stacked else ' soft'}"
            parts.append(element("rect", tooltip, **box, height=frame.at_y(bases[place]) - y, class_=class_))
            bases[place] += value if is_stacked else 0.0
    return Drawing(frame.top + frame.height + 36, join(parts))


def lines(
    series: Sequence[Series],
    *,
    x: tuple[float, float],
    y: tuple[float, float],
    x_format: Callable[[float], str],
    y_format: Callable[[float], str],
    x_label: str,
    y_label: str,
    diagonal: str = "",
    has_points: bool = False,
    counts_x: bool = False,
) -> Drawing:
    """Draw lines.

    Parameters
    ----------
    series : sequence of Series
        The lines.
    x, y : tuple of (float, float)
        Ends of the axes.
    x_format, y_format : callable
        Turn values into their texts.
    x_label, y_label : str
        Names of the axes.
    diagonal : str
        Meaning of a dashed line where x equals y; empty for no such line.
    has_points : bool
        Whether the values are marked as points.
    counts_x : bool
        Whether the horizontal axis counts: it then has no fractions.

    Returns
    -------
    Drawing
        The chart with its legend.
    """
    key = legend(series)
    frame = Frame(key.height + 24, 170, x, y)
    marks = [(tick, x_format(tick)) for tick in ticks(*x) if not (counts_x and tick % 1)]
    parts = [key.body, axes(frame, marks, y_format, x_label, y_label)]
    if diagonal:
        ends = {"x1": frame.at_x(x[0]), "y1": frame.at_y(y[0]), "x2": frame.at_x(x[1]), "y2": frame.at_y(y[1])}
        parts.append(element("line", title(diagonal), **ends, class_="mark"))
    for item in series:
        step = max(len(item.values) // _N_POINTS, 1)
        places = sorted({*range(0, len(item.values), step), len(item.values) - 1} - {-1})
        points = [(frame.at_x(item.x[place]), frame.at_y(min(item.values[place], y[1]))) for place in places]
        path = " ".join(f"{across:.1f},{up:.1f}" for across, up in points)
        class_ = f"line l-{item.colour}{' faint' if item.is_faint else ''}"
        parts.append(element("polyline", title(item.label) if item.label else EMPTY, points=path, class_=class_))
        if has_points and not item.is_faint:
            for (across, up), place in zip(points, places, strict=True):
                interval, span = item.intervals[place] if item.intervals else None, ""
                if interval is not None:
                    span = f", {y_format(interval[0])} to {y_format(interval[1])}"
                    ends = {"y1": frame.at_y(interval[0]), "y2": frame.at_y(interval[1])}
                    parts.append(element("line", x1=across, x2=across, **ends, class_=f"line l-{item.colour} spread"))
                tooltip = title(f"{x_format(item.x[place])}: {y_format(item.values[place])}{span}")
                parts.append(element("circle", tooltip, cx=across, cy=up, r=3, class_=f"f-{item.colour}"))
    return Drawing(frame.top + frame.height + 36, join(parts))


def intervals(rows: Sequence[tuple[str, str, float, tuple[float, float] | None]]) -> Drawing:
    """Draw scores as points with their intervals.

    Parameters
    ----------
    rows : sequence of (str, str, float, (float, float) or None)
        Name, colour, score in [0, 1] and interval.

    Returns
    -------
    Drawing
        The chart.
    """
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
        parts.append(label(frame.left + 5, y - 14, shorten(name, 49)))
        if interval is not None:
            ends = {"x1": frame.at_x(interval[0]), "x2": frame.at_x(interval[1]), "y1": y, "y2": y}
            parts.append(element("line", **ends, class_=f"line l-{colour}"))
        tooltip = title(f"{name}: {percent(score)}{span}")
        parts.append(element("circle", tooltip, cx=frame.at_x(score), cy=y, r=5, class_=f"f-{colour}"))
    return Drawing(bottom + 18, join(parts))


def densities(panels: Sequence[tuple[str, str, Sequence[float], Sequence[Series]]]) -> Drawing:
    """Draw density curves in panels, two in a row.

    Parameters
    ----------
    panels : sequence of (str, str, sequence of float, sequence of Series)
        Name, note, x values and curves.

    Returns
    -------
    Drawing
        The panels with one legend.
    """
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
