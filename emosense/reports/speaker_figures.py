"""An evaluation -> figures of its dependence on speakers: actors, sexes, speaker adaptation, and the leak gap."""

from __future__ import annotations

from typing import Final

import numpy as np

from emosense.evaluation.adapted import emotions_text, mean_adaptation
from emosense.evaluation.metrics import accuracy, confusion_matrix, uar
from emosense.reports.bar_charts import Bar, bars
from emosense.reports.evaluation_data import Evaluation
from emosense.reports.figure import Figure
from emosense.reports.number_text import percent, points

_MAX_ACTORS: Final = 40
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


def group_scores(evaluation: Evaluation, groups: tuple[str, ...]) -> list[tuple[str, int, float, float, float]]:
    """Return name, rows, UAR, accuracy and mean confidence of each group, over all seeds, in order of name.

    Parameters
    ----------
    evaluation : Evaluation
        The evaluation.
    groups : tuple of str, length n
        Group of each row.

    Returns
    -------
    list of tuple
        One tuple per group.
    """
    of_row = np.array(groups, np.str_)
    scores = []
    for group in np.unique(of_row):
        rows = of_row == group
        counts = confusion_matrix(evaluation.labels[rows], evaluation.predicted[rows], len(evaluation.classes))
        mean_confidence = float(evaluation.confidence[rows].mean())
        scores.append((str(group), int(rows.sum()), float(uar(counts)), float(accuracy(counts)), mean_confidence))
    return scores


def actor_figure(evaluation: Evaluation) -> Figure:
    """Draw the UAR of each actor, the lowest first.

    Parameters
    ----------
    evaluation : Evaluation
        The evaluation.

    Returns
    -------
    Figure
        One bar per actor.
    """
    ordered = sorted(group_scores(evaluation, evaluation.speakers), key=lambda item: item[2])
    (low, _, worst, *_), (high, _, best, *_) = ordered[0], ordered[-1]
    caption = f"The UAR ranges from {percent(worst)} (actor {low}) to {percent(best)} (actor {high})"
    if len(ordered) > _MAX_ACTORS:
        caption += f"; the {_MAX_ACTORS} lowest of {len(ordered)} actors are shown"
    rows = [Bar(name, "first", score, percent(score)) for name, _, score, *_ in ordered[:_MAX_ACTORS]]
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
    ordered = sorted(scores, key=lambda item: -item[2])
    caption = f"The UAR of {ordered[0][0]} actors is {percent(ordered[0][2])}"
    if len(ordered) > 1:
        gap = points(ordered[0][2] - ordered[-1][2]).lstrip("+")
        caption += f", {gap} points above that of {ordered[-1][0]} actors ({percent(ordered[-1][2])})"
    rows = [Bar(name, "first", score, percent(score)) for name, _, score, *_ in scores]
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
        f" {points(gap['gap']['uar'])} points."
    )
    return Figure("leak-gap", "Leak gap of the random split", caption, bars(rows, maximum=1))
