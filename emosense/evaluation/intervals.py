"""The uncertainty of a score: intervals and tests that resample actors, not rows.

Rows of one actor resemble each other, so an interval over rows is too narrow: what varies from corpus to corpus is who
speaks. The actor is therefore the unit. With few actors (below about 10) a percentile interval is still too narrow.
All randomness comes from a seed.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emosense.evaluation.metrics import confusion_matrix, uar

Statistic = Callable[[NDArray[np.int64]], NDArray[np.float64]]

# Share of the resamples within the intervals that EmoSense reports.
LEVEL: Final = 0.95
# Up to 12 actors all sign patterns are enumerated (4096); with more they are sampled.
_MAX_EXACT_SPEAKERS: Final = 12
_N_FLIPS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models on the same rows, first minus second.

    Attributes
    ----------
    uar_difference : float
        In [-1, 1].
    interval : tuple of float, or None
        Bootstrap interval of the difference over actors; None for a single actor.
    p_value : float
        Two-sided, of the sign-flip test over actors, in (0, 1]. It cannot fall below `smallest_p`.
    n_speakers : int
        Number of actors.
    is_exact : bool
        Whether all sign patterns were enumerated rather than sampled.
    """

    uar_difference: float
    interval: tuple[float, float] | None
    p_value: float
    n_speakers: int
    is_exact: bool

    @property
    def smallest_p(self) -> float:
        """The smallest p-value that the test can give: that of one model being better for every actor."""
        return min(1.0, 2 / 2**self.n_speakers) if self.is_exact else 1 / (1 + _N_FLIPS)


def mean_and_sd(values: Sequence[float]) -> tuple[float, float | None]:
    """Return the mean and the standard deviation (n - 1) of scores over seeds or folds.

    Parameters
    ----------
    values : Sequence[float]
        At least one score.

    Returns
    -------
    tuple of (float, float or None)
        Mean and standard deviation; no deviation for a single value.

    Raises
    ------
    ValueError
        If there are no values.
    """
    if not values:
        raise ValueError("there is no mean of no values")
    mean = statistics.fmean(values)
    return mean, statistics.stdev(values) if len(values) > 1 else None


def bootstrap_interval(
    labels: ArrayLike,
    predictions: ArrayLike,
    speakers: Sequence[str],
    statistic: Statistic,
    *,
    n_resamples: int = 2000,
    level: float = LEVEL,
    seed: int = 0,
) -> tuple[float, float] | None:
    """Return the percentile interval of a score under resampling of actors with replacement.

    Parameters
    ----------
    labels, predictions : array, shape (n,), integers
        Class indices.
    speakers : sequence of str, length n
        The actor of each row.
    statistic : callable
        A score of confusion matrices: `uar`, `accuracy` or `macro_f1` of `emosense.evaluation.metrics`. A resample that
        lacks a class is scored over the classes that it has.
    n_resamples : int
        Number of resamples.
    level : float, in (0, 1)
        Share of the resamples within the interval.
    seed : int
        Seed of the resampling.

    Returns
    -------
    tuple of float, or None
        Lower and upper end; None for a single actor.

    Raises
    ------
    ValueError
        If there are no rows, the lengths differ, or `level` or `n_resamples` is out of range.

    Notes
    -----
    Source: the cluster bootstrap, Field & Welsh 2007, doi 10.1111/j.1467-9868.2007.00593.x. Only the number of
    times that each actor is drawn is sampled; it multiplies the confusion matrix of the actor.
    """
    matrices = _confusion_by_speaker(labels, predictions, speakers)
    return _interval(matrices, statistic, n_resamples, level, seed)


def compare_uar(
    labels: ArrayLike,
    predictions: ArrayLike,
    other_predictions: ArrayLike,
    speakers: Sequence[str],
    *,
    n_resamples: int = 2000,
) -> Comparison:
    """Compare two models by their predictions on the same rows.

    The interval resamples actors, the same ones for both models. The test is a sign-flip test: it swaps the models
    within actors, in all patterns for up to 12 actors, else in 10,000 random ones, and counts how often the difference
    is at least as large.

    Parameters
    ----------
    labels, predictions, other_predictions : array, shape (n,), integers
        Class indices: the truth, and the predictions of the first and the second model.
    speakers : sequence of str, length n
        The actor of each row.
    n_resamples : int
        As in `bootstrap_interval`.

    Returns
    -------
    Comparison
        The difference, its interval and its p-value.

    Raises
    ------
    ValueError
        As in `bootstrap_interval`.
    """
    n_classes = int(max(np.max(values, initial=0) for values in (labels, predictions, other_predictions))) + 1
    first = _confusion_by_speaker(labels, predictions, speakers, n_classes)
    second = _confusion_by_speaker(labels, other_predictions, speakers, n_classes)
    pairs = np.stack([first, second], axis=1)

    def _difference(matrices: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.asarray(uar(matrices[..., 0, :, :]) - uar(matrices[..., 1, :, :]))

    return Comparison(
        uar_difference=float(_difference(pairs.sum(axis=0))),
        interval=_interval(pairs, _difference, n_resamples, LEVEL, seed=0),
        p_value=_sign_flip_p(first, second),
        n_speakers=len(pairs),
        is_exact=len(pairs) <= _MAX_EXACT_SPEAKERS,
    )


def _confusion_by_speaker(
    labels: ArrayLike, predictions: ArrayLike, speakers: Sequence[str], n_classes: int | None = None
) -> NDArray[np.int64]:
    """Return the confusion matrix of each actor, shape (n_speakers, n_classes, n_classes)."""
    truth, predicted = np.asarray(labels), np.asarray(predictions)
    if not len(truth) == len(predicted) == len(speakers):
        raise ValueError(f"{len(truth)} labels, {len(predicted)} predictions and {len(speakers)} speakers do not fit")
    if n_classes is None:
        n_classes = int(max(np.max(truth, initial=0), np.max(predicted, initial=0))) + 1
    confusion_matrix(truth, predicted, n_classes)  # refuses no rows, fractions and negative indices
    names, speaker_of_row = np.unique(np.asarray(speakers, dtype=np.str_), return_inverse=True)
    cell = (speaker_of_row * n_classes + truth) * n_classes + predicted
    return np.bincount(cell, minlength=len(names) * n_classes**2).reshape(len(names), n_classes, n_classes)


def _interval(
    by_speaker: NDArray[np.int64], statistic: Statistic, n_resamples: int, level: float, seed: int
) -> tuple[float, float] | None:
    """Resample the first axis and return the percentiles of the statistic of the sums."""
    if not 0 < level < 1 or n_resamples < 1:
        raise ValueError(f"an interval needs a level between 0 and 1 and resamples, not {level} and {n_resamples}")
    n_speakers = len(by_speaker)
    if n_speakers < 2:
        return None
    rng = np.random.default_rng(seed)
    times_drawn = rng.multinomial(n_speakers, np.full(n_speakers, 1 / n_speakers), size=n_resamples)
    scores = statistic(np.tensordot(times_drawn, by_speaker, axes=1))
    low, high = np.quantile(scores, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _sign_flip_p(first: NDArray[np.int64], second: NDArray[np.int64]) -> float:
    """Return the two-sided p-value of the difference in UAR under swaps of the models within actors.

    Both models see the same truth, so the UAR's denominators are fixed and each actor adds its own term to the
    difference: a swap flips the sign of that term.
    """
    hits = np.diagonal(first - second, axis1=-2, axis2=-1)
    support = first.sum(axis=(0, -1))
    terms = (hits[:, support > 0] / support[support > 0]).mean(axis=1)
    n_speakers = len(terms)
    if n_speakers <= _MAX_EXACT_SPEAKERS:
        bits = np.arange(2**n_speakers)[:, None] >> np.arange(n_speakers) & 1
    else:
        bits = np.random.default_rng(0).integers(0, 2, size=(_N_FLIPS, n_speakers))
    # The tolerance makes sums that differ only by rounding count as equal.
    as_large = int((np.abs((1 - 2 * bits) @ terms) >= abs(terms.sum()) - 1e-12).sum())
    if n_speakers <= _MAX_EXACT_SPEAKERS:
        return as_large / len(bits)
    return (1 + as_large) / (1 + _N_FLIPS)
