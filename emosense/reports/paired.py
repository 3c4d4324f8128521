"""Two evaluations -> the sentence of their paired test, for a terminal."""

from __future__ import annotations

from emosense.errors import UsageError
from emosense.evaluation.intervals import compare_uar
from emosense.reports.comparison_figures import shared_rows
from emosense.reports.evaluation_data import read_evaluation
from emosense.storage import redact


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
