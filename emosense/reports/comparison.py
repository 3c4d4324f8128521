"""Two evaluations -> a page that puts them side by side, with a paired test on the rows that both predicted."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Final

from emosense.errors import UsageError
from emosense.evaluation.intervals import Comparison, compare_uar
from emosense.progress import plural
from emosense.reports import comparison_figures, confidence_figures, evaluation_figures, page
from emosense.reports.comparison_figures import Shared, shared_rows
from emosense.reports.confidence_figures import last_gap
from emosense.reports.evaluation_data import Evaluation, read_evaluation
from emosense.reports.evaluation_tables import score_text
from emosense.reports.figure import Figure
from emosense.reports.markup import Markup, count, decimal, percent, points
from emosense.storage.locations import redact

_SIGNIFICANT: Final = 0.05


def comparison_report(folder_a: str, folder_b: str, output: str) -> tuple[Figure, ...]:
    """Write a comparison of two evaluations as one HTML file.

    Parameters
    ----------
    folder_a, folder_b : str
        Locations that `emosense-batch evaluate` wrote, on the same corpus.
    output : str
        Location of the page, ending in .html.

    Returns
    -------
    tuple of Figure
        For `emosense.reports.save_figures`.

    Raises
    ------
    UsageError
        If a folder holds no evaluation, or they share no rows.
    OutputError
        If the page cannot be written.
    """
    page.check_output(output)
    pair = read_evaluation(folder_a), read_evaluation(folder_b)
    names = pair[0].name, pair[1].name
    if names[0] == names[1]:
        names = f"{names[0]} (first)", f"{names[1]} (second)"
    shared = shared_rows(*pair)
    if not len(shared.labels):
        raise UsageError(f"{redact(folder_a)} and {redact(folder_b)} have no recording and seed in common")
    tested = compare_uar(shared.labels, shared.first, shared.second, shared.speakers)
    parts = _parts(pair, names, shared)
    on_its_own = page.section("Each on its own", _score_table(pair, names))
    blocks = [*_warnings(pair, names, shared), _verdict(tested, names, len(shared.labels)), on_its_own]
    blocks += [page.section(heading, page.figures(shown)) for heading, shown in parts if shown]
    page.write_page(output, f"{names[0]} against {names[1]}", f"{redact(folder_a)} and {redact(folder_b)}", blocks)
    return tuple(figure for _, shown in parts for figure in shown)


def _parts(
    pair: tuple[Evaluation, Evaluation], names: tuple[str, str], shared: Shared
) -> list[tuple[str, list[Figure]]]:
    """Return heading and figures of the page's parts; a part without figures is left out."""
    both = [
        comparison_figures.uar_figure(shared, names),
        comparison_figures.recall_figure(shared, names),
        comparison_figures.agreement_figure(shared, names),
    ]
    confusion = _each(pair, names, lambda evaluation: [evaluation_figures.confusion_figure(evaluation)])
    separation = _each(pair, names, lambda evaluation: [confidence_figures.separation_figure(evaluation)])
    return [
        ("On the same rows", both),
        ("Confusion", confusion),
        ("Confidence", [comparison_figures.coverage_figure(pair, names), *separation]),
        ("Learning", _each(pair, names, confidence_figures.curve_figures)),
    ]


def _warnings(pair: tuple[Evaluation, Evaluation], names: tuple[str, str], shared: Shared) -> list[Markup]:
    """Say what makes the comparison less than fair."""
    found = []
    for evaluation, name in zip(pair, names, strict=True):
        if evaluation.metrics.get("speaker_independent") is False:
            found.append(f"{name} was scored on a random split, with the same speakers in training and test.")
        if evaluation.metrics.get("seen_speakers"):
            found.append(f"{name} was trained on speakers of these recordings: this is no held-out score.")
    first, second = pair
    if first.metrics["protocol"] != second.metrics["protocol"]:
        protocols = f"{first.metrics['protocol']} and {second.metrics['protocol']}"
        found.append(f"The protocols differ ({protocols}): the models were trained on other recordings.")
    if first.classes != second.classes:
        found.append(
            f"{names[0]} chooses among {len(first.classes)} emotions and {names[1]} among {len(second.classes)}: "
            "the one with more has the harder task."
        )
    n = len(shared.labels)
    if n < max(len(first.labels), len(second.labels)):
        found.append(
            f"Only {count(n)} rows are in both evaluations, of {count(len(first.labels))} and "
            f"{count(len(second.labels))}; the paired test is on these."
        )
    return [page.warning(sentence) for sentence in found]


def _verdict(tested: Comparison, names: tuple[str, str], n: int) -> Markup:
    """Return the paired test as facts and a sentence."""
    better, worse = names if tested.uar_difference >= 0 else names[::-1]
    is_sure = tested.p_value < _SIGNIFICANT
    sentence = (
        f"{better} is {points(abs(tested.uar_difference)).lstrip('+')} points of UAR above {worse}; "
        f"{'a difference as large' if is_sure else 'but one as large'} comes about in {percent(tested.p_value, 2)} of "
        f"swaps of the two models within actors{'.' if is_sure else ', so that it may be luck.'}"
    )
    interval = tested.interval
    span = "none" if interval is None else f"{points(interval[0])} to {points(interval[1])}"
    kind = "all swaps" if tested.is_exact else "10,000 drawn swaps"
    facts = page.key_values([
        ("difference in UAR", points(tested.uar_difference), f"points, {names[0]} minus {names[1]}"),
        ("95 % interval", span, f"points, over {plural(tested.n_speakers, 'actor')}"),
        ("p-value", decimal(tested.p_value, 4), f"sign-flip test over actors, {kind}"),
        ("rows in both", count(n), "recordings and seeds"),
    ])  # fmt: skip
    return page.section("The difference", page.paragraph(sentence), facts)


def _each(
    pair: tuple[Evaluation, Evaluation], names: tuple[str, str], draw: Callable[[Evaluation], list[Figure]]
) -> list[Figure]:
    """Draw the same pictures of both, each under its own name."""
    return [
        dataclasses.replace(figure, name=f"{figure.name}-{letter}", title=f"{figure.title}: {name}")
        for evaluation, name, letter in zip(pair, names, "ab", strict=True)
        for figure in draw(evaluation)
    ]


def _score_table(pair: tuple[Evaluation, Evaluation], names: tuple[str, str]) -> Markup:
    """Tabulate the scores of each on all of its own rows."""
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
        ("accuracy in training, last epoch", *(percent(gap[0] if gap else None) for gap in gaps)),
        ("accuracy in validation, last epoch", *(percent(gap[1] if gap else None) for gap in gaps)),
        ("overfitting gap in points", *(points(gap[0] - gap[1]) if gap else percent(None) for gap in gaps)),
    ]
    return page.table("Scores on all of its own rows", ("score", *names), rows)


def comparison_text(folder_a: str, folder_b: str) -> str:
    """Say how far the UAR of two evaluations is apart on the rows that both predicted, and how sure that is.

    Raises
    ------
    UsageError
        If a folder holds no evaluation, or they share no rows.
    """
    first, second = read_evaluation(folder_a), read_evaluation(folder_b)
    shared = shared_rows(first, second)
    if not len(shared.labels):
        raise UsageError(f"{redact(folder_a)} and {redact(folder_b)} have no recording and seed in common")
    tested = compare_uar(shared.labels, shared.first, shared.second, shared.speakers)
    interval = tested.interval
    span = "" if interval is None else f" (95 % over speakers: {100 * interval[0]:+.1f} to {100 * interval[1]:+.1f})"
    test = "exact" if tested.is_exact else "10,000 flips"
    return (
        f"{first.name} against {second.name}: {100 * tested.uar_difference:+.1f} points of UAR{span}, "
        f"p = {tested.p_value:.3f} (sign-flip test over {tested.n_speakers} speakers, {test}), "
        f"{len(shared.labels)} recordings in common"
    )
