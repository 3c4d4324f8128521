"""Frames of the training recordings -> how far other frames are from them.

Two measures, for features with frames:

- the averages of the frames over time, as far from those of the nearest training speaker as
  `emosense.training.familiarity.speaker_distance` says: another microphone, room or noise;
- the share of the course of the spectrum over half a second that no section of the training resembles: other sounds in
  another order, such as another language or, if the training data has two sentences, any other sentence.

For the second one, the smooth part of each frame (its first cosines over the bands) loses its mean over time and is
scaled to a deviation of 1; sections of eight such frames, four frames apart, are compared with a codebook (k-means) of
those of the training.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emosense.arrays import Float32, Float64
from emosense.features.filterbanks import dct_matrix
from emosense.training.familiarity.speaker_distance import SpeakerDistance, learn_speaker_distance

N_TAPS: Final = 8
# In frames: between those of a section, and from one section to the next.
DILATION: Final = 4
STRIDE: Final = 2
PADDING: Final = (N_TAPS - 1) * DILATION // 2
# Added to deviations (dB, those of speech are above 10) and sums, so that a constant recording has a share of 0.
SMALLEST: Final = np.float32(0.1)
_N_COEFFICIENTS: Final = 8
_N_WORDS: Final = 128
_MAX_SECTIONS: Final = 30_000
# Bands next to each other resemble each other, so that fewer directions say as much.
_SHARE_OF_BANDS: Final = 1 / 6


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class SectionCodebook:
    """What sections of the training recordings are like.

    Parameters
    ----------
    cosines : ndarray, shape (n_bands, n_coefficients), float32
        Makes coefficients of a frame.
    scale : ndarray, shape (n_coefficients,), float32
        One over the deviation of each coefficient; 0 for what is constant in training.
    words : ndarray, shape (n_words, N_TAPS, n_coefficients), float16
        Typical sections, scaled.
    """

    cosines: Float32
    scale: Float32
    words: NDArray[np.float16]

    def unexplained(self, frames: Float32) -> float:
        """Compute the share of a recording's course that no word explains.

        Parameters
        ----------
        frames : ndarray, shape (n_frames, n_bands), float32
            One recording.

        Returns
        -------
        float
            Squared distance of its sections to the nearest words (or to no change at all), relative to their squared
            length; from 0 to 1.
        """
        sections = _sections(_coefficients(frames, self.cosines) * self.scale)
        words = self.words.reshape(len(self.words), -1).astype(np.float32)
        explained = (2 * sections @ words.T - np.square(words).sum(axis=1)).max(axis=1, initial=0)
        length = np.square(sections).sum()
        return float((length - explained.sum()) / (length + SMALLEST))


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class FramesMeasure:
    """Both measures of recordings with frames.

    Parameters
    ----------
    averages : SpeakerDistance
        On `over_time` of a recording; only its first distance counts.
    codebook : SectionCodebook
        On the frames.
    """

    averages: SpeakerDistance
    codebook: SectionCodebook

    def distances(self, recordings: Sequence[Float32]) -> Float64:
        """Compute the distance of the averages, and the share that is unexplained.

        Parameters
        ----------
        recordings : sequence of ndarray, each shape (n_frames, n_bands), float32
            Frames of each recording.

        Returns
        -------
        ndarray, shape (n, 2), float64
            At least 0.
        """
        averages = self.averages.distances([over_time(frames) for frames in recordings])[:, 0]
        return np.stack([averages, [self.codebook.unexplained(frames) for frames in recordings]], axis=1)


def learn_frames_measure(recordings: Sequence[Float32], speakers: NDArray[np.int64]) -> FramesMeasure:
    """Learn both measures from the training recordings.

    Parameters
    ----------
    recordings : sequence of ndarray, each shape (n_frames, n_bands), float32
        Frames of each recording.
    speakers : ndarray, shape (n,), int64
        A number for the speaker of each.

    Returns
    -------
    FramesMeasure
        What was learned.
    """
    averages = learn_speaker_distance([over_time(frames) for frames in recordings], speakers, _SHARE_OF_BANDS)
    return FramesMeasure(averages, _learn_codebook(recordings))


def over_time(frames: Float32) -> Float32:
    """Compute what averages say of a recording.

    Parameters
    ----------
    frames : ndarray, shape (n_frames, n_bands), float32
        One recording; at least one frame.

    Returns
    -------
    ndarray, shape (3 * n_bands,), float32
        Mean over time, deviation, and deviation of the changes from frame to frame.
    """
    changes = np.diff(frames, axis=0, prepend=frames[:1])
    return np.concatenate([frames.mean(axis=0), frames.std(axis=0), changes.std(axis=0)])


def _learn_codebook(recordings: Sequence[Float32]) -> SectionCodebook:
    from sklearn.cluster import MiniBatchKMeans

    n_bands = recordings[0].shape[1]
    cosines = np.asarray(dct_matrix(n_bands, min(n_bands, _N_COEFFICIENTS)), np.float32)
    coefficients = [_coefficients(frames, cosines) for frames in recordings]
    deviation = np.concatenate(coefficients).std(axis=0)
    scale = np.divide(1, deviation, out=np.zeros_like(deviation), where=deviation > SMALLEST)
    sections = np.concatenate([_sections(each * scale) for each in coefficients])
    if len(sections) > _MAX_SECTIONS:
        sections = sections[np.random.default_rng(0).choice(len(sections), _MAX_SECTIONS, replace=False)]
    n_words = min(_N_WORDS, len(sections))
    clusters = MiniBatchKMeans(n_words, batch_size=4096, max_iter=20, n_init=1, random_state=0).fit(sections)
    words = clusters.cluster_centers_.reshape(n_words, N_TAPS, -1)
    return SectionCodebook(cosines, scale, words.astype(np.float16))


def _coefficients(frames: Float32, cosines: Float32) -> Float32:
    """Smooth part of each frame without its mean over time, shape (n_frames, n_coefficients), on a scale of its own."""
    coefficients = frames @ cosines
    centred = coefficients - coefficients.mean(axis=0)
    return np.asarray(centred / (centred.std(axis=0).mean() + SMALLEST), np.float32)


def _sections(coefficients: Float32) -> Float32:
    """Sections, one at least, shape (n, N_TAPS * n_coefficients); beyond both ends the recording is at its mean."""
    padded = np.pad(coefficients, ((PADDING, PADDING), (0, 0)))
    starts = np.arange(0, len(coefficients), STRIDE)
    return np.asarray(padded[starts[:, np.newaxis] + DILATION * np.arange(N_TAPS)].reshape(len(starts), -1))
