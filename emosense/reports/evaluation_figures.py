"""An evaluation -> its pictures of right and wrong: confusion, recall, arousal, actors, what a random split leaks."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emosense.emotions import HIGH_AROUSAL
from emosense.evaluation.adapted import mean_adaptation
from emosense.evaluation.metrics import accuracy, confusion_matrix, recall_per_class, uar
from emosense.progress import plural
from emosense.reports.axis_charts import intervals
from emosense.reports.bar_charts import Bar, bars
from emosense.reports.evaluation_data import Evaluation
from emosense.reports.figure import Figure
from emosense.reports.markup import count, percent, points
from emosense.reports.matrix_chart import matrix

# The classes that the published models confuse (design.md, section 1).
_CONFUSED: Final = ("disgust", "fearful", "happy")
_MAX_ACTORS: Final = 40
_GROUPING_NAMES: Final = {
    "none": "not adapted",
    "one": "one recording",
    "ten": "at most 10, mixed",
    "all": "all recordings",
    "same": "one emotion",
}


def uar_figure(evaluation: Evaluation) -> Figure:
    """Draw the UAR of each seed with its interval over actors."""
    seeds = evaluation.metrics["seeds"]
    chance = 1 / len(evaluation.classes)
    first = seeds[0]["uar"]
    rows = [
        (f"seed {place}" if len(seeds) > 1 else evaluation.name, "first", seed["uar"]["value"], _pair(seed["uar"]))
        for place, seed in enumerate(seeds)
    ]
    span = "One actor alone gives no interval over actors"
    if first["interval"] is not None:
        low, high = first["interval"]
        span = (
            f"Over the {seeds[0]['n_speakers']} actors the {100 * seeds[0]['level']:.0f} % interval of the UAR is "
            f"{percent(low)} to {percent(high)}{' with seed 0' if len(seeds) > 1 else ''}"
        )
    return Figure("uar", "UAR with its interval", f"{span}; guessing gives {percent(chance)}.", intervals(rows))


def _pair(score: dict[str, Any]) -> tuple[float, float] | None:
    return None if score["interval"] is None else (score["interval"][0], score["interval"][1])


def robustness_figure(evaluation: Evaluation) -> Figure:
    """Draw the UAR on disturbed recordings beside that of the recordings as they are."""
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


def adaptation_figure(evaluation: Evaluation) -> Figure:
    """Draw the UAR after adapting to groups of each speaker's recordings (`label --speakers`)."""
    scores = mean_adaptation(evaluation.metrics["seeds"])
    reached = {name: score["uar"]["mean"] for name, score in scores.items()}
    none, every, same = (reached[name] for name in ("none", "all", "same"))
    caption = (
        f"Adapted to all recordings of each speaker (--speakers) the UAR is {percent(every)}, {points(every - none)} "
        f"points; where the recordings that are adapted together hold one emotion alone, it is {percent(same)} "
        f"({points(same - none)} points)."
    )
    rows = [
        Bar(name, "none" if key == "none" else "first", reached[key], percent(reached[key]))
        for key, name in _GROUPING_NAMES.items()
    ]
    return Figure("adaptation", "UAR after adapting to speakers", caption, bars(rows, maximum=1, mark=(none, "as is")))


def confusion_figure(evaluation: Evaluation) -> Figure:
    """Draw counts and row shares of truth against prediction."""
    counts = evaluation.confusion
    errors = counts - np.diag(np.diagonal(counts))
    n_errors = int(errors.sum())
    caption = "There is no error."
    if n_errors:
        truth, taken = np.unravel_index(int(errors.argmax()), errors.shape)
        names = evaluation.classes[truth], evaluation.classes[taken]
        caption = (
            f"The most frequent of {plural(n_errors, 'error')} is {names[0]} taken for {names[1]} "
            f"({count(int(errors[truth, taken]))}, {percent(errors[truth, taken] / counts[truth].sum())} of {names[0]})"
            f"{_confused(evaluation.classes, errors)}."
        )
    return Figure("confusion", "Confusion matrix", caption, matrix(evaluation.classes, counts.tolist()))


def _confused(classes: tuple[str, ...], errors: NDArray[np.int64]) -> str:
    """Say how many errors lie among the classes that are known for it, and how many would by chance."""
    places = [classes.index(name) for name in _CONFUSED if name in classes]
    if len(places) < len(_CONFUSED):
        return ""
    among = errors[np.ix_(places, places)].sum() / errors.sum()
    by_chance = errors[places].sum() * (len(places) - 1) / (len(classes) - 1) / errors.sum()
    return (
        f"; {percent(among)} of the errors are among disgust, fearful and happy, where errors spread evenly "
        f"would give {percent(by_chance)}"
    )


def recall_figure(evaluation: Evaluation) -> Figure:
    """Draw the recall of each emotion."""
    recall = recall_per_class(evaluation.confusion)
    known = [(float(value), name) for value, name in zip(recall, evaluation.classes, strict=True) if np.isfinite(value)]
    ordered = sorted(known, key=lambda item: -item[0])
    (best, best_name), (worst, worst_name) = ordered[0], ordered[-1]
    caption = f"{best_name.capitalize()} is recognised best ({percent(best)}), {worst_name} worst ({percent(worst)})"
    for rank, (value, name) in enumerate(ordered, start=1):
        if name == "calm" and name not in (best_name, worst_name):
            caption += f"; calm is number {rank} of {len(ordered)} ({percent(value)})"
    rows = [Bar(name, name, value, percent(value)) for value, name in known]
    drawing = bars(rows, maximum=1, mark=(1 / len(evaluation.classes), "guessing"))
    return Figure("recall", "Recall by emotion", f"{caption}.", drawing)


def arousal_figure(evaluation: Evaluation) -> Figure:
    """Draw the errors that stay within high or low arousal, and those that cross."""
    within, across = (sum(seed["arousal"][key] for seed in evaluation.metrics["seeds"])
                      for key in ("n_errors_within", "n_errors_across"))  # fmt: skip
    total, n_errors = len(evaluation.labels), within + across
    rows = [
        Bar(name, colour, value, f"{count(value)} ({percent(value / total)})")
        for name, colour, value in (
            ("right", "first", total - n_errors),
            ("wrong, within", "none", within),
            ("wrong, across", "second", across),
        )
    ]
    caption = "There is no error."
    if n_errors:
        caption = (
            f"{percent(within / n_errors)} of the errors stay within high or within low arousal, where errors spread "
            f"evenly would give {percent(_within_by_chance(evaluation))}."
        )
    return Figure("arousal", "Errors within and across arousal", caption, bars(rows, maximum=total))


def _within_by_chance(evaluation: Evaluation) -> float:
    """Return the share of the errors that would stay within an arousal level if each went to any other class alike."""
    is_high = np.array([name in HIGH_AROUSAL for name in evaluation.classes])
    n_alike = np.where(is_high, is_high.sum(), (~is_high).sum()) - 1
    n_errors = evaluation.confusion.sum(axis=1) - np.diagonal(evaluation.confusion)
    return float((n_errors * n_alike / (len(is_high) - 1)).sum() / n_errors.sum())


def group_scores(evaluation: Evaluation, groups: tuple[str, ...]) -> list[tuple[str, int, float, float, float]]:
    """Return name, rows, UAR, accuracy and mean confidence of each group, over all seeds, in order of name."""
    of_row = np.array(groups, np.str_)
    scores = []
    for group in np.unique(of_row):
        rows = of_row == group
        counts = confusion_matrix(evaluation.labels[rows], evaluation.predicted[rows], len(evaluation.classes))
        mean_confidence = float(evaluation.confidence[rows].mean())
        scores.append((str(group), int(rows.sum()), float(uar(counts)), float(accuracy(counts)), mean_confidence))
    return scores


def actor_figure(evaluation: Evaluation) -> Figure:
    """Draw the UAR of each actor, the lowest first."""
    ordered = sorted(group_scores(evaluation, evaluation.speakers), key=lambda item: item[2])
    (low, _, worst, *_), (high, _, best, *_) = ordered[0], ordered[-1]
    caption = f"The UAR goes from {percent(worst)} (actor {low}) to {percent(best)} (actor {high})"
    if len(ordered) > _MAX_ACTORS:
        caption += f"; the {_MAX_ACTORS} lowest of {len(ordered)} actors are shown"
    rows = [Bar(name, "first", score, percent(score)) for name, _, score, *_ in ordered[:_MAX_ACTORS]]
    mean = evaluation.metrics["scores"]["uar"]["mean"]
    drawing = bars(rows, maximum=1, mark=(mean, f"all: {percent(mean)}"), row_height=17)
    return Figure("actors", "UAR by actor", f"{caption}.", drawing)


def sex_figure(evaluation: Evaluation) -> Figure:
    """Draw the UAR by the actors' sex."""
    scores = group_scores(evaluation, evaluation.sexes)
    ordered = sorted(scores, key=lambda item: -item[2])
    caption = f"The UAR of {ordered[0][0]} actors is {percent(ordered[0][2])}"
    if len(ordered) > 1:
        gap = points(ordered[0][2] - ordered[-1][2]).lstrip("+")
        caption += f", {gap} points above that of {ordered[-1][0]} actors ({percent(ordered[-1][2])})"
    rows = [Bar(name, "first", score, percent(score)) for name, _, score, *_ in scores]
    return Figure("sex", "UAR by sex", f"{caption}.", bars(rows, maximum=1))


def leak_figure(evaluation: Evaluation) -> Figure:
    """Draw the score of a random split beside that of folds by speaker."""
    gap = evaluation.metrics["leak_gap"]
    random, fair = evaluation.metrics["scores"]["uar"]["mean"], gap["speaker_independent"]["uar"]["mean"]
    rows = [
        Bar("random split", "second", random, percent(random)),
        Bar("by speaker", "first", fair, percent(fair)),
    ]
    caption = (
        f"The random split claims {percent(random)} UAR; on speakers who are not in training it is {percent(fair)}: "
        f"a leak gap of {points(gap['gap']['uar'])} points."
    )
    return Figure("leak-gap", "What the random split leaks", caption, bars(rows, maximum=1))
