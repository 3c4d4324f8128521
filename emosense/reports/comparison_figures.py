"""Two evaluations -> the rows that both predicted, and the figures that compare them."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from emosense.emotions import EMOTIONS
from emosense.errors import UsageError
from emosense.evaluation.intervals import bootstrap_interval
from emosense.evaluation.metrics import confusion_matrix, recall_per_class, uar
from emosense.reports.axis_charts import intervals, lines
from emosense.reports.bar_charts import Bar, bars, paired_bars
from emosense.reports.confidence_figures import coverage_intervals, coverage_points
from emosense.reports.drawing import Series
from emosense.reports.evaluation_data import Evaluation
from emosense.reports.figure import Figure
from emosense.reports.number_text import count, percent, points, share_text
from emosense.reports.score_intervals import recall_intervals

Int64 = NDArray[np.int64]


@dataclasses.dataclass(frozen=True, slots=True)
class Shared:
    """The rows that both models predicted; a row is a recording with a seed.

    Attributes
    ----------
    classes : tuple of str
        The emotions of either model.
    labels, first, second : ndarray, shape (n,)
        Actual and predicted classes, as indices into `classes`.
    speakers : tuple of str, length n
    """

    classes: tuple[str, ...]
    labels: Int64
    first: Int64
    second: Int64
    speakers: tuple[str, ...]


def shared_rows(a: Evaluation, b: Evaluation) -> Shared:
    """Match the rows of two evaluations by recording and seed.

    Parameters
    ----------
    a, b : Evaluation
        Evaluations of the same corpus.

    Returns
    -------
    Shared
        Their common rows, which may be none.

    Raises
    ------
    UsageError
        If they disagree about the truth of a recording.
    """
    classes = tuple(name for name in EMOTIONS if name in a.classes or name in b.classes)
    row_of = {key: row for row, key in enumerate(zip(b.paths, b.seeds, strict=True))}
    matched = [(row, row_of[key]) for row, key in enumerate(zip(a.paths, a.seeds, strict=True)) if key in row_of]
    rows = np.array(matched, np.int64).reshape(-1, 2)
    place_a, place_b = (np.array([classes.index(name) for name in e.classes], np.int64) for e in (a, b))
    labels, other = place_a[a.labels[rows[:, 0]]], place_b[b.labels[rows[:, 1]]]
    if (labels != other).any():
        wrong = a.paths[int(rows[int((labels != other).argmax()), 0])]
        raise UsageError(f"the two evaluations disagree about the emotion of {wrong}: they are not of the same corpus")
    first, second = place_a[a.predicted[rows[:, 0]]], place_b[b.predicted[rows[:, 1]]]
    return Shared(classes, labels, first, second, tuple(a.speakers[row] for row, _ in matched))


def uar_figure(shared: Shared, names: tuple[str, str]) -> Figure:
    """Draw the UAR of both on the shared rows with intervals over actors.

    Parameters
    ----------
    shared : Shared
        The rows that both predicted.
    names : tuple[str, str]
        Names of the evaluations.

    Returns
    -------
    Figure
        Scores with intervals.
    """
    rows = []
    for name, colour, predicted in ((names[0], "first", shared.first), (names[1], "second", shared.second)):
        score = float(uar(confusion_matrix(shared.labels, predicted, len(shared.classes))))
        interval = bootstrap_interval(shared.labels, predicted, shared.speakers, uar)
        rows.append((name, colour, score, interval))
    caption = (
        f"On the {count(len(shared.labels))} rows that both predicted the UAR is {percent(rows[0][2])} for {names[0]} "
        f"and {percent(rows[1][2])} for {names[1]}; the lines are 95 % intervals over actors."
    )
    return Figure("uar-both", "UAR of both models", caption, intervals(rows))


def recall_figure(shared: Shared, names: tuple[str, str]) -> Figure:
    """Draw the recall of each emotion for both.

    Parameters
    ----------
    shared : Shared
        The rows that both predicted.
    names : tuple[str, str]
        Names of the evaluations.

    Returns
    -------
    Figure
        Pairs of bars.
    """
    recalls = [
        recall_per_class(confusion_matrix(shared.labels, predicted, len(shared.classes)))
        for predicted in (shared.first, shared.second)
    ]
    present = [place for place in range(len(shared.classes)) if np.isfinite(recalls[0][place])]
    gaps = {shared.classes[place]: float(recalls[0][place] - recalls[1][place]) for place in present}
    widest = max(gaps, key=lambda name: abs(gaps[name]))
    ahead = names[0] if gaps[widest] >= 0 else names[1]
    caption = f"They differ most on {widest}, where {ahead} is {points(abs(gaps[widest])).lstrip('+')} points ahead."
    spans = [
        recall_intervals(shared.labels, predicted, shared.speakers, len(shared.classes))
        for predicted in (shared.first, shared.second)
    ]
    if any(spans[0]):
        caption += " The lines are 95 % intervals over actors."
    scores = [list(zip(map(float, recalls[model]), spans[model], strict=True)) for model in (0, 1)]
    groups = [(shared.classes[place], (scores[0][place], scores[1][place])) for place in present]
    return Figure("recall-both", "Recall by emotion", caption, paired_bars(groups, names))


def agreement_figure(shared: Shared, names: tuple[str, str]) -> Figure:
    """Draw how often both models, one or none are right.

    Parameters
    ----------
    shared : Shared
        The rows that both predicted.
    names : tuple[str, str]
        Names of the evaluations.

    Returns
    -------
    Figure
        Four bars.
    """
    first, second = shared.first == shared.labels, shared.second == shared.labels
    n = len(shared.labels)
    parts = (
        ("both right", "first", int((first & second).sum())),
        ("only the first", "first", int((first & ~second).sum())),
        ("only the second", "second", int((~first & second).sum())),
        ("both wrong", "none", int((~first & ~second).sum())),
    )
    either = float((first | second).mean())
    caption = (
        f"At least one is right on {percent(either)} of the rows; only {names[0]} on {percent(parts[1][2] / n)}, "
        f"only {names[1]} on {percent(parts[2][2] / n)}."
    )
    rows = [Bar(label, colour, value, f"{count(value)} ({percent(value / n)})") for label, colour, value in parts]
    return Figure("agreement", "Agreement of the models", caption, bars(rows, maximum=n))


def coverage_figure(pair: tuple[Evaluation, Evaluation], names: tuple[str, str]) -> Figure:
    """Draw accuracy against coverage for both.

    Parameters
    ----------
    pair : tuple[Evaluation, Evaluation]
        The evaluations.
    names : tuple[str, str]
        Their names.

    Returns
    -------
    Figure
        Two lines.
    """
    series, halves = [], []
    for evaluation, name, colour in zip(pair, names, ("first", "second"), strict=True):
        _, coverage, accuracy = coverage_points(evaluation)
        series.append(Series(name, colour, accuracy, coverage, intervals=coverage_intervals(evaluation, coverage)))
        halves.append(next(a for c, a in zip(coverage, accuracy, strict=True) if c >= 0.5 - 1e-9))
    caption = (
        f"On the most confident half of the recordings, the accuracy is {percent(halves[0])} for {names[0]} and "
        f"{percent(halves[1])} for {names[1]}."
    )

    drawing = lines(
        series, x=(0, 1), y=(0, 1), x_format=share_text, y_format=share_text,
        x_label="share of recordings kept, most confident first", y_label="accuracy", has_points=True,
    )  # fmt: skip
    return Figure("coverage-both", "Accuracy against coverage", caption, drawing)
