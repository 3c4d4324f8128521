"""Quality columns of a table of labels -> a section of its report: their values, and how many labels to check."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emosense.reports import page
from emosense.reports.axes import ticks
from emosense.reports.axis_charts import histogram
from emosense.reports.drawing import Series
from emosense.reports.figure import Figure
from emosense.reports.markup import Markup
from emosense.reports.number_text import count, percent
from emosense.reports.table import Table
from emosense.reports.tally import Tally
from emosense.tables.columns import QUALITY_COLUMNS

Values = NDArray[np.float64]

_N_BINS: Final = 24


@dataclasses.dataclass(frozen=True, slots=True)
class _Measure:
    """A quality column: its title and unit, and beyond which limit a label needs a check (docs/rows.md).

    Numbers are written with `digits` decimals, and an axis spans at least `least_range`.
    """

    title: str
    unit: str
    digits: int
    least_range: float
    limit: float
    needs_check: Callable[[Values, float], NDArray[np.bool_]]


def _number_text(value: float, measure: _Measure) -> str:
    return f"{value:.{measure.digits}f}".replace("-", "\N{MINUS SIGN}")


def _below(values: Values, limit: float) -> NDArray[np.bool_]:
    return values < limit


def _above(values: Values, limit: float) -> NDArray[np.bool_]:
    return values > limit


_MEASURES: Final = {
    # One in 200 of the training recordings is below it.
    "level_dbfs": _Measure("Level", "dBFS", 1, 1.0, -60.0, _below),
    "clipping_ratio": _Measure("Clipped samples", "share", 3, 0.001, 0.001, _above),
    "speech_ratio": _Measure("Speech", "share", 2, 0.05, 0.1, _below),
    "snr_db": _Measure("Signal-to-noise ratio", "dB", 0, 1.0, 15.0, _below),
    "distance": _Measure("Distance from the training data", "1 is the 99th percentile", 2, 0.05, 1.0, _above),
}


def quality(tally: Tally, items: list[Figure | Table]) -> list[Markup]:
    """Show the quality columns that the table has; without them there is no section.

    Parameters
    ----------
    tally : Tally
        Counts of the table.
    items : list of Figure or Table
        Receives what the section shows.

    Returns
    -------
    list of Markup
        The section, if any.
    """
    found: list[Figure | Table] = []
    cells = []
    for place, name in enumerate(QUALITY_COLUMNS):
        values = np.array(tally.quality[place], np.float64)
        if not len(values):
            continue
        measure = _MEASURES[name]
        n_to_check = int(measure.needs_check(values, measure.limit).sum())
        side = "below" if measure.needs_check is _below else "above"
        share = percent(n_to_check / len(values))
        unit = f" {measure.unit}" if measure.unit.startswith("dB") else ""
        limit = f"{measure.limit:g}{unit}".replace("-", "\N{MINUS SIGN}")
        median = _number_text(float(np.median(values)), measure)
        caption = f"Median {median}{unit}; {share} of the {tally.noun}s are {side} {limit}."
        found.append(_figure(name, measure, caption, values, f"{tally.noun}s"))
        cells.append([name, f"{median}{unit}", f"{side} {limit}", count(n_to_check), share])
    if not found:
        return []
    header = ("column", "median", "check if", f"{tally.noun}s", "share")
    found.append(Table("quality-table", "Labels to check", header, cells))
    items += found
    return [page.section("Recording quality", page.figures(found))]


def _figure(name: str, measure: _Measure, caption: str, values: Values, counted: str) -> Figure:
    """Draw a histogram with bins of equal width, over a range in which differences matter."""
    low, high = float(values.min()), float(values.max())
    if high - low < measure.least_range:
        low, high = low - measure.least_range / 2, high + measure.least_range / 2
    if measure.unit == "share" and low < 0:
        low, high = 0.0, high - low
    edges = np.linspace(low, high, _N_BINS + 1)
    counts = np.histogram(values, edges)[0].tolist()
    drawing = histogram(
        edges.tolist(), [Series("", "first", counts)], x_ticks=[(tick, f"{tick:g}") for tick in ticks(low, high, 5)],
        y_format=lambda value: f"{value:,g}", x_label=measure.unit, y_label=counted,
    )  # fmt: skip
    return Figure(f"quality-{name.replace('_', '-')}", measure.title, caption, drawing)
