"""Predictions for one speaker's recordings -> the same, normalised for the speaker.

A voice that is naturally low and flat sounds sad in every recording. The mean and the spread of the model's
log-probabilities over a speaker's recordings, for which no labels are needed, measure this bias. They are normalised,
as scores are in speaker verification (Auckenthaler et al. 2000, doi 10.1006/dspr.1999.0360), and the fewer recordings
there are, the weaker the normalisation is. Only sums over the recordings are needed: no audio is read twice.

Predictions have axes (recordings, heads, emotions): a model has one head, or a second one for adapted recordings
(`emosense.evaluation.voice_adaptation`). Log-probabilities are centred over the emotions of each recording.
"""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np
from numpy.typing import ArrayLike

from emosense.arrays import Float64

# A speaker with this many recordings is normalised by half; a single recording keeps its label.
SHRINKAGE: Final = 10.0
# The smallest probability that a table can express.
_SMALLEST: Final = 1e-6
# Added to a spread, so that a spread that is small by chance does not inflate an emotion.
_SPREAD_FLOOR: Final = 1.0


class Adaptation(Protocol):
    """A way to adapt a speaker's recordings: sums over all of them, then a pass over each."""

    def sums(self, predictions: ArrayLike) -> Float64:
        """Sum over recordings of one speaker.

        Parameters
        ----------
        predictions : array, shape (n, n_heads, n_emotions)
            Probabilities of the recordings, in [0, 1].

        Returns
        -------
        ndarray, shape (n_sums,), float64
            The first is the number of recordings. Sums of parts add up to those of the whole.
        """
        ...

    def adapt(self, predictions: ArrayLike, sums: Float64) -> Float64:
        """Adapt recordings, or segments of recordings, to their speaker.

        Parameters
        ----------
        predictions : array, shape (n, n_heads, n_emotions)
            Probabilities, in [0, 1].
        sums : ndarray, shape (n_sums,)
            Of all recordings of the speaker.

        Returns
        -------
        ndarray, shape (n, n_emotions), float64
            Each row sums to 1.
        """
        ...


class ScoreNormalisation:
    """Adapts by the log-probabilities of a model's only head, or of its first one."""

    def sums(self, predictions: ArrayLike) -> Float64:
        """Sum over recordings of one speaker.

        Parameters
        ----------
        predictions : array, shape (n, n_heads, n_emotions)
            Probabilities; only emotions that the model distinguishes.

        Returns
        -------
        ndarray, shape (1 + 2 * n_emotions,), float64
            Number of recordings, and sums of the log-probabilities and of their squares.
        """
        logs = log_probabilities(np.asarray(predictions, np.float64)[:, 0])
        return np.concatenate([[len(logs)], logs.sum(axis=0), np.square(logs).sum(axis=0)])

    def adapt(self, predictions: ArrayLike, sums: Float64) -> Float64:
        """Normalise the probabilities of a speaker's recordings.

        Parameters
        ----------
        predictions : array, shape (n, n_heads, n_emotions)
            Recordings of the speaker; only emotions that the model distinguishes.
        sums : ndarray, shape (1 + 2 * n_emotions,)
            Over all recordings of the speaker. They should contain several emotions: what they have in common is
            attributed to the voice, so if all are angry, anger is removed.

        Returns
        -------
        ndarray, shape (n, n_emotions), float64
            Each row sums to 1. The order of the emotions of a speaker's only recording does not change.
        """
        n, (total, squares) = sums[0], np.split(sums[1:], 2)
        weight, mean = n / (n + SHRINKAGE), total / n
        spread = np.sqrt(np.maximum(squares / n - np.square(mean), 0)) + _SPREAD_FLOOR
        scale = (spread / np.exp(np.log(spread).mean())) ** weight
        return shares_of((log_probabilities(np.asarray(predictions, np.float64)[:, 0]) - weight * mean) / scale)


def log_probabilities(probabilities: Float64) -> Float64:
    """Return logarithms of probabilities, minus their mean over the emotions.

    Parameters
    ----------
    probabilities : ndarray, shape (..., n_emotions)
        In [0, 1].

    Returns
    -------
    ndarray, shape (..., n_emotions)
        Their mean over the emotions is 0.
    """
    logs = np.log(np.maximum(probabilities, _SMALLEST))
    return np.asarray(logs - logs.mean(axis=-1, keepdims=True))


def shares_of(logits: Float64) -> Float64:
    """Return the softmax of logits.

    Parameters
    ----------
    logits : ndarray, shape (..., n_emotions)

    Returns
    -------
    ndarray, shape (..., n_emotions), float64
        The last axis sums to 1.
    """
    shares = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=-1, keepdims=True))


def normalised(shares: Float64) -> Float64:
    """Scale probabilities to a sum of 1; let those that are all 0 say nothing.

    Parameters
    ----------
    shares : ndarray, shape (..., n_classes)
        In [0, 1].

    Returns
    -------
    ndarray, shape (..., n_classes), float64
        The last axis sums to 1.
    """
    sums = shares.sum(axis=-1, keepdims=True)
    return np.where(sums > 0, shares / np.where(sums > 0, sums, 1), 1 / shares.shape[-1])
