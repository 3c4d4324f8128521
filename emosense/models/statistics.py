"""Where the training recordings' features lie: how far a recording is from what a model knows."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emosense.arrays import Float32


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
