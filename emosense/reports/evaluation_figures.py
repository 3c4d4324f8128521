"""An evaluation -> figures of its scores: UAR, confusion, recall, arousal and robustness."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emosense.emotions import HIGH_AROUSAL
from emosense.evaluation.metrics import recall_per_class
from emosense.progress import plural
from emosense.reports.axis_charts import intervals
from emosense.reports.bar_charts import Bar, bars
from emosense.reports.evaluation_data import Evaluation
from emosense.reports.figure import Figure
from emosense.reports.matrix_chart import matrix
from emosense.reports.number_text import count, percent, points
from emosense.reports.score_intervals import recall_intervals

# The classes that the published reference models confuse.
_CONFUSED: Final = ("disgust", "fearful", "happy")


def uar_figure(evaluation: Evaluation) -> Figure:
    """Draw the UAR of each seed with its interval over actors.

    Parameters
    ----------
    evaluation : Evaluation
        The evaluation.

    Returns
    -------
    Figure
        One interval per seed.
    """
    seeds = evaluation.metrics["seeds"]
    chance = 1 / len(evaluation.classes)
    first = seeds[0]["uar"]
    rows = [
        (f"seed {place}" if len(seeds) > 1 else evaluation.name, "first", seed["uar"]["value"], _pair(seed["uar"]))
        for place, seed in enumerate(seeds)
    ]
    span = "A single actor gives no interval over actors"
    if first["interval"] is not None:
        low, high = first["interval"]
        span = (
            f"Over the {seeds[0]['n_speakers']} actors the {100 * seeds[0]['level']:.0f} % interval of the UAR is "
            f"{percent(low)} to {percent(high)}{' with seed 0' if len(seeds) > 1 else ''}"
        )
    return Figure("uar", "UAR with interval", f"{span}; chance is {percent(chance)}.", intervals(rows))


def _pair(score: dict[str, Any]) -> tuple[float, float] | None:
    return None if score["interval"] is None else (score["interval"][0], score["interval"][1])


def robustness_figure(evaluation: Evaluation) -> Figure:
    """Draw the UAR on disturbed recordings, compared with the undisturbed ones.

    Parameters
    ----------
    evaluation : Evaluation
        An evaluation with ``robustness``.

    Returns
    -------
    Figure
        One bar per disturbance.
    """
    records = [record for record in evaluation.metrics["robustness"] if record["uar"]["mean"] is not None]
    clean = evaluation.metrics["scores"]["uar"]["mean"]
    changes = [record["change"]["mean"] for record in records]
    worst = int(np.argmin(changes))
    n_small = sum(abs(change) < 0.01 for change in changes)
    caption = (
        f"{count(n_small)} of {plural(len(records), 'disturbance')} change the UAR by less than a point; "
        f"the worst, {records[worst]['name']}, changes it by {points(changes[worst])} points."
    )
    rows = [Bar(r["name"], "first", r["uar"]["mean"], points(r["change"]["mean"])) for r in records]
    return Figure("robustness", "UAR on disturbed recordings", caption, bars(rows, maximum=1, mark=(clean, "clean")))


def confusion_figure(evaluation: Evaluation) -> Figure:
    """Draw the confusion matrix with counts and row percentages.

    Parameters
    ----------
    evaluation : Evaluation
        The evaluation.

    Returns
    -------
    Figure
        The matrix.
    """
    counts = evaluation.confusion
    errors = counts - np.diag(np.diagonal(counts))
    n_errors = int(errors.sum())
    caption = "There are no errors."
    if n_errors:
        actual, predicted = np.unravel_index(int(errors.argmax()), errors.shape)
        n_most = int(errors[actual, predicted])
        names = evaluation.classes[actual], evaluation.classes[predicted]
        caption = (
            f"The most frequent of {plural(n_errors, 'error')} is {names[0]} predicted as {names[1]} "
            f"({count(n_most)}, {percent(n_most / counts[actual].sum())} of {names[0]})"
            f"{_confused(evaluation.classes, errors)}."
        )
    return Figure("confusion", "Confusion matrix", caption, matrix(evaluation.classes, counts.tolist()))


def _confused(classes: tuple[str, ...], errors: NDArray[np.int64]) -> str:
    """State the share of errors among the classes that models often confuse, and the share by chance."""
    places = [classes.index(name) for name in _CONFUSED if name in classes]
    if len(places) < len(_CONFUSED):
        return ""
    among = errors[np.ix_(places, places)].sum() / errors.sum()
    by_chance = errors[places].sum() * (len(places) - 1) / (len(classes) - 1) / errors.sum()
    return (
        f"; {percent(among)} of the errors are among disgust, fearful and happy "
        f"({percent(by_chance)} if errors were spread evenly)"
    )


def recall_figure(evaluation: Evaluation) -> Figure:
    """Draw the recall of each emotion.

    Parameters
    ----------
    evaluation : Evaluation
        The evaluation.

    Returns
    -------
    Figure
        One bar per emotion.
    """
    recall = recall_per_class(evaluation.confusion)
    known = [(float(value), name) for value, name in zip(recall, evaluation.classes, strict=True) if np.isfinite(value)]
    ordered = sorted(known, key=lambda item: -item[0])
    (best, best_name), (worst, worst_name) = ordered[0], ordered[-1]
    caption = f"{best_name.capitalize()} is recognised best ({percent(best)}), {worst_name} worst ({percent(worst)})"
    for rank, (value, name) in enumerate(ordered, start=1):
        if name == "calm" and name not in (best_name, worst_name):
            caption += f"; calm ranks {rank} of {len(ordered)} ({percent(value)})"
    intervals = recall_intervals(evaluation.labels, evaluation.predicted, evaluation.speakers, len(recall))
    by_name = dict(zip(evaluation.classes, intervals, strict=True))
    if any(intervals):
        caption += "; the lines are 95 % intervals over actors"
    rows = [Bar(name, name, value, percent(value), by_name[name]) for value, name in known]
    drawing = bars(rows, maximum=1, mark=(1 / len(evaluation.classes), "chance"))
    return Figure("recall", "Recall by emotion", f"{caption}.", drawing)


def arousal_figure(evaluation: Evaluation) -> Figure:
    """Draw the errors within an arousal level, and those across.

    Parameters
    ----------
    evaluation : Evaluation
        The evaluation.

    Returns
    -------
    Figure
        Three bars.
    """
    within, across = (sum(seed["arousal"][key] for seed in evaluation.metrics["seeds"])
                      for key in ("n_errors_within", "n_errors_across"))  # fmt: skip
    total, n_errors = len(evaluation.labels), within + across
    rows = [
        Bar(name, colour, value, f"{count(value)} ({percent(value / total)})")
        for name, colour, value in (
            ("right", "first", total - n_errors),
            ("wrong, same arousal", "none", within),
            ("wrong, other arousal", "second", across),
        )
    ]
    caption = "There are no errors."
    if n_errors:
        caption = (
            f"{percent(within / n_errors)} of the errors stay within high or within low arousal "
            f"({percent(_within_by_chance(evaluation))} if errors were spread evenly)."
        )
    return Figure("arousal", "Errors within and across arousal levels", caption, bars(rows, maximum=total))


def _within_by_chance(evaluation: Evaluation) -> float:
    """Return the share of errors within an arousal level if each other class were equally likely."""
    is_high = np.array([name in HIGH_AROUSAL for name in evaluation.classes])
    n_alike = np.where(is_high, is_high.sum(), (~is_high).sum()) - 1
    n_errors = evaluation.confusion.sum(axis=1) - np.diagonal(evaluation.confusion)
    return float((n_errors * n_alike / (len(is_high) - 1)).sum() / n_errors.sum())
