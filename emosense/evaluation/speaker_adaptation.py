"""Probabilities of one speaker's recordings -> the same, normalised for the speaker.

A voice that is naturally low and flat sounds sad in every recording. The mean and the spread of the model's
log-probabilities over a speaker's recordings, for which no labels are needed, measure this bias. They are normalised,
as scores are in speaker verification (Auckenthaler et al. 2000, doi 10.1006/dspr.1999.0360), and the fewer recordings
there are, the weaker the normalisation is. Only sums of log-probabilities are needed: no audio is read twice.

Log-probabilities have axes (recordings, emotions), centred over the emotions of each recording.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

# A speaker with this many recordings is normalised by half; a single recording keeps its label.
SHRINKAGE: Final = 10.0
# The smallest probability that a table can express.
_SMALLEST: Final = 1e-6
# Added to a spread, so that a spread that is small by chance does not inflate an emotion.
_SPREAD_FLOOR: Final = 1.0


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class SpeakerStatistics:
    """Sums over a speaker's recordings.

    Attributes
    ----------
    n : int
        Number of recordings.
    total, squares : ndarray, shape (n_emotions,)
        Sums of the log-probabilities and of their squares.
    """

    n: int
    total: Float64
    squares: Float64

    @classmethod
    def of(cls, probabilities: Iterable[Iterable[float]]) -> SpeakerStatistics:
        """Sum over recordings of one speaker.

        Parameters
        ----------
        probabilities : array, shape (n, n_emotions)
            Recordings of one speaker.

        Returns
        -------
        SpeakerStatistics
            Their sums.
        """
        logs = log_probabilities(np.asarray(probabilities, np.float64))
        return cls(len(logs), logs.sum(axis=0), np.square(logs).sum(axis=0))

    def __add__(self, other: SpeakerStatistics) -> SpeakerStatistics:
        """Add recordings of the same speaker."""
        return SpeakerStatistics(self.n + other.n, self.total + other.total, self.squares + other.squares)


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


def adapt(probabilities: Float64, speaker: SpeakerStatistics) -> Float64:
    """Normalise the probabilities of a speaker's recordings.

    Parameters
    ----------
    probabilities : ndarray, shape (n, n_emotions)
        Recordings of the speaker; only emotions that the model distinguishes.
    speaker : SpeakerStatistics
        Sums over all recordings of the speaker. They should contain several emotions: what they have in common is
        attributed to the voice, so if all are angry, anger is removed.

    Returns
    -------
    ndarray, shape (n, n_emotions)
        Each row sums to 1. The order of the emotions of a speaker's only recording does not change.
    """
    weight = speaker.n / (speaker.n + SHRINKAGE)
    mean = speaker.total / speaker.n
    spread = np.sqrt(np.maximum(speaker.squares / speaker.n - np.square(mean), 0)) + _SPREAD_FLOOR
    scale = (spread / np.exp(np.log(spread).mean())) ** weight
    logs = (log_probabilities(probabilities) - weight * mean) / scale
    shares = np.exp(logs - logs.max(axis=-1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=-1, keepdims=True))
