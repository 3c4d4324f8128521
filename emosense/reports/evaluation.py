"""The folder of an evaluation -> a page: scores, errors, confidence, and results by speaker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from emosense.errors import UsageError
from emosense.progress import plural
from emosense.reports import (
    confidence_figures,
    evaluation_figures,
    evaluation_tables,
    learning_curves,
    page,
    speaker_figures,
)
from emosense.reports.evaluation_data import Evaluation, read_evaluation
from emosense.reports.figure import Figure
from emosense.reports.markup import Markup, element, text
from emosense.reports.number_text import count, decimal, percent, points
from emosense.reports.overlap import feature_overlap
from emosense.reports.table import Table
from emosense.storage.locations import redact

_SETTINGS: Final = (
    "kind", "preset", "model", "sha256", "protocol", "calibrated", "n_seeds", "data", "emosense", "finished", "command",
)  # fmt: skip
_Draw = Callable[[Evaluation], Figure | Table]
# A table of more rows is folded.
_LONG: Final = 40


def evaluation_report(
    folder: str, output: str, feature_table: str | None = None, *, command: str = ""
) -> tuple[Figure | Table, ...]:
    """Write a report of an evaluation as one HTML file.

    Parameters
    ----------
    folder : str
        Location that `emosense-batch evaluate` wrote.
    output : str
        Location of the page, ending in .html.
    feature_table : str, optional
        Location of a feature table; adds the figure of `feature_overlap`.
    command : str, optional
        The command that makes the page, to be stated in it.

    Returns
    -------
    tuple of Figure or Table
        For `emosense.reports.save_figures`.

    Raises
    ------
    UsageError
        If the folder has no evaluation, or the table no features.
    OutputError
        If the page cannot be written.
    """
    page.check_output(output)
    evaluation = read_evaluation(folder)
    if not len(evaluation.labels):
        raise UsageError(f"the evaluation in {redact(folder)} has no predictions")
    parts = _parts(evaluation, feature_table)
    blocks = [*warnings(evaluation), _key_values(evaluation)]
    blocks += [_section(heading, items) for heading, items in parts if items]
    blocks.append(page.section("Settings", page.figures([_settings(evaluation)])))
    subtitle = evaluation.metrics.get("protocol_description") or f"Protocol: {evaluation.metrics['protocol']}"
    page.write_page(output, f"Evaluation of {evaluation.name}", subtitle, blocks, command=command)
    return tuple(item for _, items in parts for item in items)


def _section(heading: str, items: Sequence[Figure | Table]) -> Markup:
    """Return a section; a long table is folded, so that the page stays short."""
    long = [item for item in items if isinstance(item, Table) and len(item.rows) > _LONG]
    folded = [
        element("details", element("summary", text(f"{item.caption}: {count(len(item.rows))} rows")), item.html())
        for item in long
    ]
    return page.section(heading, page.figures(item for item in items if item not in long), *folded)


def _parts(evaluation: Evaluation, feature_table: str | None) -> list[tuple[str, Sequence[Figure | Table]]]:
    """Return heading, figures and tables of each section."""
    has_leak = "leak_gap" in evaluation.metrics
    is_disturbed = any(record["uar"]["mean"] is not None for record in evaluation.metrics.get("robustness", ()))
    # Evaluations of earlier versions lack it.
    is_adapted = all("adaptation" in seed for seed in evaluation.metrics["seeds"])
    leak: list[_Draw] = [speaker_figures.leak_figure, evaluation_tables.leak_table]
    right: list[_Draw] = [
        evaluation_figures.confusion_figure,
        evaluation_figures.recall_figure,
        evaluation_figures.arousal_figure,
        evaluation_figures.uar_figure,
        evaluation_tables.class_table,
    ]
    trust: list[_Draw] = [
        confidence_figures.separation_figure,
        confidence_figures.coverage_figure,
        confidence_figures.reliability_figure,
    ]
    robustness: list[_Draw] = [evaluation_figures.robustness_figure, evaluation_tables.robustness_table]
    adaptation: list[_Draw] = [speaker_figures.adaptation_figure, evaluation_tables.adaptation_table]

    def drawn(draw: Sequence[_Draw]) -> list[Figure | Table]:
        return [each(evaluation) for each in draw]

    groups = drawn([speaker_figures.actor_figure, speaker_figures.sex_figure])
    return [
        ("Leak of the random split", drawn(leak) if has_leak else []),
        ("Results by emotion", drawn(right)),
        ("Confidence", drawn(trust)),
        ("Robustness", drawn(robustness) if is_disturbed else []),
        ("Speaker adaptation", drawn(adaptation) if is_adapted else []),
        ("Learning curves", learning_curves.curve_figures(evaluation)),
        ("Results by speaker", [*groups, *evaluation_tables.group_tables(evaluation)]),
        ("Features", [feature_overlap(feature_table, evaluation.classes)] if feature_table else []),
    ]


def warnings(evaluation: Evaluation) -> list[Markup]:
    """State what makes the scores better than they would be on new speakers, or not comparable.

    Parameters
    ----------
    evaluation : Evaluation
        The evaluation.

    Returns
    -------
    list of Markup
        One note per reason.
    """
    found = []
    metrics = evaluation.metrics
    if metrics.get("speaker_independent") is False:
        gap = ""
        if "leak_gap" in metrics:
            fair = metrics["leak_gap"]["speaker_independent"]["uar"]["mean"]
            gap = (
                f" Folds by speaker give {percent(fair)} UAR: the leak gap is "
                f"{points(metrics['leak_gap']['gap']['uar'])} points."
            )
        found.append(
            page.warning(
                "This is a random split: the same speakers are in training and test, "
                f"so these scores do not transfer to new speakers.{gap}"
            )
        )
    selected = metrics.get("only_folds")
    if selected:
        found.append(
            page.warning(
                f"Only {', '.join(selected)} of the protocol {metrics['protocol']} was run: "
                "these scores cannot be compared with those of the whole protocol."
            )
        )
    seen = metrics.get("seen_speakers")
    if seen:
        found.append(
            page.warning(
                f"The model was trained on {plural(len(seen), 'speaker')} of these recordings "
                f"({', '.join(seen)}): this is not a held-out score."
            )
        )
    return found


def _key_values(evaluation: Evaluation) -> Markup:
    metrics, scores = evaluation.metrics, evaluation.metrics["scores"]
    seeds = metrics["seeds"]
    over = f"mean ± sd of {len(seeds)} seeds" if len(seeds) > 1 else "one seed"
    interval = seeds[0]["uar"]["interval"]
    span = "none" if interval is None else f"{100 * interval[0]:.1f} to {percent(interval[1])}"
    remark = f"{100 * seeds[0]['level']:.0f} % over actors{', seed 0' if len(seeds) > 1 else ''}"
    return page.key_values([
        ("UAR", evaluation_tables.score_text(scores["uar"]), over),
        ("UAR interval", span, remark),
        ("accuracy", evaluation_tables.score_text(scores["accuracy"]), over),
        ("macro F1", evaluation_tables.score_text(scores["macro_f1"]), over),
        ("calibration error", evaluation_tables.score_text(scores["ece"]), _scaled_text(scores)),
        ("AUROC of confidence", decimal(scores["confidence_auroc"]["mean"]), "right against wrong; 0.5 is chance"),
        ("recordings", count(metrics["n"]), f"of {plural(seeds[0]['n_speakers'], 'actor')}"),
        ("protocol", metrics["protocol"], f"{len(evaluation.classes)} emotions"),
    ])  # fmt: skip


def _scaled_text(scores: dict[str, Any]) -> str:
    scaled = scores.get("ece_scaled", {}).get("mean")
    return "ECE; 0 is perfect" if scaled is None else f"ECE; {percent(scaled)} after temperature scaling on other folds"


def _settings(evaluation: Evaluation) -> Table:
    """Tabulate the settings of the evaluation."""
    metrics = evaluation.metrics
    rows: list[tuple[str, str]] = [(key, str(metrics[key])) for key in _SETTINGS if key in metrics]
    rows.append(("classes", ", ".join(evaluation.classes)))
    return Table("settings", "From metrics.json", ("setting", "value"), rows, n_words=1)
