"""An evaluation -> figures of its dependence on speakers: actors, sexes, speaker adaptation, and the leak gap."""

from __future__ import annotations

import dataclasses
from typing import Final

import numpy as np

from emosense.evaluation.adapted import emotions_text, mean_adaptation
from emosense.evaluation.metrics import accuracy, confusion_matrix, uar
from emosense.reports.axes import ticks
from emosense.reports.axis_charts import histogram
from emosense.reports.bar_charts import Bar, bars
from emosense.reports.drawing import Series
from emosense.reports.evaluation_data import Evaluation
from emosense.reports.figure import Figure
from emosense.reports.number_text import percent, points, share_text
from emosense.reports.score_intervals import uar_interval

_MAX_ACTORS: Final = 40
_EDGES: Final = np.linspace(0, 1, 21)
_GROUPING_NAMES: Final = {
    "none": "not adapted",
    "one": "one recording",
    "ten": "at most 10, mixed",
    "all": "all recordings",
    "same": "one emotion",
}


def adaptation_figure(evaluation: Evaluation) -> Figure:
    """Draw the UAR after adapting to groups of each speaker's recordings (`label --speakers`).

    Parameters
    ----------
    evaluation : Evaluation
        The evaluation.

    Returns
    -------
    Figure
        One bar per grouping of recordings.
    """
    scores = mean_adaptation(evaluation.metrics["seeds"])
    reached = {name: score["uar"]["mean"] for name, score in scores.items()}
    none, every, same = (reached[name] for name in ("none", "all", "same"))
    caption = (
        f"Adapted to all recordings of each speaker (--speakers), the UAR is {percent(every)} "
        f"({points(every - none)} points); adapted to recordings of a single emotion, it is {percent(same)} "
        f"({points(same - none)} points){emotions_text(evaluation.metrics['seeds'][0])}."
    )
    rows = [
        Bar(name, "none" if key == "none" else "first", reached[key], percent(reached[key]))
        for key, name in _GROUPING_NAMES.items()
    ]
    return Figure("adaptation", "UAR after speaker adaptation", caption, bars(rows, maximum=1, mark=(none, "as is")))


@dataclasses.dataclass(frozen=True, slots=True)
class GroupScore:
    """Scores of the rows of an actor or a sex, over all seeds.

    Attributes
    ----------
    name : str
        The group.
    n : int
        Number of rows.
    uar, accuracy, confidence : float
        UAR, accuracy and mean confidence in [0, 1].
    interval : tuple of (float, float), or None
        95 % interval of the UAR over the actors of the group, or over the recordings of a single actor.
    """

    name: str
    n: int
    uar: float
    accuracy: float
    confidence: float
    interval: tuple[float, float] | None


def group_scores(evaluation: Evaluation, groups: tuple[str, ...]) -> list[GroupScore]:
    """Return the scores of each group, in order of name.

    Parameters
    ----------
    evaluation : Evaluation
        The evaluation.
    groups : tuple of str, length n
        Group of each row.

    Returns
    -------
    list of GroupScore
        One per group.
    """
    of_row, paths, speakers = (np.array(each, np.str_) for each in (groups, evaluation.paths, evaluation.speakers))
    scores = []
    for group in np.unique(of_row):
        rows = of_row == group
        labels, predicted = evaluation.labels[rows], evaluation.predicted[rows]
        counts = confusion_matrix(labels, predicted, len(evaluation.classes))
        units = speakers[rows] if len(np.unique(speakers[rows])) > 1 else paths[rows]
        interval = uar_interval(labels, predicted, units.tolist())
        confidence = float(evaluation.confidence[rows].mean())
        scores.append(
            GroupScore(str(group), len(labels), float(uar(counts)), float(accuracy(counts)), confidence, interval)
        )
    return scores


def actor_figure(evaluation: Evaluation) -> Figure:
    """Draw the UAR of each actor, the lowest first; of many actors, how many reach which UAR.

    Parameters
    ----------
    evaluation : Evaluation
        The evaluation.

    Returns
    -------
    Figure
        One bar per actor, or a histogram.
    """
    ordered = sorted(group_scores(evaluation, evaluation.speakers), key=lambda score: score.uar)
    worst, best = ordered[0], ordered[-1]
    caption = (
        f"The UAR ranges from {percent(worst.uar)} (actor {worst.name}) to {percent(best.uar)} (actor {best.name})"
    )
    if len(ordered) > _MAX_ACTORS:
        values = np.array([score.uar for score in ordered])
        counts = np.histogram(values, _EDGES)[0].tolist()
        drawing = histogram(
            _EDGES.tolist(), [Series("", "first", counts)], x_ticks=[(tick, share_text(tick)) for tick in ticks(0, 1)],
            y_format=lambda value: f"{value:,g}", x_label="UAR", y_label="actors",
        )  # fmt: skip
        caption += f"; half of the actors have {percent(float(np.median(values)))} or more."
        return Figure("actors", "UAR by actor", caption, drawing)
    if worst.interval is not None:
        caption += "; the lines are 95 % intervals over the recordings of the actor"
    rows = [Bar(score.name, "first", score.uar, percent(score.uar), score.interval) for score in ordered]
    mean = evaluation.metrics["scores"]["uar"]["mean"]
    drawing = bars(rows, maximum=1, mark=(mean, f"all: {percent(mean)}"), row_height=17)
    return Figure("actors", "UAR by actor", f"{caption}.", drawing)


def sex_figure(evaluation: Evaluation) -> Figure:
    """Draw the UAR by the actors' sex.

    Parameters
    ----------
    evaluation : Evaluation
        The evaluation.

    Returns
    -------
    Figure
        One bar per sex.
    """
    scores = group_scores(evaluation, evaluation.sexes)
    ordered = sorted(scores, key=lambda score: -score.uar)
    best, worst = ordered[0], ordered[-1]
    caption = f"The UAR of {best.name} actors is {percent(best.uar)}"
    if len(ordered) > 1:
        gap = points(best.uar - worst.uar).lstrip("+")
        caption += f", {gap} points above that of {worst.name} actors ({percent(worst.uar)})"
    if any(score.interval for score in scores):
        caption += "; the lines are 95 % intervals over actors"
    rows = [Bar(score.name, "first", score.uar, percent(score.uar), score.interval) for score in scores]
    return Figure("sex", "UAR by sex", f"{caption}.", bars(rows, maximum=1))


def leak_figure(evaluation: Evaluation) -> Figure:
    """Draw the UAR of a random split, compared with folds by speaker.

    Parameters
    ----------
    evaluation : Evaluation
        An evaluation of a random split with its ``leak_gap``.

    Returns
    -------
    Figure
        Two bars.
    """
    gap = evaluation.metrics["leak_gap"]
    random, fair = evaluation.metrics["scores"]["uar"]["mean"], gap["speaker_independent"]["uar"]["mean"]
    rows = [
        Bar("random split", "second", random, percent(random)),
        Bar("by speaker", "first", fair, percent(fair)),
    ]
    caption = (
        f"The random split gives {percent(random)} UAR, folds by speaker {percent(fair)}: a leak gap of "
        f"{points(gap['gap']['uar'])} points."
    )
    return Figure("leak-gap", "Leak gap of the random split", caption, bars(rows, maximum=1))
