"""Two evaluations -> a page that compares them, with a paired test on the rows that both predicted."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Final

from emosense.errors import UsageError
from emosense.evaluation.intervals import Comparison, compare_uar
from emosense.progress import plural
from emosense.reports import comparison_figures, confidence_figures, evaluation_figures, learning_curves, page
from emosense.reports.comparison_figures import Shared, shared_rows
from emosense.reports.evaluation_data import Evaluation, read_evaluation
from emosense.reports.evaluation_tables import score_text
from emosense.reports.figure import Figure
from emosense.reports.learning_curves import last_gap
from emosense.reports.markup import Markup
from emosense.reports.number_text import count, decimal, percent, points
from emosense.reports.table import Table
from emosense.storage.locations import redact

_SIGNIFICANT: Final = 0.05


def comparison_report(folder_a: str, folder_b: str, output: str, *, command: str = "") -> tuple[Figure | Table, ...]:
    """Write a comparison of two evaluations as one HTML file.

    Parameters
    ----------
    folder_a, folder_b : str
        Locations that `emosense-batch evaluate` wrote, on the same corpus.
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
        If a folder has no evaluation, they share no rows, or a model was scored on speakers that it was trained on.
    OutputError
        If the page cannot be written.
    """
    page.check_output(output)
    pair = read_evaluation(folder_a), read_evaluation(folder_b)
    names = pair[0].name, pair[1].name
    if names[0] == names[1]:
        names = f"{names[0]} (first)", f"{names[1]} (second)"
    shared = _comparable(folder_a, folder_b, pair)
    tested = compare_uar(shared.labels, shared.first, shared.second, shared.speakers)
    parts = _parts(pair, names, shared)
    blocks = [*_warnings(pair, names, shared), _verdict(tested, names, len(shared.labels))]
    blocks += [page.section(heading, page.figures(items)) for heading, items in parts if items]
    heading, subtitle = f"{names[0]} against {names[1]}", f"{redact(folder_a)} and {redact(folder_b)}"
    page.write_page(output, heading, subtitle, blocks, command=command)
    return tuple(item for _, items in parts for item in items)


def _comparable(folder_a: str, folder_b: str, pair: tuple[Evaluation, Evaluation]) -> Shared:
    """Return the rows that both predicted; refuse those of speakers that a model was trained on."""
    shared = shared_rows(*pair)
    if not len(shared.labels):
        raise UsageError(f"{redact(folder_a)} and {redact(folder_b)} have no recording and seed in common")
    for folder, evaluation in zip((folder_a, folder_b), pair, strict=True):
        seen = sorted(set(evaluation.metrics.get("seen_speakers") or ()) & set(shared.speakers))
        if seen:
            raise UsageError(
                f"{redact(folder)} scores {evaluation.name} on {plural(len(seen), 'speaker')} that it was trained on "
                f"({', '.join(seen)}): that says nothing about which model is better. Compare evaluations of "
                "speakers that neither was trained on, such as those of evaluate --kind"
            )
    return shared


def _parts(
    pair: tuple[Evaluation, Evaluation], names: tuple[str, str], shared: Shared
) -> list[tuple[str, Sequence[Figure | Table]]]:
    """Return heading, figures and tables of each section."""
    both = [
        comparison_figures.uar_figure(shared, names),
        comparison_figures.recall_figure(shared, names),
        comparison_figures.agreement_figure(shared, names),
    ]
    confusion = _each(pair, names, lambda evaluation: [evaluation_figures.confusion_figure(evaluation)])
    separation = _each(pair, names, lambda evaluation: [confidence_figures.separation_figure(evaluation)])
    return [
        ("Scores", [*both, _score_table(pair, names)]),
        ("Confusion", confusion),
        ("Confidence", [comparison_figures.coverage_figure(pair, names), *separation]),
        ("Learning curves", _each(pair, names, learning_curves.curve_figures)),
    ]


def _warnings(pair: tuple[Evaluation, Evaluation], names: tuple[str, str], shared: Shared) -> list[Markup]:
    """State what makes the comparison unfair."""
    found = []
    for evaluation, name in zip(pair, names, strict=True):
        if evaluation.metrics.get("speaker_independent") is False:
            found.append(f"{name} was scored on a random split, with the same speakers in training and test.")
        if evaluation.metrics.get("seen_speakers"):
            found.append(f"{name} was trained on other speakers of its recordings: its own score is not held out.")
    first, second = pair
    if first.metrics["protocol"] != second.metrics["protocol"]:
        protocols = f"{first.metrics['protocol']} and {second.metrics['protocol']}"
        found.append(f"The protocols differ ({protocols}): the models were trained on different recordings.")
    if first.classes != second.classes:
        found.append(
            f"{names[0]} distinguishes {len(first.classes)} emotions and {names[1]} {len(second.classes)}: "
            "more emotions are a harder task."
        )
    n = len(shared.labels)
    if n < max(len(first.labels), len(second.labels)):
        found.append(
            f"Only {count(n)} rows are in both evaluations, of {count(len(first.labels))} and "
            f"{count(len(second.labels))}; the paired test uses these."
        )
    return [page.warning(sentence) for sentence in found]


def _verdict(tested: Comparison, names: tuple[str, str], n: int) -> Markup:
    """Return the paired test as a sentence and its values."""
    better, worse = names if tested.uar_difference >= 0 else names[::-1]
    sentence = (
        f"{better} is {points(abs(tested.uar_difference)).lstrip('+')} points of UAR above {worse}, "
        f"{p_text(tested.p_value)} (sign-flip test over actors)"
        f"{'.' if tested.p_value < _SIGNIFICANT else ': not significant at 0.05.'}"
        f"{_few_speakers(tested)}"
    )
    interval = tested.interval
    span = "none" if interval is None else f"{points(interval[0])} to {points(interval[1])}"
    kind = "all swaps" if tested.is_exact else "10,000 random swaps"
    values = page.key_values([
        ("difference in UAR", points(tested.uar_difference), f"points, {names[0]} minus {names[1]}"),
        ("95 % interval", span, f"points, over {plural(tested.n_speakers, 'actor')}"),
        ("p-value", decimal(tested.p_value, 4), f"sign-flip test over actors, {kind}"),
        ("rows in both", count(n), "recordings and seeds"),
    ])  # fmt: skip
    return page.section("Difference", page.paragraph(sentence), values)


def _few_speakers(tested: Comparison) -> str:
    """State the smallest p-value where few speakers limit it."""
    if not tested.is_exact:
        return ""
    smallest = decimal(tested.smallest_p, 4 if tested.smallest_p < _SIGNIFICANT else 2)
    limit = "" if tested.smallest_p < _SIGNIFICANT else ", so no difference can be significant at 0.05"
    return f" The smallest p that {plural(tested.n_speakers, 'speaker')} can give is {smallest}{limit}."


def p_text(p_value: float) -> str:
    """Write a p-value as papers do.

    Parameters
    ----------
    p_value : float
        In (0, 1].

    Returns
    -------
    str
        Such as ``p = 0.031`` or ``p < 0.001``.
    """
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"


def _each(
    pair: tuple[Evaluation, Evaluation], names: tuple[str, str], draw: Callable[[Evaluation], list[Figure]]
) -> list[Figure]:
    """Draw the same figures of both, with the name of the evaluation in the title."""
    return [
        dataclasses.replace(figure, name=f"{figure.name}-{letter}", title=f"{figure.title}: {name}")
        for evaluation, name, letter in zip(pair, names, "ab", strict=True)
        for figure in draw(evaluation)
    ]


def _score_table(pair: tuple[Evaluation, Evaluation], names: tuple[str, str]) -> Table:
    """Tabulate the scores of each on all of its rows."""
    gaps = [last_gap(evaluation) for evaluation in pair]

    def row(name: str, value: Callable[[dict[str, Any]], str]) -> tuple[str, str, str]:
        return name, value(pair[0].metrics), value(pair[1].metrics)

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
        ("training accuracy, last epoch", *(percent(gap[0] if gap else None) for gap in gaps)),
        ("validation accuracy, last epoch", *(percent(gap[1] if gap else None) for gap in gaps)),
        ("overfitting gap in points", *(points(gap[0] - gap[1]) if gap else percent(None) for gap in gaps)),
    ]
    return Table("scores", "Scores on all recordings of each", ("score", *names), rows)


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
    shared = _comparable(folder_a, folder_b, (first, second))
    tested = compare_uar(shared.labels, shared.first, shared.second, shared.speakers)
    interval = tested.interval
    span = "" if interval is None else f" (95 % over speakers: {100 * interval[0]:+.1f} to {100 * interval[1]:+.1f})"
    test = "exact" if tested.is_exact else "10,000 random flips"
    return (
        f"{first.name} against {second.name}: {100 * tested.uar_difference:+.1f} points of UAR{span}, "
        f"{p_text(tested.p_value)} (sign-flip test over {tested.n_speakers} speakers, {test}), "
        f"{len(shared.labels)} recordings in common.{_few_speakers(tested)}"
    )
