"""Evaluations -> a page that shows them side by side, with paired tests on the rows that all of them predicted."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from emosense.errors import UsageError
from emosense.evaluation.intervals import Comparison, compare_uar
from emosense.progress import plural
from emosense.reports import comparison_figures, confidence_figures, evaluation_figures, learning_curves, page
from emosense.reports.comparison_figures import Shared, letter_of, shared_rows
from emosense.reports.evaluation_data import Evaluation, read_evaluation
from emosense.reports.evaluation_tables import score_text
from emosense.reports.figure import Figure
from emosense.reports.learning_curves import last_gap
from emosense.reports.markup import Markup
from emosense.reports.number_text import count, decimal, listed, percent, points
from emosense.reports.paired_test import verdict_section, verdict_text
from emosense.reports.style import COMPARED
from emosense.reports.table import Table
from emosense.storage.locations import redact


def comparison_report(folders: Sequence[str], output: str, *, command: str = "") -> tuple[Figure | Table, ...]:
    """Write a comparison of two or three evaluations as one HTML file.

    Parameters
    ----------
    folders : sequence of str
        Locations that `emosense-batch evaluate` wrote, on the same corpus. The first is tested against each other one.
    output : str
        Location of the page, ending in .html.
    command : str, optional
        The command that makes the page, to be stated in it.

    Returns
    -------
    tuple of Figure or Table
        For `emosense.reports.save_figures`.

    Raises
    ------
    UsageError
        If a folder has no evaluation, they share no rows, a model was scored on speakers that it was trained on, or
        there are more than three.
    OutputError
        If the page cannot be written.
    """
    page.check_output(output)
    if len(folders) > len(COMPARED):
        raise UsageError(f"a page compares {len(COMPARED)} evaluations at most, not {len(folders)}")
    evaluations = [read_evaluation(folder) for folder in folders]
    names = _names(evaluations)
    shared = _comparable(folders, evaluations)
    parts = _parts(evaluations, names, shared)
    blocks = [*_warnings(evaluations, names, shared), *_verdicts(names, shared)]
    blocks += [page.section(heading, page.figures(items)) for heading, items in parts if items]
    title = f"{names[0]} against {' and '.join(names[1:])}"
    page.write_page(output, title, listed([redact(folder) for folder in folders]), blocks, command=command)
    return tuple(item for _, items in parts for item in items)


def comparison_text(folder_a: str, folder_b: str) -> str:
    """Return the difference in UAR of two evaluations on the rows that both predicted, with its paired test.

    Parameters
    ----------
    folder_a, folder_b : str
        Locations that `emosense-batch evaluate` wrote, on the same corpus.

    Returns
    -------
    str
        One sentence.

    Raises
    ------
    UsageError
        If a folder has no evaluation, they share no rows, or a model was scored on speakers that it was trained on.
    """
    first, second = read_evaluation(folder_a), read_evaluation(folder_b)
    shared = _comparable((folder_a, folder_b), (first, second))
    return verdict_text(_tested(shared, 1), (first.name, second.name), len(shared.labels))


def _names(evaluations: Sequence[Evaluation]) -> list[str]:
    """Return the names of the evaluations, numbered where some are equal."""
    n_of = Counter(each.name for each in evaluations)
    names = [each.name for each in evaluations]
    return [name if n_of[name] == 1 else f"{name} ({COMPARED[place]})" for place, name in enumerate(names)]


def _comparable(folders: Sequence[str], evaluations: Sequence[Evaluation]) -> Shared:
    """Return the rows that all predicted; refuse those of speakers that a model was trained on."""
    shared = shared_rows(evaluations)
    if not len(shared.labels):
        raise UsageError(f"{' and '.join(map(redact, folders))} have no recording and seed in common")
    for folder, evaluation in zip(folders, evaluations, strict=True):
        seen = sorted(set(evaluation.metrics.get("seen_speakers") or ()) & set(shared.speakers))
        if seen:
            raise UsageError(
                f"{redact(folder)} scores {evaluation.name} on {plural(len(seen), 'speaker')} that it was trained on "
                f"({', '.join(seen)}): that says nothing about which model is better. Compare evaluations of "
                "speakers that neither was trained on, such as those of evaluate --kind"
            )
    return shared


def _tested(shared: Shared, other: int) -> Comparison:
    """Test the first evaluation against another one."""
    return compare_uar(shared.labels, shared.predicted[0], shared.predicted[other], shared.speakers)


def _verdicts(names: Sequence[str], shared: Shared) -> list[Markup]:
    """Return a section for the first evaluation and each other one."""
    return [
        verdict_section(
            f"{names[0]} and {names[other]}", _tested(shared, other), (names[0], names[other]), len(shared.labels)
        )
        for other in range(1, len(names))
    ]


def _parts(
    evaluations: Sequence[Evaluation], names: Sequence[str], shared: Shared
) -> list[tuple[str, Sequence[Figure | Table]]]:
    """Return heading, figures and tables of each section."""
    # In this order the columns of a wide page get about the same height.
    first, *others = [comparison_figures.agreement_figure(shared, names, other) for other in range(1, len(names))]
    together = [
        comparison_figures.uar_figure(shared, names),
        first,
        comparison_figures.recall_figure(shared, names),
        *others,
    ]
    confusion = _each(evaluations, names, lambda evaluation: [evaluation_figures.confusion_figure(evaluation)])
    separation = _each(evaluations, names, lambda evaluation: [confidence_figures.separation_figure(evaluation)])
    return [
        ("Scores", [*together, _score_table(evaluations, names)]),
        ("Confusion", confusion),
        ("Confidence", [comparison_figures.coverage_figure(evaluations, names), *separation]),
        ("Learning curves", _each(evaluations, names, learning_curves.curve_figures)),
    ]


def _warnings(evaluations: Sequence[Evaluation], names: Sequence[str], shared: Shared) -> list[Markup]:
    """State what makes the comparison unfair."""
    found = []
    for evaluation, name in zip(evaluations, names, strict=True):
        if evaluation.metrics.get("speaker_independent") is False:
            found.append(f"{name} was scored on a random split, with the same speakers in training and test.")
        if evaluation.metrics.get("seen_speakers"):
            found.append(f"{name} was trained on other speakers of its recordings: its own score is not held out.")
    protocols = list(dict.fromkeys(str(each.metrics["protocol"]) for each in evaluations))
    if len(protocols) > 1:
        found.append(f"The protocols differ ({listed(protocols)}): the models were trained on different recordings.")
    if any(each.classes != evaluations[0].classes for each in evaluations):
        n_of = (f"{name} {len(each.classes)}" for each, name in zip(evaluations, names, strict=True))
        found.append(f"The numbers of emotions differ ({', '.join(n_of)}): more emotions are a harder task.")
    n, n_of_each = len(shared.labels), [len(each.labels) for each in evaluations]
    if n < max(n_of_each):
        found.append(
            f"Only {count(n)} rows are in all evaluations, of {listed([count(n) for n in n_of_each])}; the paired test "
            "uses these."
        )
    return [page.warning(sentence) for sentence in found]


def _each(
    evaluations: Sequence[Evaluation], names: Sequence[str], draw: Callable[[Evaluation], list[Figure]]
) -> list[Figure]:
    """Draw the same figures of each, with the name of the evaluation in the title."""
    return [
        dataclasses.replace(figure, name=f"{figure.name}-{letter_of(place)}", title=f"{figure.title}: {name}")
        for place, (evaluation, name) in enumerate(zip(evaluations, names, strict=True))
        for figure in draw(evaluation)
    ]


def _score_table(evaluations: Sequence[Evaluation], names: Sequence[str]) -> Table:
    """Tabulate the scores of each on all of its rows."""
    gaps = [last_gap(evaluation) for evaluation in evaluations]

    def row(name: str, value: Callable[[dict[str, Any]], str]) -> tuple[str, ...]:
        return name, *(value(evaluation.metrics) for evaluation in evaluations)

    rows = [
        row("recordings", lambda m: count(m["n"])),
        row("emotions", lambda m: str(len(m["classes"]))),
        row("protocol", lambda m: str(m["protocol"])),
        row("seeds", lambda m: str(len(m["seeds"]))),
        row("UAR", lambda m: score_text(m["scores"]["uar"])),
        row("accuracy", lambda m: score_text(m["scores"]["accuracy"])),
        row("macro F1", lambda m: score_text(m["scores"]["macro_f1"])),
        row("calibration error (ECE)", lambda m: score_text(m["scores"]["ece"])),
        row("AUROC of confidence", lambda m: decimal(m["scores"]["confidence_auroc"]["mean"])),
    ]
    trained = [
        ("training accuracy, last epoch", *(percent(gap[0] if gap else None) for gap in gaps)),
        ("validation accuracy, last epoch", *(percent(gap[1] if gap else None) for gap in gaps)),
        ("overfitting gap in points", *(points(gap[0] - gap[1]) if gap else percent(None) for gap in gaps)),
    ]
    shown = rows + trained if any(gaps) else rows
    return Table("scores", "Scores on all recordings of each", ("score", *names), shown)
