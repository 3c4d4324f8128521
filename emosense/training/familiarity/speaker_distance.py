"""Vectors of the training recordings, one each -> how far another recording is from the nearest training speaker.

Vectors are whitened with the scatter within speakers, shrunk towards its diagonal (Mahalanobis distance), and measured
in two ways:

- the distance to the mean of the nearest speaker finds what lies outside of all training recordings;
- that between the directions from the overall mean to the recording and to the nearest speaker also finds a new corpus
  between corpora of very different spread.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emosense.arrays import Float32, Float64

# Share of the directions that are measured, and how many at least and at most: as good as all (docs/results.md).
_SHARE: Final = 1 / 2
_MIN_DIRECTIONS, _MAX_DIRECTIONS = 32, 256
_SHRINKAGE: Final = 0.3
_SMALLEST: Final = 1e-12


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class SpeakerDistance:
    """Whitened means of the training speakers.

    Parameters
    ----------
    mean : ndarray, shape (n_values,), float32
        Mean of the training recordings.
    whitening : ndarray, shape (n_values, n_directions), float16
        Multiplied with a deviation from `mean`.
    speakers : ndarray, shape (n_speakers, n_directions), float16
        Whitened mean of each training speaker.
    """

    mean: NDArray[np.float32]
    whitening: NDArray[np.float16]
    speakers: NDArray[np.float16]

    def distances(self, recordings: Sequence[Float32]) -> Float64:
        """Compute the distance to the nearest speaker, and that of the directions.

        Parameters
        ----------
        recordings : sequence of ndarray, each shape (n_values,), float32
            One vector per recording.

        Returns
        -------
        ndarray, shape (n, 2), float64
            At least 0.
        """
        whitened = (np.asarray(recordings, np.float64) - self.mean) @ self.whitening.astype(np.float64)
        speakers = self.speakers.astype(np.float64)
        length, length_of = (np.square(each).sum(axis=1) for each in (whitened, speakers))
        products = whitened @ speakers.T
        squared = (length[:, np.newaxis] + length_of - 2 * products).min(axis=1)
        cosine = products / np.sqrt(np.maximum(np.outer(length, length_of), _SMALLEST))
        found = np.stack([squared, 2 - 2 * cosine.max(axis=1)], axis=1)
        return np.asarray(np.sqrt(np.maximum(found, 0)))


def learn_speaker_distance(
    recordings: Sequence[Float32], speakers: NDArray[np.int64], share: float = _SHARE
) -> SpeakerDistance:
    """Compute means and whitening.

    Parameters
    ----------
    recordings : sequence of ndarray, each shape (n_values,), float32
        Training recordings.
    speakers : ndarray, shape (n,), int64
        A number for the speaker of each.
    share : float
        Share of the directions to measure, those with the most scatter first; from 0 to 1, but 32 to 256 of them.

    Returns
    -------
    SpeakerDistance
        What was learned.
    """
    values = np.asarray(recordings, np.float64)
    n_directions = min(max(round(share * values.shape[1]), _MIN_DIRECTIONS), _MAX_DIRECTIONS, values.shape[1])
    _, of_row = np.unique(speakers, return_inverse=True)
    n_of = np.bincount(of_row)
    means = np.zeros((len(n_of), values.shape[1]))
    np.add.at(means, of_row, values)
    means /= n_of[:, np.newaxis]
    mean = values.mean(axis=0).astype(np.float32)
    # With about one recording per speaker there is no scatter within speakers.
    deviations = values - (means[of_row] if len(values) >= 2 * len(n_of) else mean)
    scatter = deviations.T @ deviations / len(values)
    sd = np.sqrt(np.diag(scatter))
    # What is constant in training does not count.
    inverse = np.divide(1.0, sd, out=np.zeros_like(sd), where=sd > 1e-6 * sd.max(initial=0.0))
    correlation = (1 - _SHRINKAGE) * scatter * np.outer(inverse, inverse)
    np.fill_diagonal(correlation, 1.0)
    found, directions = np.linalg.eigh(correlation)
    # Whitened vectors have a mean square around 1, which float16 can hold.
    scaled = inverse[:, np.newaxis] * directions / np.sqrt(found * n_directions)
    whitening = scaled[:, -n_directions:].astype(np.float16)
    return SpeakerDistance(mean, whitening, ((means - mean) @ whitening.astype(np.float64)).astype(np.float16))
