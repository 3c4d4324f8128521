"""An evaluation -> the tables of its report: the numbers behind the figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from emosense.evaluation.adapted import GROUPINGS, mean_adaptation
from emosense.evaluation.metrics import recall_per_class
from emosense.reports import page, speaker_figures
from emosense.reports.evaluation_data import Evaluation
from emosense.reports.markup import Markup
from emosense.reports.number_text import count, percent, points

_MAX_ROWS: Final = 200


def score_text(score: dict[str, Any]) -> str:
    """Write a mean over seeds with its standard deviation.

    Parameters
    ----------
    score : dict[str, Any]
        With ``mean`` and ``sd``, which may be None.

    Returns
    -------
    str
        Such as ``68.3 % ± 0.8``.
    """
    spread = "" if score["sd"] is None else f" ± {100 * score['sd']:.1f}"
    return f"{percent(score['mean'])}{spread}"


def leak_table(evaluation: Evaluation) -> Markup:
    """Tabulate the scores of a random split and of folds by speaker.

    Parameters
    ----------
    evaluation : Evaluation
        An evaluation of a random split with its ``leak_gap``.

    Returns
    -------
    Markup
        The table.
    """
    gap = evaluation.metrics["leak_gap"]
    rows = [
        (name, score_text(evaluation.metrics["scores"][key]), score_text(gap["speaker_independent"][key]),
         points(gap["gap"][key]))
        for key, name in (("uar", "UAR"), ("accuracy", "accuracy"), ("macro_f1", "macro F1"))
    ]  # fmt: skip
    return page.table("The leak gap", ("score", "random split", "by speaker", "gap in points"), rows)


def robustness_table(evaluation: Evaluation) -> Markup:
    """Tabulate the scores on disturbed copies of the recordings.

    Parameters
    ----------
    evaluation : Evaluation
        An evaluation with ``robustness``.

    Returns
    -------
    Markup
        The table.
    """
    rows = []
    for record in evaluation.metrics["robustness"]:
        interval = record["change"]["interval"]
        span = percent(None) if interval is None else f"{points(interval[0])} to {points(interval[1])}"
        change = percent(None) if record["change"]["mean"] is None else points(record["change"]["mean"])
        n_lost = record.get("n_lost", 0)
        lost = f"; {n_lost} of {record['n'] + n_lost} recordings cannot be labelled" if n_lost else ""
        rows.append((record["name"], score_text(record["uar"]), change, span, record["description"] + lost))
    header = ("disturbance", "UAR", "change in points", "95 % over actors", "description")
    return page.tables([page.table("Scores on disturbed recordings", header, rows, n_words=1)])


def adaptation_table(evaluation: Evaluation) -> Markup:
    """Tabulate the scores after adapting to groups of each speaker's recordings.

    Parameters
    ----------
    evaluation : Evaluation
        The evaluation.

    Returns
    -------
    Markup
        The table.
    """
    reached = mean_adaptation(evaluation.metrics["seeds"])
    rows = [(meaning, *map(score_text, reached[name].values())) for name, meaning in GROUPINGS.items()]
    header = ("adapted to", "UAR", "accuracy", "calibration error (ECE)")
    return page.tables([page.table("Scores after speaker adaptation", header, rows)])


def class_table(evaluation: Evaluation) -> Markup:
    """Tabulate rows, recall and precision by emotion.

    Parameters
    ----------
    evaluation : Evaluation
        The evaluation.

    Returns
    -------
    Markup
        The table.
    """
    counts = evaluation.confusion
    precision = recall_per_class(counts.T.copy())
    rows = []
    for place, (name, recall) in enumerate(zip(evaluation.classes, recall_per_class(counts), strict=True)):
        shares = [percent(float(value)) if value == value else percent(None) for value in (recall, precision[place])]
        rows.append((name, count(int(counts[place].sum())), *shares))
    header = ("emotion", "recordings, all seeds", "recall", "precision")
    return page.table("Recall and precision by emotion", header, rows)


def group_tables(evaluation: Evaluation) -> list[Markup]:
    """Tabulate actors, sexes and folds.

    Parameters
    ----------
    evaluation : Evaluation
        The evaluation.

    Returns
    -------
    list of Markup
        The tables in one row.
    """
    header = ("rows, all seeds", "UAR", "accuracy", "mean confidence")
    tables = []
    for noun, title, groups in (
        ("actor", "By actor", evaluation.speakers),
        ("sex", "By sex", evaluation.sexes),
    ):
        scores = speaker_figures.group_scores(evaluation, groups)
        rows = [
            (name, count(n), percent(uar), percent(accuracy), percent(confidence))
            for name, n, uar, accuracy, confidence in scores[:_MAX_ROWS]
        ]
        more = f", the first {_MAX_ROWS} of {len(scores)}" if len(scores) > _MAX_ROWS else ""
        tables.append(page.table(f"{title}{more}", (noun, *header), rows))
    tables.append(_fold_table(evaluation))
    return [page.tables(tables)]


def _fold_table(evaluation: Evaluation) -> Markup:
    """Tabulate the folds of each seed with their test speakers."""
    splits: Sequence[dict[str, Any]] = evaluation.metrics.get("splits", ())
    tested = {(split["seed"], split["fold"]): ", ".join(split["test_speakers"]) for split in splits}
    rows = []
    for place, seed in enumerate(evaluation.metrics["seeds"]):
        for score in (seed["folds"] or {"scores": []})["scores"]:
            speakers = tested.get((place, score["group"]), "")
            cells = (count(score["n"]), percent(score["uar"]), percent(score["accuracy"]), speakers)
            rows.append((f"{score['group']}, seed {place}", *cells))
    header = ("fold", "rows", "UAR", "accuracy", "test actors")
    return page.table("By fold", header, rows[:_MAX_ROWS], n_words=1)
