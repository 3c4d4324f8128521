"""Scores after speaker adaptation: held-out predictions, adapted in groups of each speaker's recordings.

Adaptation uses no labels; labels only choose the groups of one emotion, which are the worst case.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emosense.evaluation.confidence import ece
from emosense.evaluation.intervals import mean_and_sd
from emosense.evaluation.metrics import accuracy, confusion_matrix, uar
from emosense.evaluation.speaker_predictions import SpeakerPredictions, adapted_together

Float64 = NDArray[np.float64]
Rows = NDArray[np.int64]

GROUPINGS: Final = {
    "none": "not adapted",
    "one": "each recording on its own",
    "ten": "mixed recordings of a speaker, at most 10 at a time",
    "all": "all recordings of a speaker",
    "same": "all recordings of a speaker in one emotion at a time",
}
_MAX_GROUP: Final = 10
_SCORES: Final = ("uar", "accuracy", "ece")


def adaptation_scores(
    labels: Rows,
    probabilities: Float64,
    speakers: Sequence[str],
    *,
    seed: int = 0,
    second: SpeakerPredictions | None = None,
) -> dict[str, dict[str, Any]]:
    """Score predictions after adaptation, for each grouping in `GROUPINGS`.

    Parameters
    ----------
    labels : ndarray, shape (n,)
        Class indices.
    probabilities : ndarray, shape (n, n_classes)
        Held-out predictions.
    speakers : sequence of str, length n
        Speaker of each row.
    seed : int
        Shuffles the recordings of a speaker for the groups of 10.
    second : SpeakerPredictions or None
        What the speaker heads of the models predict; None for models without.

    Returns
    -------
    dict
        By name of the grouping: ``uar``, ``accuracy`` and ``ece``.
    """
    scores = {}
    for grouping in GROUPINGS:
        adapted = probabilities.copy()
        for rows in _groups(grouping, labels, np.asarray(speakers), seed):
            adapted[rows] = adapted_together(probabilities[rows], second and second.select(rows))
        matrix = confusion_matrix(labels, adapted.argmax(axis=1), probabilities.shape[1])
        scores[grouping] = {
            "uar": float(uar(matrix)),
            "accuracy": float(accuracy(matrix)),
            "ece": float(ece(labels, adapted)),
        }
    return scores


def mean_adaptation(seeds: Sequence[dict[str, Any]]) -> dict[str, dict[str, dict[str, Any]]]:
    """Average the scores of `adaptation_scores` over seeds.

    Parameters
    ----------
    seeds : Sequence[dict[str, Any]]
        Summaries of `emosense.evaluation.summary.summarise`, one per seed.

    Returns
    -------
    dict
        By grouping and score: ``mean`` and ``sd``.
    """
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for grouping in GROUPINGS:
        found[grouping] = {}
        for name in _SCORES:
            mean, sd = mean_and_sd([seed["adaptation"][grouping][name] for seed in seeds])
            found[grouping][name] = {"mean": mean, "sd": sd}
    return found


def emotions_text(seed: dict[str, Any]) -> str:
    """State on what the figures of adaptation depend: a speaker is adapted to the emotions that there are.

    Parameters
    ----------
    seed : dict
        A summary of `emosense.evaluation.summary.summarise`.

    Returns
    -------
    str
        Continues a sentence; empty for evaluations of earlier versions, which did not count emotions.
    """
    if "emotions_per_speaker" not in seed:
        return ""
    fewest, most = seed["emotions_per_speaker"]
    n_tested = sum(recall is not None for recall in seed["recall"].values())
    if fewest == n_tested:
        return f"; each speaker has all {n_tested} emotions here"
    return f"; a speaker has {fewest if fewest == most else f'{fewest} to {most}'} of {n_tested} emotions here"


def _groups(grouping: str, labels: Rows, speakers: NDArray[np.str_], seed: int) -> Iterator[Rows]:
    """Yield the rows that are adapted together."""
    if grouping == "none":
        return
    rng = np.random.default_rng(seed)
    for speaker in np.unique(speakers):
        rows = np.flatnonzero(speakers == speaker)
        if grouping == "all":
            yield rows
        elif grouping == "one":
            yield from rows.reshape(-1, 1)
        elif grouping == "ten":
            mixed = rng.permutation(rows)
            yield from np.array_split(mixed, -(-len(mixed) // _MAX_GROUP))
        else:
            yield from (rows[labels[rows] == label] for label in np.unique(labels[rows]))
