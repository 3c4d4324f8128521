"""Probabilities of one speaker's recordings -> the same, with what the speaker sounds like in general taken out.

A voice that is low and flat by nature sounds sad in every recording. Without any label, the mean and the spread of the
model's log-probabilities over a speaker's recordings tell how the model hears that voice; they are taken out, as score
normalisation does in speaker verification (Auckenthaler et al. 2000, doi 10.1006/dspr.1999.0360), and shrunk towards
doing nothing where there are few recordings. Only sums of probabilities are needed: no audio is read twice.

Log-probabilities have axes (recordings, emotions), centred over the emotions of each recording.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

# A speaker with this many recordings is taken out by half; one recording alone keeps its label.
SHRINKAGE: Final = 10.0
# The smallest digit that a table keeps.
_SMALLEST: Final = 1e-6
# Added to a spread: one that is small by chance must not blow an emotion up.
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
        """Gather the recordings of one speaker, shape (n, n_emotions)."""
        logs = log_probabilities(np.asarray(probabilities, np.float64))
        return cls(len(logs), logs.sum(axis=0), np.square(logs).sum(axis=0))

    def __add__(self, other: SpeakerStatistics) -> SpeakerStatistics:
        """Gather more recordings of the same speaker."""
        return SpeakerStatistics(self.n + other.n, self.total + other.total, self.squares + other.squares)


def log_probabilities(probabilities: Float64) -> Float64:
    """Logarithms, less their mean over the emotions; shape (n, n_emotions)."""
    logs = np.log(np.maximum(probabilities, _SMALLEST))
    return np.asarray(logs - logs.mean(axis=-1, keepdims=True))


def adapt(probabilities: Float64, speaker: SpeakerStatistics) -> Float64:
    """Return the probabilities as they would be for a voice that the model hears without prejudice.

    Parameters
    ----------
    probabilities : ndarray, shape (n, n_emotions)
        Of recordings of the speaker; only emotions that the model tells apart.
    speaker : SpeakerStatistics
        Over all recordings of the speaker. They should hold several emotions: what a speaker's recordings have in
        common is taken for the voice, and where all are angry, anger is.

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
