"""Recordings of a model's training -> what measures how far another recording is from them.

Each recording has one vector (`emosense.training.familiarity_graph.recording_values`). Vectors are whitened with the
scatter within speakers, shrunk towards its diagonal (Mahalanobis distance). Two distances are measured, each divided by
its limit, and the larger one counts:

- to the mean of the nearest speaker, which finds what lies outside of everything heard in training;
- between the directions from the overall mean to the recording and to the nearest speaker, which also finds a new
  corpus between corpora of very different spread.

The limits are quantiles over training speakers who are held out of means and scatter: above 1 is unfamiliar.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emosense.arrays import Float64

# Together, the two limits let 97.5 % of the recordings of held-out speakers pass.
_QUANTILE: Final = 0.9875
_SHRINKAGE: Final = 0.3
_N_FOLDS: Final = 5
_MAX_SPEAKERS: Final = 512
_SMALLEST: Final = 1e-12


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Familiarity:
    """What the distance is computed with.

    Parameters
    ----------
    mean : ndarray, shape (n_values,), float32
        Mean of the training recordings.
    whitening : ndarray, shape (n_values, n_directions), float16
        Multiplied with a deviation from `mean`.
    speakers : ndarray, shape (n_speakers, n_directions), float16
        Whitened mean of each training speaker.
    limits : tuple of float
        Limit of the distance, and of the distance between directions; above 0.
    """

    mean: NDArray[np.float32]
    whitening: NDArray[np.float16]
    speakers: NDArray[np.float16]
    limits: tuple[float, float] = (1.0, 1.0)

    def distances(self, values: Float64) -> Float64:
        """Compute both distances, divided by their limits.

        Parameters
        ----------
        values : ndarray, shape (n, n_values)
            One row per recording.

        Returns
        -------
        ndarray, shape (n, 2), float64
            At least 0; the larger one of a row is the distance of the recording.
        """
        whitened = (values - self.mean) @ self.whitening.astype(np.float64)
        speakers = self.speakers.astype(np.float64)
        length, length_of = (np.square(each).sum(axis=1) for each in (whitened, speakers))
        products = whitened @ speakers.T
        squared = (length[:, np.newaxis] + length_of - 2 * products).min(axis=1)
        cosine = products / np.sqrt(np.maximum(np.outer(length, length_of), _SMALLEST))
        found = np.stack([squared, 2 - 2 * cosine.max(axis=1)], axis=1)
        return np.asarray(np.sqrt(np.maximum(found, 0)) / self.limits)


def learn_familiarity(values: Float64, speakers: Sequence[str], n_directions: int) -> Familiarity | None:
    """Learn from the training recordings what is familiar.

    Parameters
    ----------
    values : ndarray, shape (n, n_values)
        One row per recording.
    speakers : sequence of str, length n
        The speaker of each.
    n_directions : int
        How many directions to measure, those with the most scatter first; from 1 to n_values.

    Returns
    -------
    Familiarity or None
        None if there are fewer than three speakers, of whom none can be held out.
    """
    names, of_row = np.unique(np.asarray(speakers), return_inverse=True)
    if len(names) < 3:
        return None
    # Of very many speakers, some that follow each other share a mean.
    of_row = of_row * min(len(names), _MAX_SPEAKERS) // len(names)
    fold_of = np.random.default_rng(0).permutation(of_row.max() + 1) % _N_FOLDS
    held_out = np.zeros((len(values), 2))
    for fold in set(fold_of.tolist()):
        here = fold_of[of_row] == fold
        held_out[here] = _fitted(values[~here], of_row[~here], n_directions).distances(values[here])
    first, second = (float(limit) or 1.0 for limit in np.quantile(held_out, _QUANTILE, axis=0))
    return dataclasses.replace(_fitted(values, of_row, n_directions), limits=(first, second))


def _fitted(values: Float64, speakers: NDArray[np.int64], n_directions: int) -> Familiarity:
    """Compute means and whitening, without limits."""
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
    return Familiarity(mean, whitening, ((means - mean) @ whitening.astype(np.float64)).astype(np.float16))
