"""Evaluations -> the rows that all of them predicted, and the figures that compare them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from emosense.emotions import EMOTIONS
from emosense.errors import UsageError
from emosense.evaluation.intervals import bootstrap_interval
from emosense.evaluation.metrics import confusion_matrix, recall_per_class, uar
from emosense.reports.axis_charts import intervals, lines
from emosense.reports.bar_charts import Bar, bars, grouped_bars
from emosense.reports.confidence_figures import coverage_intervals, coverage_points
from emosense.reports.drawing import Series
from emosense.reports.evaluation_data import Evaluation
from emosense.reports.figure import Figure
from emosense.reports.number_text import count, listed, percent, points, share_text
from emosense.reports.score_intervals import recall_intervals
from emosense.reports.style import COMPARED

Int64 = NDArray[np.int64]


@dataclasses.dataclass(frozen=True, slots=True)
class Shared:
    """The rows that all models predicted; a row is a recording with a seed.

    Attributes
    ----------
    classes : tuple of str
        The emotions of any of the models.
    labels : ndarray, shape (n,)
        Actual classes, as indices into `classes`.
    predicted : tuple of ndarray, each of shape (n,)
        Predicted classes of each model.
    speakers : tuple of str, length n
    """

    classes: tuple[str, ...]
    labels: Int64
    predicted: tuple[Int64, ...]
    speakers: tuple[str, ...]


def shared_rows(evaluations: Sequence[Evaluation]) -> Shared:
    """Match the rows of evaluations by recording and seed.

    Parameters
    ----------
    evaluations : sequence of Evaluation
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
    classes = tuple(name for name in EMOTIONS if any(name in each.classes for each in evaluations))
    rows_of = [{key: row for row, key in enumerate(zip(each.paths, each.seeds, strict=True))} for each in evaluations]
    keys = [key for key in rows_of[0] if all(key in rows for rows in rows_of)]
    labels, predicted = [], []
    for each, rows in zip(evaluations, rows_of, strict=True):
        here = np.array([rows[key] for key in keys], np.int64)
        places = np.array([classes.index(name) for name in each.classes], np.int64)
        labels.append(places[each.labels[here]])
        predicted.append(places[each.predicted[here]])
    differs = np.any([labels[0] != other for other in labels[1:]], axis=0)
    if differs.any():
        wrong = keys[int(differs.argmax())][0]
        raise UsageError(f"the evaluations disagree about the emotion of {wrong}: they are not of the same corpus")
    speakers = tuple(evaluations[0].speakers[rows_of[0][key]] for key in keys)
    return Shared(classes, labels[0], tuple(predicted), speakers)


def uar_figure(shared: Shared, names: Sequence[str]) -> Figure:
    """Draw the UAR of each model on the shared rows with intervals over actors.

    Parameters
    ----------
    shared : Shared
        The rows that all predicted.
    names : sequence of str
        Names of the evaluations.

    Returns
    -------
    Figure
    """
    rows = []
    for name, colour, predicted in zip(names, COMPARED, shared.predicted, strict=False):
        score = float(uar(confusion_matrix(shared.labels, predicted, len(shared.classes))))
        interval = bootstrap_interval(shared.labels, predicted, shared.speakers, uar)
        rows.append((name, colour, score, interval))
    scores = listed([f"{percent(score)} for {name}" for name, _, score, _ in rows])
    caption = (
        f"On the {count(len(shared.labels))} rows that all predicted, the UAR is {scores}; the lines are 95 % "
        "intervals over actors."
    )
    return Figure("uar-compared", "UAR of the models", caption, intervals(rows))


def recall_figure(shared: Shared, names: Sequence[str]) -> Figure:
    """Draw the recall of each emotion for each model.

    Parameters
    ----------
    shared : Shared
        The rows that all predicted.
    names : sequence of str
        Names of the evaluations.

    Returns
    -------
    Figure
    """
    n_classes = len(shared.classes)
    recalls = [recall_per_class(confusion_matrix(shared.labels, each, n_classes)) for each in shared.predicted]
    present = [place for place in range(n_classes) if np.isfinite(recalls[0][place])]
    of_emotion = {place: [float(recall[place]) for recall in recalls] for place in present}
    widest = max(present, key=lambda place: max(of_emotion[place]) - min(of_emotion[place]))
    ordered = sorted(zip(of_emotion[widest], names, strict=True), key=lambda pair: pair[0])
    (lowest, behind), (highest, ahead) = ordered[0], ordered[-1]
    gap = points(highest - lowest).lstrip("+")
    caption = f"They differ most on {shared.classes[widest]}, where {ahead} is {gap} points ahead of {behind}."
    spans = [recall_intervals(shared.labels, each, shared.speakers, n_classes) for each in shared.predicted]
    if any(spans[0]):
        caption += " The lines are 95 % intervals over actors."
    groups = [
        (shared.classes[place], [(score, span[place]) for score, span in zip(of_emotion[place], spans, strict=True)])
        for place in present
    ]
    drawing = grouped_bars(groups, names)
    return Figure("recall-compared", "Recall by emotion", caption, drawing)


def agreement_figure(shared: Shared, names: Sequence[str], other: int) -> Figure:
    """Draw how often the first model and another one, one or none of them are right.

    Parameters
    ----------
    shared : Shared
        The rows that all predicted.
    names : sequence of str
        Names of the evaluations.
    other : int
        Index of the other model.

    Returns
    -------
    Figure
    """
    first, second = (shared.predicted[place] == shared.labels for place in (0, other))
    n, pair, colour = len(shared.labels), (names[0], names[other]), COMPARED[other]
    parts = (
        ("both right", COMPARED[0], int((first & second).sum())),
        (f"only {pair[0]}", COMPARED[0], int((first & ~second).sum())),
        (f"only {pair[1]}", colour, int((~first & second).sum())),
        ("both wrong", "none", int((~first & ~second).sum())),
    )
    either = float((first | second).mean())
    caption = (
        f"At least one is right on {percent(either)} of the rows; only {pair[0]} on {percent(parts[1][2] / n)}, "
        f"only {pair[1]} on {percent(parts[2][2] / n)}."
    )
    rows = [Bar(label, shade, value, f"{count(value)} ({percent(value / n)})") for label, shade, value in parts]
    title = f"Agreement of {pair[0]} and {pair[1]}"
    return Figure(f"agreement-{letter_of(other)}", title, caption, bars(rows, maximum=n))


def coverage_figure(evaluations: Sequence[Evaluation], names: Sequence[str]) -> Figure:
    """Draw accuracy against coverage for each model.

    Parameters
    ----------
    evaluations : sequence of Evaluation
    names : sequence of str
        Their names.

    Returns
    -------
    Figure
    """
    series, halves = [], []
    for evaluation, name, colour in zip(evaluations, names, COMPARED, strict=False):
        _, coverage, accuracy = coverage_points(evaluation)
        series.append(Series(name, colour, accuracy, coverage, intervals=coverage_intervals(evaluation, coverage)))
        half = next(a for c, a in zip(coverage, accuracy, strict=True) if c >= 0.5 - 1e-9)
        halves.append(f"{percent(half)} for {name}")
    caption = f"On the most confident half of the recordings, the accuracy is {listed(halves)}."
    drawing = lines(
        series, x=(0, 1), y=(0, 1), x_format=share_text, y_format=share_text,
        x_label="share of recordings kept, most confident first", y_label="accuracy", has_points=True,
    )  # fmt: skip
    return Figure("coverage-compared", "Accuracy against coverage", caption, drawing)


def letter_of(place: int) -> str:
    """Return the letter of an evaluation in the names of its figures.

    Parameters
    ----------
    place : int
        From 0.

    Returns
    -------
    str
        ``a``, ``b`` and so on.
    """
    return chr(ord("a") + place)
