"""Counts of a table of labels -> sections of its report: emotions, folders, confidence, durations.

Every section appends its figures and tables to the given list and returns its markup.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from emosense.progress import plural
from emosense.reports import page
from emosense.reports.axes import ticks
from emosense.reports.axis_charts import histogram
from emosense.reports.bar_charts import Bar, bars, stacked_bars
from emosense.reports.drawing import Drawing, Series
from emosense.reports.figure import Figure
from emosense.reports.markup import Markup
from emosense.reports.number_text import count, decimal, percent, seconds
from emosense.reports.style import emotion_colour
from emosense.reports.table import Table
from emosense.reports.tally import Tally
from emosense.reports.tally_groups import Groups

_N_GROUPS: Final = 15
_N_BINS: Final = 20
# More emotions that are equally frequent are counted, not named.
_MOST_NAMES: Final = 3
_LONG_UNITS: Final = ((3600, "h"), (60, "min"))


def emotions(tally: Tally, items: list[Figure | Table]) -> Markup:
    """Show counts and shares of the emotions, and the confidence of the labels.

    Parameters
    ----------
    tally : Tally
        Counts of a table with at least one label.
    items : list of Figure or Table
        Receives what the section shows.

    Returns
    -------
    Markup
        The section.
    """
    total = sum(tally.by_emotion)
    cells = []
    for place, name in enumerate(tally.emotions):
        values = tally.confidence(place)
        median = float(np.median(values)) if len(values) else None
        time_s = seconds(tally.decoded_ms[place] / 1000)
        cells.append([name, count(len(values)), percent(len(values) / total), time_s, decimal(median)])
    header = ("emotion", f"{tally.noun}s", "share", "audio", "median")
    table = Table("emotions-table", "Emotions and median confidence", header, cells)
    shown: list[Figure | Table] = [_emotion_figure(tally), _confidence_figure(tally), table]
    items += shown
    return page.section("Emotions", page.figures(shown))


def _emotion_figure(tally: Tally) -> Figure:
    counts = tally.by_emotion
    total = sum(counts)
    order = sorted(range(len(counts)), key=lambda place: -counts[place])
    n_most = counts[order[0]]
    first = [tally.emotions[place] for place in order if counts[place] == n_most]
    share = f"{percent(n_most / total)} of the {plural(total, f'labelled {tally.noun}')}"
    if len(first) > 1:
        names = f"{', '.join(first[:-1]).capitalize()} and {first[-1]}"
        caption = f"{names} are the most frequent labels with {share} each"
    else:
        caption = f"{first[0].capitalize()} is the most frequent label with {share}"
        if counts[order[1]]:
            caption += f", followed by {tally.emotions[order[1]]} with {percent(counts[order[1]] / total)}"
    rows = [
        Bar(name, emotion_colour(place), counts[place], f"{count(counts[place])} ({percent(counts[place] / total)})")
        for place, name in enumerate(tally.emotions)
    ]
    return Figure("emotions", f"{tally.noun.capitalize()}s by emotion", f"{caption}.", bars(rows, maximum=max(counts)))


def groups(tally: Tally, items: list[Figure | Table]) -> list[Markup]:
    """Show emotions by folder, and by speaker where speakers are not the folders.

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
    # A folder for each speaker: the bars would be the same.
    is_same = list(tally.speakers.counts.values()) == list(tally.folders.counts.values())
    if len(tally.folders.counts) > 1 or any(tally.folders.rest):
        found += _group_items("folders", "folder", tally.folders, tally)
    if len(tally.speakers.counts) > 1 and not is_same:
        noun = "speaker" if tally.n_speakers else "parent folder"
        found += _group_items("speakers", noun, tally.speakers, tally)
    items += found
    return [page.section("By folder and speaker", page.figures(found))] if found else []


def _common_folder(groups: Groups) -> str:
    """Return the common start of the folders' names, up to a slash; the figure leaves it out."""
    # Cut at the last slash; `commonpath` would take the two of a URL for one.
    head, slash, _ = os.path.commonprefix(list(groups.counts)).rpartition("/")  # noqa: RUF071
    return head + slash


def _group_items(name: str, noun: str, groups: Groups, tally: Tally) -> tuple[Figure, Table]:
    common = _common_folder(groups)
    stack = [Series(each, emotion_colour(place), ()) for place, each in enumerate(tally.emotions)]
    largest, others, n_others = groups.largest(_N_GROUPS)
    rows = [(group.removeprefix(common) or ".", values, count(sum(values))) for group, values in largest]
    if sum(others):
        more = "more than " if any(groups.rest) else ""
        rows.append((f"{more}{plural(n_others, f'other {noun}')}", others, count(sum(others))))
    share = sum(sum(values) for _, values in largest) / tally.n
    caption = f"The {len(largest)} largest {noun}s hold {percent(share)} of the {tally.noun}s"
    if n_others == 0:
        caption = (
            f"{plural(len(largest), noun).capitalize()}, the largest with {plural(sum(largest[0][1]), tally.noun)}"
        )
    within = f"; under {common}" if common else ""
    drawing = stacked_bars(rows, [*stack, Series("no label", "none", ())])
    cells = [(group, n_rows, *_most_frequent(tally, values)) for group, values, n_rows in rows]
    header = (noun, f"{tally.noun}s", "share", "most frequent")
    return (
        Figure(name, f"Emotions by {noun}", f"{caption}{within}.", drawing),
        Table(f"{name}-table", f"Most frequent emotion by {noun}", header, cells, n_words=1),
    )


def _most_frequent(tally: Tally, values: Sequence[int]) -> tuple[str, str]:
    """Return the share of the most frequent emotion among the labels of a group, and its name, or theirs if equal."""
    counts = values[: len(tally.emotions)]
    most = max(counts)
    if not most:
        return decimal(None), ""
    names = [name for name, n in zip(tally.emotions, counts, strict=True) if n == most]
    return percent(most / sum(counts)), ", ".join(names) if len(names) <= _MOST_NAMES else f"{len(names)} tied"


def _confidence_figure(tally: Tally) -> Figure:
    edges = np.linspace(0, 1, _N_BINS + 1)
    series = []
    for place, name in enumerate(tally.emotions):
        values = np.round(tally.confidence(place) * 1_000_000).astype(np.int64)
        bins = np.minimum(values * _N_BINS // 1_000_000, _N_BINS - 1)
        series.append(Series(name, emotion_colour(place), np.bincount(bins, minlength=_N_BINS).tolist()))
    everything = tally.confidence()
    low, middle = (float(np.mean(everything < limit)) for limit in (0.5, 0.8))
    caption = (
        f"Half of the labels have a confidence of {float(np.median(everything)):.3f} or more; "
        f"{percent(low)} are below 0.5 and {percent(middle)} below 0.8."
    )
    drawing = histogram(
        edges.tolist(), series, x_ticks=[(tick, f"{tick:g}") for tick in ticks(0, 1)],
        y_format=lambda value: f"{value:,g}", x_label="confidence", y_label=f"{tally.noun}s",
    )  # fmt: skip
    return Figure("confidence", "Confidence of the labels", caption, drawing)


def durations(tally: Tally, items: list[Figure | Table]) -> Markup:
    """Show the durations of the recordings.

    Parameters
    ----------
    tally : Tally
        Counts of a table with at least one duration.
    items : list of Figure or Table
        Receives what the section shows.

    Returns
    -------
    Markup
        The section.
    """
    values = tally.duration_s()
    low, median, high = (float(value) for value in np.quantile(values, [0.05, 0.5, 0.95]))
    caption = (
        f"Half of the recordings last {seconds(median)} or less; nine in ten last {seconds(low)} to {seconds(high)}."
    )
    figure = Figure("durations", "Duration of the recordings", caption, _duration_drawing(values))
    items.append(figure)
    decoded = seconds(sum(tally.decoded_ms) / 1000)
    of_all = "of all channels" if tally.noun == "channel" else ""
    totals = page.key_values([
        ("total", seconds(float(values.sum())), ""), ("mean", seconds(float(values.mean())), ""),
        ("median", seconds(median), ""), ("shortest", seconds(float(values[0])), ""),
        ("longest", seconds(float(values[-1])), ""), ("decoded", decoded, of_all),
    ])  # fmt: skip
    return page.section("Durations", page.figures([figure], totals))


def _duration_drawing(values: np.ndarray[Any, np.dtype[np.float64]]) -> Drawing:
    """Draw bins of equal width up to the 99th percentile; the last one holds all longer recordings."""
    most_s = max(float(np.quantile(values, 0.99)), 0.1)
    unit_s, unit = next((item for item in _LONG_UNITS if most_s >= 2 * item[0]), (1, "s"))
    in_units = values / unit_s
    step = ticks(0, most_s / unit_s, 10)
    width = (step[1] - step[0]) / 2
    n_bins = int(np.ceil(most_s / unit_s / width + 1e-9))
    places = np.minimum((in_units / width + 1e-9).astype(np.int64), n_bins - 1)
    edges = [round(width * place, 10) for place in range(n_bins + 1)]
    marks = [(tick, f"{tick:g}") for tick in ticks(0, edges[-1], 6)]
    counts = np.bincount(places, minlength=n_bins).tolist()
    return histogram(
        edges, [Series("", "first", counts)], x_ticks=marks, y_format=lambda value: f"{value:,g}",
        x_label=f"{unit} (last bar: all longer recordings)", y_label="recordings",
    )  # fmt: skip
