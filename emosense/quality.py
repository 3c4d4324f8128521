"""How far a label can be trusted, from the recording itself: level, clipping, speech, noise, distance from training.

Each figure is computed over the whole recording, window by window, in constant memory. They describe the signal that
the model hears: mono, at the model's sample rate.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emosense.rows import QUALITY_COLUMNS

Float32 = NDArray[np.float32]

_FRAME_S: Final = 0.02
_CLIPPED: Final = 0.999
_FLOOR_DB: Final = -120.0
# A frame is speech when it is this much above the quiet tenth of the recording and within 30 dB of its loud part: the
# loudest tenth, of a long recording the loudest half second, since one word in a minute is less than a tenth.
_ABOVE_NOISE_DB: Final = 10.0
_BELOW_SPEECH_DB: Final = 30.0
_LOUD_SHARE: Final = 0.1
_LOUD_FRAMES: Final = 25
# Frame levels are counted in bins of 1 dB, so that a recording of any length needs the same memory.
_BINS_DB: Final = np.arange(_FLOOR_DB, 21.0)


@dataclasses.dataclass(frozen=True, slots=True)
class FeatureStatistics:
    """Where the training recordings' time-averaged features lie.

    Parameters
    ----------
    mean, sd : tuple of float, one a band
        A band that never changes in training, of deviation 0, says nothing of a distance.
    distance_p99 : float
        99th percentile over the training recordings of the root mean square of their standardised averages.
    """

    mean: tuple[float, ...]
    sd: tuple[float, ...]
    distance_p99: float

    def __post_init__(self) -> None:
        """Refuse what no distance can be measured by."""
        if len(self.mean) != len(self.sd) or not np.isfinite((*self.mean, *self.sd, self.distance_p99)).all():
            raise ValueError("mean and sd must be finite numbers, one a band")
        if min(self.sd, default=0.0) < 0 or self.distance_p99 <= 0:
            raise ValueError("sd must not be negative, and distance_p99 must be positive")

    @classmethod
    def of(cls, features: Sequence[Float32]) -> FeatureStatistics:
        """Measure a training set; each array has shape (n_values,) or (n_frames, n_bands)."""
        averages = np.array([_average(values) for values in features], np.float64)
        mean, sd = _significant(averages.mean(axis=0)), _significant(averages.std(axis=0))
        unscaled = cls(mean, sd, 1.0)
        p99 = float(np.percentile([unscaled.distance(values) for values in features], 99))
        return dataclasses.replace(unscaled, distance_p99=round(p99, 6) or 1.0)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> FeatureStatistics:
        """Rebuild from what ``model.json`` holds."""
        return cls(tuple(values["mean"]), tuple(values["sd"]), float(values["distance_p99"]))

    def distance(self, features: Float32) -> float:
        """Distance from the training set: 1 is as far as one in a hundred training recordings, more is unknown land."""
        sd = np.array(self.sd)
        changes = sd > 0
        if not changes.any():
            return 0.0
        deviation = (_average(features) - np.array(self.mean))[changes] / sd[changes]
        return float(np.sqrt((deviation**2).mean())) / self.distance_p99


def _significant(values: NDArray[np.float64]) -> tuple[float, ...]:
    """Six digits of each: mel power lies around 1e-7, where six decimals would leave nothing."""
    return tuple(float(f"{value:.6g}") for value in values)


def _average(features: Float32) -> NDArray[np.float64]:
    averaged = features.mean(axis=0, dtype=np.float64) if features.ndim == 2 else features
    return np.asarray(averaged, np.float64)


class QualityMeter:
    """Gathers the figures of one recording from its windows."""

    def __init__(self, sample_rate: int) -> None:
        self._frame = max(1, round(_FRAME_S * sample_rate))
        self._power = self._weight_s = self._distance = 0.0
        self._n_samples = self._n_clipped = 0
        self._counts = np.zeros(len(_BINS_DB), np.int64)

    def add(self, waveform: Float32, distance: float | None, length_s: float) -> None:
        """Take one window into account; `distance` is None where the model has no statistics."""
        self._power += float(np.dot(waveform, waveform))
        self._n_samples += len(waveform)
        self._n_clipped += int(np.count_nonzero(np.abs(waveform) >= _CLIPPED))
        if distance is not None:
            self._distance += distance * length_s
            self._weight_s += length_s
        whole = waveform[: len(waveform) // self._frame * self._frame].reshape(-1, self._frame)
        level_db = 10 * np.log10(np.maximum(np.square(whole).mean(axis=1), 10 ** (_FLOOR_DB / 10)))
        index = np.clip(np.round(level_db - _FLOOR_DB).astype(int), 0, len(_BINS_DB) - 1)
        self._counts += np.bincount(index, minlength=len(_BINS_DB))

    def figures(self) -> tuple[float | None, ...]:
        """Return the values of `QUALITY_COLUMNS`; None where there is nothing to say."""
        if not self._n_samples:
            return (None,) * len(QUALITY_COLUMNS)
        level = 10 * np.log10(max(self._power / self._n_samples, 10 ** (_FLOOR_DB / 10)))
        n_frames = max(int(self._counts.sum()), 1)
        share, loud_share = np.cumsum(self._counts) / n_frames, min(_LOUD_SHARE, _LOUD_FRAMES / n_frames)
        noise, speech = (float(_BINS_DB[int(np.searchsorted(share, part))]) for part in (0.1, 1 - loud_share))
        # Where all frames are about as loud, nothing tells speech from noise: then all of them count.
        above_noise = noise + _ABOVE_NOISE_DB if speech - noise > _ABOVE_NOISE_DB else _FLOOR_DB
        threshold = max(above_noise, speech - _BELOW_SPEECH_DB)
        speech_ratio = float(self._counts[threshold <= _BINS_DB].sum()) / n_frames
        distance = self._distance / self._weight_s if self._weight_s else None
        clipping = self._n_clipped / self._n_samples
        return (round(float(level), 2), round(clipping, 6), round(speech_ratio, 4), round(speech - noise, 2), (
            None if distance is None else round(distance, 4)
        ))  # fmt: skip
