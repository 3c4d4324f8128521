"""How well a model is calibrated when it may only answer with some of its emotions."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emosense.evaluation.choice import EmotionChoice
from emosense.evaluation.confidence import ece

# A confidence within 5 points of the accuracy counts as calibrated.
CALIBRATED: Final = 0.05
# Draws of true labels for each choice; over all choices the share that they give varies by half a point.
_N_DRAWN: Final = 4


def chosen_scores(
    truth: NDArray[np.int64], shares: NDArray[np.float64], emotions: Sequence[str]
) -> dict[str, Any] | None:
    """Return the ECE over every choice of two or more emotions, but not all of them.

    Parameters
    ----------
    truth : ndarray, shape (n,), int64
        Indices into `emotions`.
    shares : ndarray, shape (n, n_classes)
        Calibrated probabilities of all emotions.
    emotions : sequence of str, length n_classes
        The names of the classes.

    Returns
    -------
    dict or None
        ``n_choices``, ``mean`` and ``max`` of the ECE, and ``calibrated``: the share of choices with an ECE of at most
        `CALIBRATED`. ``attainable`` is what that share would be for as many rows if every probability were true: the
        ECE of few rows is above 0 by chance. None if there are fewer than three emotions, or no choice has a row.
    """
    rng = np.random.default_rng(0)
    found, by_chance = [], []
    for choice in _choices(emotions):
        labels, among = _answers(choice, truth, shares, emotions)
        if len(labels):
            found.append(ece(labels, among))
            by_chance += [ece(_drawn(among, rng), among) for _ in range(_N_DRAWN)]
    if not found:
        return None
    calibrated, attainable = (sum(value <= CALIBRATED for value in each) / len(each) for each in (found, by_chance))
    return {
        "n_choices": len(found),
        "mean": float(np.mean(found)),
        "max": max(found),
        "calibrated": calibrated,
        "attainable": attainable,
    }


def _drawn(probabilities: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw a label for each row from its probabilities."""
    places = (rng.random((len(probabilities), 1)) > probabilities.cumsum(axis=1)).sum(axis=1)
    return np.asarray(np.minimum(places, probabilities.shape[1] - 1))


def _choices(emotions: Sequence[str]) -> Iterator[EmotionChoice]:
    for n_chosen in range(2, len(emotions)):
        yield from map(EmotionChoice.parse, itertools.combinations(emotions, n_chosen))


def _answers(
    choice: EmotionChoice, truth: NDArray[np.int64], shares: NDArray[np.float64], emotions: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the rows that have a right answer among the chosen emotions, and their probabilities."""
    answers = [choice.answer(emotion) for emotion in emotions]
    label = np.array([choice.emotions.index(answer) if answer else -1 for answer in answers])[truth]
    return label[label >= 0], choice.apply_to_classes(shares[label >= 0], emotions)
