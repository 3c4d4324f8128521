"""Learning curves of an evaluation -> figures of accuracy and loss over the epochs, and the overfitting gap."""

from __future__ import annotations

import dataclasses
from typing import Final

import numpy as np

from emosense.progress import plural
from emosense.reports.axis_charts import lines
from emosense.reports.drawing import Series
from emosense.reports.evaluation_data import Evaluation
from emosense.reports.figure import Figure
from emosense.reports.number_text import percent, points, share_text

# The first part of the epochs may lie above the drawing where it is more than so many times the highest of the rest.
_EARLY_PART: Final = 4
_MOST_TIMES: Final = 2.0


def curve_figures(evaluation: Evaluation) -> list[Figure]:
    """Draw the learning curves: training runs faint, their mean bold, up to the end of the shortest run.

    Parameters
    ----------
    evaluation : Evaluation
        The evaluation.

    Returns
    -------
    list of Figure
        Accuracy and loss, as far as they were recorded.
    """
    found = []
    for quantity, title, formatter in (
        ("accuracy", "Accuracy", share_text),
        ("loss", "Loss", lambda value: f"{value:g}"),
    ):
        train, validation = _curves(evaluation, f"train_{quantity}"), _curves(evaluation, f"validation_{quantity}")
        if not train:
            continue
        series, highest = [], 0.0
        for label, colour, curves in (("training", "first", train), ("validation", "second", validation)):
            if not curves:
                continue
            if len(curves) > 1:
                series += [Series("", colour, curve.values, curve.epochs, is_faint=True) for curve in curves]
            mean = _mean_curve(curves)
            series.append(Series(label, colour, mean.values, mean.epochs))
            highest = max(highest, *(_highest(curve) for curve in curves))
        n_epochs = max(curve.epochs[-1] for curve in train)
        drawing = lines(
            series, x=(1, max(n_epochs, 2)), y=(0, 1 if quantity == "accuracy" else highest or 1.0),
            x_format=lambda value: f"{value:g}", y_format=formatter, x_label="epoch", y_label=quantity,
            counts_x=True,
        )  # fmt: skip
        caption = _curve_caption(quantity, train, validation)
        if quantity == "loss" and any(max(curve.values) > highest for curve in (*train, *validation)):
            caption += " The first epochs are above the drawing."
        found.append(Figure(f"curves-{quantity}", f"{title} over the epochs", caption, drawing))
    return found


@dataclasses.dataclass(frozen=True, slots=True)
class _Curve:
    """A quantity over the epochs at which it was measured."""

    epochs: list[int]
    values: list[float]


def _curves(evaluation: Evaluation, key: str) -> list[_Curve]:
    """Return one curve per training run that recorded the quantity at two epochs or more."""
    found = []
    for curve in evaluation.curves:
        known = [epoch for epoch in curve["epochs"] if epoch.get(key) is not None]
        if len(known) > 1:
            found.append(_Curve([epoch["epoch"] for epoch in known], [epoch[key] for epoch in known]))
    return found


def _highest(curve: _Curve) -> float:
    """Return the highest value to draw: a loss that falls far in its first epochs would flatten all the others."""
    late = max(curve.values[len(curve.values) // _EARLY_PART :])
    return min(max(curve.values), _MOST_TIMES * late)


def _mean_curve(curves: list[_Curve]) -> _Curve:
    """Average over the training runs, up to the end of the shortest."""
    shortest = min(curves, key=lambda curve: len(curve.values))
    values = [curve.values[: len(shortest.values)] for curve in curves]
    return _Curve(shortest.epochs, np.mean(values, axis=0).tolist())


def last_gap(evaluation: Evaluation) -> tuple[float, float] | None:
    """Return training and validation accuracy at the last epoch, averaged over runs; None if not recorded.

    Parameters
    ----------
    evaluation : Evaluation
        The evaluation.

    Returns
    -------
    tuple of (float, float), or None
        Training and validation accuracy in [0, 1].
    """
    train, validation = _curves(evaluation, "train_accuracy"), _curves(evaluation, "validation_accuracy")
    if not train or not validation:
        return None
    first, second = (float(np.mean([curve.values[-1] for curve in curves])) for curves in (train, validation))
    return first, second


def _curve_caption(quantity: str, train: list[_Curve], validation: list[_Curve]) -> str:
    runs = f"mean of {plural(len(train), 'training run')}"
    first, last = (float(np.mean([curve.values[place] for curve in train])) for place in (0, -1))
    if not validation:
        return (
            f"The training {quantity} goes from {first:.3g} to {last:.3g} ({runs}); "
            "this model family has no validation curve."
        )
    final = float(np.mean([curve.values[-1] for curve in validation]))
    if quantity == "accuracy":
        return (
            f"At the last epoch the accuracy is {percent(last)} in training and {percent(final)} in validation, "
            f"an overfitting gap of {points(last - final).lstrip('+')} points ({runs})."
        )
    mean = _mean_curve(validation)
    best = int(np.argmin(mean.values))
    return (
        f"The validation loss is lowest at epoch {mean.epochs[best]} ({mean.values[best]:.3g}) and ends at "
        f"{final:.3g}, while the training loss ends at {last:.3g} ({runs})."
    )
