"""An evaluation -> its pictures of trust: learning curves, reliability, coverage, confidence of right and wrong."""

from __future__ import annotations

import dataclasses
from typing import Any, Final

import numpy as np

from emosense.progress import plural
from emosense.reports.axis_charts import histogram, lines
from emosense.reports.drawing import Series, ticks
from emosense.reports.evaluation_data import Evaluation
from emosense.reports.figure import Figure
from emosense.reports.markup import decimal, percent, points

_N_BINS: Final = 20
_HALF: Final = 0.5


def share_text(value: float) -> str:
    """Write a share as an axis does."""
    return f"{100 * value:.3g} %"


def curve_figures(evaluation: Evaluation) -> list[Figure]:
    """Draw the learning curves: each fit faint, their mean bold, as far as all fits go."""
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
            highest = max(highest, *(max(curve.values) for curve in curves))
        n_epochs = max(curve.epochs[-1] for curve in train)
        drawing = lines(
            series, x=(1, max(n_epochs, 2)), y=(0, 1 if quantity == "accuracy" else highest or 1.0),
            x_format=lambda value: f"{value:g}", y_format=formatter, x_label="epoch", y_label=quantity,
        )  # fmt: skip
        caption = _curve_caption(quantity, train, validation)
        found.append(Figure(f"curves-{quantity}", f"{title} over the epochs", caption, drawing))
    return found


@dataclasses.dataclass(frozen=True, slots=True)
class _Curve:
    """A quantity over the epochs at which it was measured."""

    epochs: list[int]
    values: list[float]


def _curves(evaluation: Evaluation, key: str) -> list[_Curve]:
    """Return one curve a fit, of those that know the quantity."""
    found = []
    for curve in evaluation.curves:
        known = [epoch for epoch in curve["epochs"] if epoch.get(key) is not None]
        if known:
            found.append(_Curve([epoch["epoch"] for epoch in known], [epoch[key] for epoch in known]))
    return found


def _mean_curve(curves: list[_Curve]) -> _Curve:
    """Average over the fits, as far as all of them go."""
    shortest = min(curves, key=lambda curve: len(curve.values))
    values = [curve.values[: len(shortest.values)] for curve in curves]
    return _Curve(shortest.epochs, np.mean(values, axis=0).tolist())


def last_gap(evaluation: Evaluation) -> tuple[float, float] | None:
    """Return accuracy in training and validation at the fits' last epochs, averaged; None where it is not known."""
    train, validation = _curves(evaluation, "train_accuracy"), _curves(evaluation, "validation_accuracy")
    if not train or not validation:
        return None
    first, second = (float(np.mean([curve.values[-1] for curve in curves])) for curves in (train, validation))
    return first, second


def _curve_caption(quantity: str, train: list[_Curve], validation: list[_Curve]) -> str:
    fits = plural(len(train), "fit")
    first, last = (float(np.mean([curve.values[place] for curve in train])) for place in (0, -1))
    if not validation:
        return (
            f"In {fits} the training {quantity} goes from {first:.3g} to {last:.3g}; "
            "this family keeps no validation curve."
        )
    held = float(np.mean([curve.values[-1] for curve in validation]))
    if quantity == "accuracy":
        return (
            f"At the last epoch the accuracy is {percent(last)} in training and {percent(held)} in validation, "
            f"an overfitting gap of {points(last - held).lstrip('+')} points, the mean of {fits}."
        )
    mean = _mean_curve(validation)
    best = int(np.argmin(mean.values))
    return (
        f"The validation loss is lowest at epoch {mean.epochs[best]} ({mean.values[best]:.3g}) and ends at {held:.3g}, "
        f"while the training loss ends at {last:.3g}; the mean of {fits}."
    )


def reliability_bins(evaluation: Evaluation) -> list[tuple[float, float, int, float, float]]:
    """Return low, high, rows, mean confidence and accuracy of the bins that have rows, pooled over the seeds."""
    pooled = []
    for bins in zip(*(seed["reliability"] for seed in evaluation.metrics["seeds"]), strict=True):
        n = sum(item["n"] for item in bins)
        if n:
            confidence, accuracy = (
                sum(item["n"] * item[key] for item in bins if item["n"]) / n for key in ("mean_confidence", "accuracy")
            )
            pooled.append((bins[0]["low"], bins[0]["high"], n, confidence, accuracy))
    return pooled


def reliability_figure(evaluation: Evaluation) -> Figure:
    """Draw accuracy against confidence; on the diagonal the confidence is what it says."""
    bins = reliability_bins(evaluation)
    total = sum(n for _, _, n, _, _ in bins)
    confidence, accuracy = (sum(item[2] * item[place] for item in bins) / total for place in (3, 4))
    word = "too sure" if confidence > accuracy else "too cautious"
    caption = (
        f"The mean confidence is {percent(confidence)} at an accuracy of {percent(accuracy)}: {word} by "
        f"{points(abs(confidence - accuracy)).lstrip('+')} points; the calibration error (ECE) is "
        f"{percent(evaluation.metrics['scores']['ece']['mean'])}."
    )
    drawing = lines(
        [Series("", "first", [item[4] for item in bins], [item[3] for item in bins])],
        x=(0, 1), y=(0, 1), x_format=share_text, y_format=share_text, x_label="confidence", y_label="accuracy",
        diagonal="confidence equal to accuracy", has_points=True,
    )  # fmt: skip
    return Figure("reliability", "Reliability", caption, drawing)


def coverage_points(evaluation: Evaluation) -> tuple[list[list[dict[str, Any]]], list[float], list[float]]:
    """Return the curves of the seeds, and over the seeds the mean coverage and accuracy of their points."""
    curves = [[point for point in seed["coverage"] if point["n"]] for seed in evaluation.metrics["seeds"]]
    aligned = list(zip(*curves, strict=False))
    coverage, accuracy = (
        [float(np.mean([point[key] for point in same])) for same in aligned] for key in ("coverage", "accuracy")
    )
    return curves, coverage, accuracy


def coverage_figure(evaluation: Evaluation) -> Figure:
    """Draw the accuracy of the most certain rows against their share."""
    curves, coverage, accuracy = coverage_points(evaluation)
    half = next(place for place, value in enumerate(coverage) if value >= _HALF - 1e-9)
    verb = "lifts" if accuracy[half] > accuracy[-1] else "does not lift"
    caption = (
        f"Keeping the most certain {percent(coverage[half])} of the recordings {verb} the accuracy from "
        f"{percent(accuracy[-1])} to {percent(accuracy[half])}."
    )
    series = []
    if len(curves) > 1:
        series = [
            Series("", "first", [p["accuracy"] for p in curve], [p["coverage"] for p in curve], is_faint=True)
            for curve in curves
        ]
    series.append(Series("", "first", accuracy, coverage))
    drawing = lines(
        series, x=(0, 1), y=(0, 1), x_format=share_text, y_format=share_text,
        x_label="share of the recordings kept, the most certain first", y_label="accuracy", has_points=True,
    )  # fmt: skip
    return Figure("coverage", "Coverage against accuracy", caption, drawing)


def separation_figure(evaluation: Evaluation) -> Figure:
    """Draw the confidence of right answers over that of wrong ones."""
    right, wrong = evaluation.confidence[evaluation.is_right], evaluation.confidence[~evaluation.is_right]
    edges = np.linspace(0, 1, _N_BINS + 1)
    series = []
    for label, colour, values in (("right", "first", right), ("wrong", "second", wrong)):
        shares = np.histogram(values, edges)[0] / max(len(values), 1)
        series.append(Series(label, colour, shares.tolist()))
    auroc = evaluation.metrics["scores"]["confidence_auroc"]["mean"]
    caption = "All answers are right, or all are wrong: there is nothing to separate."
    if auroc is not None:
        caption = (
            f"A right answer is more confident than a wrong one in {percent(auroc)} of pairs (AUROC {decimal(auroc)}); "
            f"the median confidence is {np.median(right):.3f} where right and {np.median(wrong):.3f} where wrong."
        )
    drawing = histogram(
        edges.tolist(), series, x_ticks=[(tick, f"{tick:g}") for tick in ticks(0, 1)], y_format=share_text,
        x_label="confidence", y_label="share of the right, of the wrong", is_stacked=False,
    )  # fmt: skip
    return Figure("separation", "Confidence of right and wrong answers", caption, drawing)
