"""The folder of an evaluation -> a page: scores, errors, confidence, and results by speaker."""

from __future__ import annotations

from typing import Any

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
from emosense.reports.markup import Markup
from emosense.reports.number_text import count, decimal, percent, points
from emosense.reports.overlap import feature_overlap
from emosense.storage.locations import redact


def evaluation_report(folder: str, output: str, feature_table: str | None = None) -> tuple[Figure, ...]:
    """Write a report of an evaluation as one HTML file.

    Parameters
    ----------
    folder : str
        Location that `emosense-batch evaluate` wrote.
    output : str
        Location of the page, ending in .html.
    feature_table : str, optional
        Location of a feature table; adds the figure of `feature_overlap`.

    Returns
    -------
    tuple of Figure
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
    blocks += [page.section(heading, page.figures(figures, *tables)) for heading, figures, tables in parts if figures]
    blocks.append(_run(evaluation))
    subtitle = evaluation.metrics.get("protocol_description") or f"Protocol: {evaluation.metrics['protocol']}"
    page.write_page(output, f"Evaluation of {evaluation.name}", subtitle, blocks)
    return tuple(figure for _, figures, _ in parts for figure in figures)


def _parts(evaluation: Evaluation, feature_table: str | None) -> list[tuple[str, list[Figure], list[Markup]]]:
    """Return heading, figures and tables of each section; those without figures are left out."""
    has_leak = "leak_gap" in evaluation.metrics
    is_disturbed = any(record["uar"]["mean"] is not None for record in evaluation.metrics.get("robustness", ()))
    # Evaluations of earlier versions lack it.
    is_adapted = all("adaptation" in seed for seed in evaluation.metrics["seeds"])
    right = [
        evaluation_figures.confusion_figure(evaluation),
        evaluation_figures.recall_figure(evaluation),
        evaluation_figures.arousal_figure(evaluation),
        evaluation_figures.uar_figure(evaluation),
    ]
    trust = [
        confidence_figures.separation_figure(evaluation),
        confidence_figures.coverage_figure(evaluation),
        confidence_figures.reliability_figure(evaluation),
    ]
    groups = [speaker_figures.actor_figure(evaluation), speaker_figures.sex_figure(evaluation)]
    return [
        (
            "Leak of the random split",
            [speaker_figures.leak_figure(evaluation)] if has_leak else [],
            [evaluation_tables.leak_table(evaluation)] if has_leak else [],
        ),
        ("Results by emotion", right, [evaluation_tables.class_table(evaluation)]),
        ("Confidence", trust, []),
        (
            "Robustness",
            [evaluation_figures.robustness_figure(evaluation)] if is_disturbed else [],
            [evaluation_tables.robustness_table(evaluation)] if is_disturbed else [],
        ),
        (
            "Speaker adaptation",
            [speaker_figures.adaptation_figure(evaluation)] if is_adapted else [],
            [evaluation_tables.adaptation_table(evaluation)] if is_adapted else [],
        ),
        ("Learning curves", learning_curves.curve_figures(evaluation), []),
        ("Results by speaker", groups, evaluation_tables.group_tables(evaluation)),
        ("Features", [feature_overlap(feature_table, evaluation.classes)] if feature_table else [], []),
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


def _run(evaluation: Evaluation) -> Markup:
    """Tabulate the settings of the evaluation."""
    metrics = evaluation.metrics
    keys = ("kind", "preset", "model", "sha256", "protocol", "calibrated", "n_seeds", "data", "emosense")
    rows = [(key, str(metrics[key])) for key in keys if key in metrics]
    rows.append(("classes", ", ".join(evaluation.classes)))
    return page.section("Settings", page.table("From metrics.json", ("setting", "value"), rows, n_words=1))
