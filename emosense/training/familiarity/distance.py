"""Recordings of a model's training -> what measures how far another recording is from them.

A recording is its embedding, its features without frames, or its frames: what the graph of the model makes of it
(`emosense.training.familiarity.graph.recording_values`). Vectors are measured by
`speaker_distance`, frames by `section_codebook`, each in two ways. Both are divided by their limits, and the larger one
counts: above 1 is unfamiliar. The limits are quantiles over training speakers who are held out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np

from emosense.arrays import Float32, Float64
from emosense.training.familiarity.section_codebook import FramesMeasure, learn_frames_measure
from emosense.training.familiarity.speaker_distance import SpeakerDistance, learn_speaker_distance

# Together, the two limits let 97.5 % of the recordings of held-out speakers pass.
_QUANTILE: Final = 0.9875
_N_FOLDS: Final = 5
_MAX_SPEAKERS: Final = 512


class Measure(Protocol):
    """Measures recordings in two ways."""

    def distances(self, recordings: Sequence[Float32]) -> Float64:
        """Compute both distances of each recording, shape (n, 2), at least 0."""
        ...


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Familiarity:
    """What the distance is computed with.

    Parameters
    ----------
    measure : SpeakerDistance or FramesMeasure
        What was learned from the training recordings.
    limits : tuple of float
        Limit of each of its two distances; above 0.
    """

    measure: SpeakerDistance | FramesMeasure
    limits: tuple[float, float]

    def distances(self, recordings: Sequence[Float32]) -> Float64:
        """Compute both distances, divided by their limits.

        Parameters
        ----------
        recordings : sequence of ndarray, each shape (n_values,) or (n_frames, n_bands), float32
            As in `learn_familiarity`.

        Returns
        -------
        ndarray, shape (n, 2), float64
            At least 0; the larger one of a row is the distance of the recording.
        """
        return self.measure.distances(recordings) / self.limits


def learn_familiarity(recordings: Sequence[Float32], speakers: Sequence[str]) -> Familiarity | None:
    """Learn from the training recordings what is familiar.

    Parameters
    ----------
    recordings : sequence of ndarray, each shape (n_values,) or (n_frames, n_bands), float32
        The training recordings, all of one kind.
    speakers : sequence of str, of the same length
        The speaker of each.

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
    learn = learn_frames_measure if recordings[0].ndim == 2 else learn_speaker_distance
    fold_of = np.random.default_rng(0).permutation(of_row.max() + 1) % _N_FOLDS
    held_out = np.zeros((len(recordings), 2))
    for fold in set(fold_of.tolist()):
        here = fold_of[of_row] == fold
        others = [recording for recording, is_here in zip(recordings, here, strict=True) if not is_here]
        measure: Measure = learn(others, of_row[~here])
        held_out[here] = measure.distances([recordings[row] for row in np.flatnonzero(here).tolist()])
    first, second = (float(limit) or 1.0 for limit in np.quantile(held_out, _QUANTILE, axis=0))
    return Familiarity(learn(recordings, of_row), (first, second))
