"""Trust columns of a table of labels -> a section of its report: where they lie, and how many recordings want care."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emosense.reports import page
from emosense.reports.axis_charts import histogram
from emosense.reports.drawing import Series, ticks
from emosense.reports.figure import Figure
from emosense.reports.markup import Markup, count, percent
from emosense.reports.tally import Tally
from emosense.tables.columns import QUALITY_COLUMNS

Values = NDArray[np.float64]

_N_BINS: Final = 24


@dataclasses.dataclass(frozen=True, slots=True)
class _Measure:
    """A trust column: its title and unit, and from where on a recording wants care (docs/rows.md)."""

    title: str
    unit: str
    limit: float
    wants_care: Callable[[Values, float], NDArray[np.bool_]]


def _below(values: Values, limit: float) -> NDArray[np.bool_]:
    return values < limit


def _above(values: Values, limit: float) -> NDArray[np.bool_]:
    return values > limit


_MEASURES: Final = {
    # One in 200 of the training recordings lies below it.
    "level_dbfs": _Measure("Level", "dBFS", -60.0, _below),
    "clipping_ratio": _Measure("Clipped samples", "share", 0.001, _above),
    "speech_ratio": _Measure("Speech", "share", 0.1, _below),
    "snr_db": _Measure("Signal over noise", "dB", 15.0, _below),
    "distance": _Measure("Distance from the training recordings", "1 is the 99th percentile", 1.0, _above),
}


def quality(tally: Tally, drawn: list[Figure]) -> list[Markup]:
    """Show each trust column that the table has; a table without them has no section."""
    found, cells = [], []
    for place, name in enumerate(QUALITY_COLUMNS):
        values = np.array(tally.quality[place], np.float64)
        if not len(values):
            continue
        measure = _MEASURES[name]
        n_care = int(measure.wants_care(values, measure.limit).sum())
        side = "below" if measure.wants_care is _below else "above"
        share = percent(n_care / len(values))
        unit = f" {measure.unit}" if measure.unit.startswith("dB") else ""
        limit = f"{measure.limit:g}{unit}"
        caption = f"Median {np.median(values):.4g}{unit}; {share} of the recordings are {side} {limit}."
        found.append(_figure(name, measure, caption, values))
        cells.append([name, f"{np.median(values):.4g}", f"{side} {measure.limit:g}", count(n_care), share])
    drawn += found
    if not found:
        return []
    header = ("column", "median", "wants care", "recordings", "share")
    beside = page.table("Recordings whose label wants care", header, cells)
    return [page.section("How far the recordings can be trusted", page.figures(found, beside))]


def _figure(name: str, measure: _Measure, caption: str, values: Values) -> Figure:
    """Draw bins of equal width between round numbers around the values."""
    low, high = float(values.min()), float(values.max())
    if high - low < 1e-6:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, _N_BINS + 1)
    counts = np.histogram(values, edges)[0].tolist()
    drawing = histogram(
        edges.tolist(), [Series("", "first", counts)], x_ticks=[(tick, f"{tick:g}") for tick in ticks(low, high, 5)],
        y_format=lambda value: f"{value:,g}", x_label=measure.unit, y_label="recordings",
    )  # fmt: skip
    return Figure(f"quality-{name.replace('_', '-')}", measure.title, caption, drawing)
