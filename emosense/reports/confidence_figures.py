"""An evaluation -> figures of its confidence: reliability, coverage, right against wrong predictions."""

from __future__ import annotations

import dataclasses
from typing import Any, Final

import numpy as np

from emosense.reports.axes import ticks
from emosense.reports.axis_charts import histogram, lines
from emosense.reports.drawing import Series
from emosense.reports.evaluation_data import Evaluation
from emosense.reports.figure import Figure
from emosense.reports.number_text import count, decimal, percent, points, share_text
from emosense.reports.score_intervals import share_interval

_N_BINS: Final = 20
_HALF: Final = 0.5
_MOST_BINS: Final = 10
_LEAST_ROWS: Final = 20


@dataclasses.dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Rows of similar confidence.

    Attributes
    ----------
    n : int
        Number of rows.
    confidence, accuracy : float
        Mean confidence and accuracy in [0, 1].
    interval : tuple of (float, float), or None
        95 % interval of the accuracy over actors.
    """

    n: int
    confidence: float
    accuracy: float
    interval: tuple[float, float] | None


def reliability_bins(evaluation: Evaluation) -> list[ReliabilityBin]:
    """Return bins of equal numbers of rows, over all seeds: ten, or fewer where a bin would have fewer than 20 rows.

    Parameters
    ----------
    evaluation : Evaluation
        The evaluation.

    Returns
    -------
    list of ReliabilityBin
        By rising confidence.
    """
    order = np.argsort(evaluation.confidence, kind="stable")
    speakers = np.array(evaluation.speakers, np.str_)
    n_bins = min(max(len(order) // _LEAST_ROWS, 1), _MOST_BINS)
    return [
        ReliabilityBin(
            len(rows), float(evaluation.confidence[rows].mean()), float(evaluation.is_right[rows].mean()),
            share_interval(evaluation.is_right[rows], speakers[rows]),
        )
        for rows in np.array_split(order, n_bins)
    ]  # fmt: skip


def reliability_figure(evaluation: Evaluation) -> Figure:
    """Draw accuracy against confidence; a calibrated model lies on the diagonal.

    Parameters
    ----------
    evaluation : Evaluation
        The evaluation.

    Returns
    -------
    Figure
        A line with the diagonal.
    """
    bins = reliability_bins(evaluation)
    confidence, accuracy = float(evaluation.confidence.mean()), float(evaluation.is_right.mean())
    word = "overconfident" if confidence > accuracy else "underconfident"
    caption = (
        f"The mean confidence is {percent(confidence)} at an accuracy of {percent(accuracy)}: {word} by "
        f"{points(abs(confidence - accuracy)).lstrip('+')} points; the calibration error (ECE) is "
        f"{percent(evaluation.metrics['scores']['ece']['mean'])}. A point is about "
        f"{count(bins[0].n)} recordings of similar confidence; the lines are 95 % intervals over actors."
    )
    drawing = lines(
        [Series("", "first", [item.accuracy for item in bins], [item.confidence for item in bins],
                intervals=[item.interval for item in bins])],
        x=(0, 1), y=(0, 1), x_format=share_text, y_format=share_text, x_label="confidence", y_label="accuracy",
        diagonal="confidence equal to accuracy", has_points=True,
    )  # fmt: skip
    return Figure("reliability", "Reliability", caption, drawing)


def coverage_points(evaluation: Evaluation) -> tuple[list[list[dict[str, Any]]], list[float], list[float]]:
    """Return the curves of the seeds, and over the seeds the mean coverage and accuracy of their points.

    Parameters
    ----------
    evaluation : Evaluation
        The evaluation.

    Returns
    -------
    tuple of (list, list of float, list of float)
        Points of each seed, mean coverage and mean accuracy.
    """
    curves = [[point for point in seed["coverage"] if point["n"]] for seed in evaluation.metrics["seeds"]]
    aligned = list(zip(*curves, strict=False))
    coverage, accuracy = (
        [float(np.mean([point[key] for point in same])) for same in aligned] for key in ("coverage", "accuracy")
    )
    return curves, coverage, accuracy


def coverage_intervals(evaluation: Evaluation, coverage: list[float]) -> list[tuple[float, float] | None]:
    """Return the intervals over actors of the accuracy of the most confident rows of all seeds.

    Parameters
    ----------
    evaluation : Evaluation
        The evaluation.
    coverage : list of float
        Shares of the rows that are kept, in (0, 1].

    Returns
    -------
    list of (tuple of (float, float), or None)
        One interval per share; None for rows of a single actor.
    """
    order = np.argsort(-evaluation.confidence, kind="stable")
    speakers = np.array(evaluation.speakers, np.str_)
    kept = (order[: max(round(share * len(order)), 1)] for share in coverage)
    return [share_interval(evaluation.is_right[rows], speakers[rows]) for rows in kept]


def coverage_figure(evaluation: Evaluation) -> Figure:
    """Draw the accuracy of the most confident rows against their share.

    Parameters
    ----------
    evaluation : Evaluation
        The evaluation.

    Returns
    -------
    Figure
        A line, with one faint line per seed.
    """
    curves, coverage, accuracy = coverage_points(evaluation)
    spans = coverage_intervals(evaluation, coverage)
    half = next(place for place, value in enumerate(coverage) if value >= _HALF - 1e-9)
    verb = "raises" if accuracy[half] > accuracy[-1] else "does not raise"
    caption = (
        f"Keeping the most confident {percent(coverage[half])} of the recordings {verb} the accuracy from "
        f"{percent(accuracy[-1])} to {percent(accuracy[half])}; the lines are 95 % intervals over actors."
    )
    series = []
    if len(curves) > 1:
        series = [
            Series("", "first", [p["accuracy"] for p in curve], [p["coverage"] for p in curve], is_faint=True)
            for curve in curves
        ]
    series.append(Series("", "first", accuracy, coverage, intervals=spans))
    drawing = lines(
        series, x=(0, 1), y=(0, 1), x_format=share_text, y_format=share_text,
        x_label="share of recordings kept, most confident first", y_label="accuracy", has_points=True,
    )  # fmt: skip
    return Figure("coverage", "Accuracy against coverage", caption, drawing)


def separation_figure(evaluation: Evaluation) -> Figure:
    """Draw the confidence of right and of wrong predictions.

    Parameters
    ----------
    evaluation : Evaluation
        The evaluation.

    Returns
    -------
    Figure
        Two histograms.
    """
    right, wrong = evaluation.confidence[evaluation.is_right], evaluation.confidence[~evaluation.is_right]
    edges = np.linspace(0, 1, _N_BINS + 1)
    series = []
    for label, colour, values in (("right", "first", right), ("wrong", "second", wrong)):
        shares = np.histogram(values, edges)[0] / max(len(values), 1)
        series.append(Series(label, colour, shares.tolist()))
    auroc = evaluation.metrics["scores"]["confidence_auroc"]["mean"]
    caption = "All predictions are right, or all are wrong: there is nothing to separate."
    if auroc is not None:
        caption = (
            f"A right prediction is more confident than a wrong one in {percent(auroc)} of pairs "
            f"(AUROC {decimal(auroc)}); the median confidence is {np.median(right):.3f} for right and "
            f"{np.median(wrong):.3f} for wrong predictions."
        )
    drawing = histogram(
        edges.tolist(), series, x_ticks=[(tick, f"{tick:g}") for tick in ticks(0, 1)], y_format=share_text,
        x_label="confidence", y_label="share of the right or wrong predictions", is_stacked=False,
    )  # fmt: skip
    return Figure("separation", "Confidence of right and wrong predictions", caption, drawing)
