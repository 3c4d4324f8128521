"""Numbers -> drawings: bars, stacked bars, histograms, lines, the matrix, intervals, density curves."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Final

from emosense.reports.drawing import LETTER, WIDTH, Drawing, Frame, Series, axes, label, legend, ticks, title
from emosense.reports.markup import EMPTY, Markup, count, element, join, percent, shorten, text

_N_POINTS: Final = 160
_MAX_GUTTER: Final = 150.0
# The numbers at the ends stay inside.
_ANCHORS: Final = {0.0: "minor", 1.0: "minor end"}
# A full cell is this opaque: its letters keep a contrast of 4.5 in both modes.
_FULL: Final = 0.75


@dataclasses.dataclass(frozen=True, slots=True)
class Bar:
    """One row of a bar chart; `note` stands at its end."""

    label: str
    colour: str
    value: float
    note: str


def bars(
    rows: Sequence[Bar],
    *,
    maximum: float,
    mark: tuple[float, str] | None = None,
    row_height: float = 22.0,
) -> Drawing:
    """Draw a bar for each row, all from one line; `mark` is a value with a name to compare them with."""
    gutter = min(10 + LETTER * max((len(row.label) for row in rows), default=0), _MAX_GUTTER)
    note_width = 8 + LETTER * max((len(row.note) for row in rows), default=0)
    span = WIDTH - gutter - note_width
    top = 16.0 if mark else 0.0
    parts = []
    for index, row in enumerate(rows):
        y = top + index * row_height
        width = span * row.value / maximum if maximum else 0.0
        bar = {"x": gutter, "y": y + 3, "height": row_height - 6, "rx": 2}
        parts.append(element("rect", **bar, width=span, class_="track"))
        parts.append(
            element(
                "rect",
                title(f"{row.label}: {row.note}" if row.label else row.note),
                **bar,
                width=width,
                class_=f"f-{row.colour}",
            )
        )
        middle = y + row_height / 2 + 4
        parts.append(label(gutter - 8, middle, shorten(row.label, int((gutter - 10) / LETTER)), "end"))
        parts.append(label(gutter + span + 8, middle, row.note))
    height = top + len(rows) * row_height
    if mark:
        x = gutter + span * mark[0] / maximum
        parts.append(element("line", x1=x, x2=x, y1=top - 2, y2=height, class_="mark"))
        parts.append(label(x, 10, mark[1], "minor middle"))
    return Drawing(height, join(parts))


def stacked_bars(rows: Sequence[tuple[str, Sequence[float], str]], series: Sequence[Series]) -> Drawing:
    """Draw for each row its name, its note, and under them the shares of its values in the order of `series`."""
    key = legend([item for place, item in enumerate(series) if any(row[1][place] for row in rows)])
    y, parts = key.height + 4, [key.body]
    for name, values, note in rows:
        n_chars = int((WIDTH - 16) / LETTER) - len(note)
        parts.append(element("text", title(name), text(shorten(name, n_chars)), x=0, y=y + 11))
        parts.append(label(WIDTH, y + 11, note, "minor end"))
        total, x = sum(values), 0.0
        for item, value in zip(series, values, strict=True):
            if not value:
                continue
            width = WIDTH * value / total
            said = title(f"{item.label}: {count(int(value))} ({100 * value / total:.1f} %)")
            bar = {"x": x, "y": y + 16, "width": width, "height": 12}
            parts.append(element("rect", said, **bar, class_=f"f-{item.colour}{' gap' if width > 3 else ''}"))
            x += width
        y += 37
    return Drawing(y - 6, join(parts))


def paired_bars(
    groups: Sequence[tuple[str, tuple[float | None, float | None]]],
    names: tuple[str, str],
    *,
    maximum: float,
    written: Callable[[float | None], str],
) -> Drawing:
    """Draw two bars for each group, such as the recall of two models; None stands for no value."""
    key = legend([Series(names[0], "first", ()), Series(names[1], "second", ())])
    rows = []
    for name, (first, second) in groups:
        rows += [
            Bar(name, "first", first or 0.0, written(first)),
            Bar("", "second", second or 0.0, written(second)),
        ]
    drawing = bars(rows, maximum=maximum, row_height=17)
    below = element("g", drawing.body, transform=f"translate(0 {key.height + 4:.0f})")
    return Drawing(key.height + 4 + drawing.height, join([key.body, below]))


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
    """Draw counts, or shares, of bins: series on top of each other, or one over the other."""
    key = legend([item for item in series if any(item.values)] if len(series) > 1 else ())
    columns = list(zip(*(item.values for item in series), strict=True))
    highest = max((sum(column) if is_stacked else max(column) for column in columns), default=0) or 1
    frame = Frame(key.height + 24, 150, (edges[0], edges[-1]), (0, highest))
    parts = [key.body, axes(frame, x_ticks, y_format, x_label, y_label)]
    bases = [0.0] * len(columns)
    for item in series:
        for place, value in enumerate(item.values):
            if not value:
                continue
            x, y = frame.at_x(edges[place]), frame.at_y(bases[place] + value)
            box = {"x": x + 0.5, "width": max(frame.at_x(edges[place + 1]) - x - 1, 0.5), "y": y}
            said = title(f"{item.label or y_label}, {edges[place]:g} to {edges[place + 1]:g}: {y_format(value)}")
            class_ = f"f-{item.colour}{'' if is_stacked else ' soft'}"
            parts.append(element("rect", said, **box, height=frame.at_y(bases[place]) - y, class_=class_))
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
) -> Drawing:
    """Draw lines; `diagonal` names a dashed line of equal x and y."""
    key = legend(series)
    frame = Frame(key.height + 24, 170, x, y)
    parts = [key.body, axes(frame, [(tick, x_format(tick)) for tick in ticks(*x)], y_format, x_label, y_label)]
    if diagonal:
        ends = {"x1": frame.at_x(x[0]), "y1": frame.at_y(y[0]), "x2": frame.at_x(x[1]), "y2": frame.at_y(y[1])}
        parts.append(element("line", title(diagonal), **ends, class_="mark"))
    for item in series:
        step = max(len(item.values) // _N_POINTS, 1)
        places = sorted({*range(0, len(item.values), step), len(item.values) - 1} - {-1})
        points = [(frame.at_x(item.x[place]), frame.at_y(item.values[place])) for place in places]
        path = " ".join(f"{across:.1f},{up:.1f}" for across, up in points)
        class_ = f"line l-{item.colour}{' faint' if item.is_faint else ''}"
        parts.append(element("polyline", title(item.label) if item.label else EMPTY, points=path, class_=class_))
        if has_points and not item.is_faint:
            for (across, up), place in zip(points, places, strict=True):
                said = title(f"{x_format(item.x[place])}: {y_format(item.values[place])}")
                parts.append(element("circle", said, cx=across, cy=up, r=3, class_=f"f-{item.colour}"))
    return Drawing(frame.top + frame.height + 36, join(parts))


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
