"""An evaluation -> the tables of its report: the numbers behind the figures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

from emosense.evaluation.adapted import GROUPINGS, mean_adaptation
from emosense.evaluation.metrics import recall_per_class
from emosense.reports import speaker_figures
from emosense.reports.evaluation_data import Evaluation
from emosense.reports.number_text import count, percent, points
from emosense.reports.score_intervals import interval_text, recall_intervals
from emosense.reports.table import Table

_MAX_ROWS: Final = 200
_MAX_SPEAKERS: Final = 6


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
    spread = "" if score["sd"] is None else f" ±\N{NO-BREAK SPACE}{100 * score['sd']:.1f}"
    return f"{percent(score['mean'])}{spread}"


def leak_table(evaluation: Evaluation) -> Table:
    """Tabulate the scores of a random split and of folds by speaker.

    Parameters
    ----------
    evaluation : Evaluation
        An evaluation of a random split with its ``leak_gap``.

    Returns
    -------
    Table
        The table.
    """
    gap = evaluation.metrics["leak_gap"]
    rows = [
        (name, score_text(evaluation.metrics["scores"][key]), score_text(gap["speaker_independent"][key]),
         points(gap["gap"][key]))
        for key, name in (("uar", "UAR"), ("accuracy", "accuracy"), ("macro_f1", "macro F1"))
    ]  # fmt: skip
    return Table("leak-gap-table", "The leak gap", ("score", "random split", "by speaker", "gap in points"), rows)


def robustness_table(evaluation: Evaluation) -> Table:
    """Tabulate the scores on disturbed copies of the recordings.

    Parameters
    ----------
    evaluation : Evaluation
        An evaluation with ``robustness``.

    Returns
    -------
    Table
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
    return Table("robustness-table", "Scores on disturbed recordings", header, rows, n_words=1)


def adaptation_table(evaluation: Evaluation) -> Table:
    """Tabulate the scores after adapting to groups of each speaker's recordings.

    Parameters
    ----------
    evaluation : Evaluation
        The evaluation.

    Returns
    -------
    Table
        The table.
    """
    reached = mean_adaptation(evaluation.metrics["seeds"])
    rows = [(meaning, *map(score_text, reached[name].values())) for name, meaning in GROUPINGS.items()]
    header = ("adapted to", "UAR", "accuracy", "calibration error (ECE)")
    return Table("adaptation-table", "Scores after speaker adaptation", header, rows)


def class_table(evaluation: Evaluation) -> Table:
    """Tabulate rows, recall with its interval over actors, precision and F1 by emotion.

    Parameters
    ----------
    evaluation : Evaluation
        The evaluation.

    Returns
    -------
    Table
        The table.
    """
    counts = evaluation.confusion
    spans = recall_intervals(evaluation.labels, evaluation.predicted, evaluation.speakers, len(counts))
    precision = recall_per_class(counts.T.copy())
    rows = []
    for place, (name, recall) in enumerate(zip(evaluation.classes, recall_per_class(counts), strict=True)):
        both = counts[place].sum() + counts[:, place].sum()
        f1 = 2 * counts[place, place] / both if both else float("nan")
        values = [percent(None if math.isnan(value) else float(value)) for value in (recall, precision[place], f1)]
        span = interval_text(spans[place])
        rows.append((name, count(int(counts[place].sum())), values[0], span, *values[1:]))
    header = ("emotion", "rows, all seeds", "recall", "95 % over actors", "precision", "F1")
    return Table("emotions-table", "Recall, precision and F1 by emotion", header, rows)


def group_tables(evaluation: Evaluation) -> list[Table]:
    """Tabulate actors, sexes and folds.

    Parameters
    ----------
    evaluation : Evaluation
        The evaluation.

    Returns
    -------
    list of Table
        The tables.
    """
    header = ("rows, all seeds", "UAR", "95 %", "accuracy", "mean confidence")
    tables = []
    for noun, title, groups in (
        ("actor", "By actor", evaluation.speakers),
        ("sex", "By sex", evaluation.sexes),
    ):
        scores = speaker_figures.group_scores(evaluation, groups)
        rows = [
            (each.name, count(each.n), percent(each.uar), interval_text(each.interval), percent(each.accuracy),
             percent(each.confidence))
            for each in scores[:_MAX_ROWS]
        ]  # fmt: skip
        more = f", the first {_MAX_ROWS} of {len(scores)}" if len(scores) > _MAX_ROWS else ""
        tables.append(Table(f"{noun}-table", f"{title}{more}", (noun, *header), rows))
    return [*tables, _fold_table(evaluation)]


def _fold_table(evaluation: Evaluation) -> Table:
    """Tabulate the folds of each seed with their test speakers."""
    splits: Sequence[dict[str, Any]] = evaluation.metrics.get("splits", ())
    tested = {(split["seed"], split["fold"]): split["test_speakers"] for split in splits}
    rows = []
    for place, seed in enumerate(evaluation.metrics["seeds"]):
        for score in (seed["folds"] or {"scores": []})["scores"]:
            speakers = tested.get((place, score["group"]), [])
            shown = ", ".join(speakers[:_MAX_SPEAKERS])
            if len(speakers) > _MAX_SPEAKERS:
                shown += f" and {count(len(speakers) - _MAX_SPEAKERS)} more"
            rows.append(
                (f"{score['group']}, seed {place}", count(score["n"]), percent(score["uar"]),
                 percent(score["accuracy"]), shown)
            )  # fmt: skip
    header = ("fold", "rows", "UAR", "accuracy", "test actors")
    return Table("fold-table", "By fold", header, rows[:_MAX_ROWS], n_words=1)
