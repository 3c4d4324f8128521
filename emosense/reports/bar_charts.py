"""Numbers -> horizontal bars: plain, divided into shares, or in groups."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Final

from emosense.reports.drawing import LETTER, WIDTH, Drawing, Series, label, legend, title
from emosense.reports.markup import element, join, shorten, text, visible
from emosense.reports.number_text import count, percent
from emosense.reports.style import COMPARED

# Names stand before the bars if that leaves these a quarter of the drawing, else above them.
_MIN_SPAN: Final = WIDTH / 4
_NAME_HEIGHT: Final = 13.0
Interval = tuple[float, float] | None


@dataclasses.dataclass(frozen=True, slots=True)
class Bar:
    """One row of a bar chart.

    Attributes
    ----------
    label : str
        Text before the bar; empty for none.
    colour : str
        A key of the style's colours.
    value : float
        Length of the bar, from 0 to the chart's maximum.
    note : str
        Text after the bar.
    interval : tuple of (float, float), optional
        Ends of a line over the end of the bar.
    """

    label: str
    colour: str
    value: float
    note: str
    interval: Interval = None


def bars(
    rows: Sequence[Bar],
    *,
    maximum: float,
    mark: tuple[float, str] | None = None,
    row_height: float = 22.0,
) -> Drawing:
    """Draw horizontal bars.

    Parameters
    ----------
    rows : sequence of Bar
        From top to bottom.
    maximum : float
        Value of a bar over the full width.
    mark : tuple of (float, str), optional
        A value to compare the bars with, and its name; drawn as a dashed line.
    row_height : float
        In the drawing's units.

    Returns
    -------
    Drawing
        The chart.
    """
    note_width = 8 + LETTER * max((len(row.note) for row in rows), default=0)
    gutter = 10 + LETTER * max((len(row.label) for row in rows), default=0)
    above = 0.0
    if gutter > WIDTH - note_width - _MIN_SPAN:
        gutter, above = 0.0, _NAME_HEIGHT
    span, step = WIDTH - gutter - note_width, above + row_height
    top = 16.0 if mark else 0.0
    parts = []
    for index, row in enumerate(rows):
        y = top + index * step + above
        width = span * row.value / maximum if maximum else 0.0
        bar = {"x": gutter, "y": y + 3, "height": row_height - 6, "rx": 2}
        parts.append(element("rect", **bar, width=span, class_="track"))
        parts.append(element("rect", title(_tooltip(row)), **bar, width=width, class_=f"f-{row.colour}"))
        if row.interval is not None:
            ends = [gutter + span * end / maximum for end in row.interval]
            up = y + row_height / 2
            parts.append(element("line", x1=ends[0], x2=ends[1], y1=up, y2=up, class_="whisker"))
            parts += [element("line", x1=end, x2=end, y1=up - 3, y2=up + 3, class_="whisker") for end in ends]
        middle = y + row_height / 2 + 4
        if above:
            parts.append(label(0, y - 1, shorten(row.label, int(WIDTH / LETTER))))
        else:
            parts.append(label(gutter - 8, middle, visible(row.label), "end"))
        parts.append(label(gutter + span + 8, middle, row.note))
    height = top + len(rows) * step
    if mark:
        x = gutter + span * mark[0] / maximum
        parts.append(element("line", x1=x, x2=x, y1=top - 2, y2=height, class_="mark"))
        parts.append(label(x, 10, mark[1], "minor middle"))
    return Drawing(height, join(parts))


def _tooltip(row: Bar) -> str:
    span = "" if row.interval is None else f", {percent(row.interval[0])} to {percent(row.interval[1])}"
    return f"{row.label}: {row.note}{span}" if row.label else f"{row.note}{span}"


def stacked_bars(rows: Sequence[tuple[str, Sequence[float], str]], series: Sequence[Series]) -> Drawing:
    """Draw bars of equal length that are divided into shares.

    Parameters
    ----------
    rows : sequence of (str, sequence of float, str)
        Name, values in the order of `series`, and a note.
    series : sequence of Series
        Labels and colours of the values.

    Returns
    -------
    Drawing
        The chart with its legend.
    """
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
            tooltip = title(f"{item.label}: {count(int(value))} ({100 * value / total:.1f} %)")
            bar = {"x": x, "y": y + 16, "width": width, "height": 12}
            parts.append(element("rect", tooltip, **bar, class_=f"f-{item.colour}{' gap' if width > 3 else ''}"))
            x += width
        y += 37
    return Drawing(y - 6, join(parts))


def grouped_bars(groups: Sequence[tuple[str, Sequence[tuple[float, Interval]]]], names: Sequence[str]) -> Drawing:
    """Draw a bar of each model for each group, such as the recall of an emotion.

    Parameters
    ----------
    groups : sequence of (str, sequence of score)
        Name, and the scores in [0, 1] with their intervals, in the order of `names`.
    names : sequence of str
        The models, at most as many as there are colours in `emosense.reports.style.COMPARED`.

    Returns
    -------
    Drawing
        The chart with its legend.
    """
    colours = COMPARED[: len(names)]
    key = legend([Series(name, colour, ()) for name, colour in zip(names, colours, strict=True)])
    rows = [
        Bar(name if place == 0 else "", colour, score, percent(score), interval)
        for name, scores in groups
        for place, ((score, interval), colour) in enumerate(zip(scores, colours, strict=True))
    ]
    drawing = bars(rows, maximum=1, row_height=17)
    below = element("g", drawing.body, transform=f"translate(0 {key.height + 4:.0f})")
    return Drawing(key.height + 4 + drawing.height, join([key.body, below]))
