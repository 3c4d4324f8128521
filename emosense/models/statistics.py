"""Statistics of the features of the training recordings, and how far another recording is from them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emosense.arrays import Float32


@dataclasses.dataclass(frozen=True, slots=True)
class FeatureStatistics:
    """Statistics of the time-averaged features of the training recordings.

    Parameters
    ----------
    mean, sd : tuple of float
        One value per band. Bands that are constant in training, of deviation 0, do not count in a distance.
    distance_p99 : float
        99th percentile, over the training recordings, of the root mean square of the standardised averages.

    Raises
    ------
    ValueError
        If a number is not finite, or out of range.
    """

    mean: tuple[float, ...]
    sd: tuple[float, ...]
    distance_p99: float

    def __post_init__(self) -> None:
        """Refuse values from which no distance can be computed."""
        if len(self.mean) != len(self.sd) or not np.isfinite((*self.mean, *self.sd, self.distance_p99)).all():
            raise ValueError("mean and sd must be finite numbers, one per band")
        if min(self.sd, default=0.0) < 0 or self.distance_p99 <= 0:
            raise ValueError("sd must not be negative, and distance_p99 must be positive")

    @classmethod
    def of(cls, features: Sequence[Float32]) -> FeatureStatistics:
        """Compute the statistics of a training set.

        Parameters
        ----------
        features : sequence of ndarray, float32
            One array per recording, each of shape (n_values,) or (n_frames, n_bands).

        Returns
        -------
        FeatureStatistics
            The statistics, mean and deviation with six significant digits.
        """
        averages = np.array([_average(values) for values in features], np.float64)
        mean, sd = _significant(averages.mean(axis=0)), _significant(averages.std(axis=0))
        unscaled = cls(mean, sd, 1.0)
        p99 = float(np.percentile([unscaled.distance(values) for values in features], 99))
        return dataclasses.replace(unscaled, distance_p99=round(p99, 6) or 1.0)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> FeatureStatistics:
        """Rebuild the statistics.

        Parameters
        ----------
        values : dict
            From ``model.json``.

        Returns
        -------
        FeatureStatistics
            The statistics.
        """
        return cls(tuple(values["mean"]), tuple(values["sd"]), float(values["distance_p99"]))

    def distance(self, features: Float32) -> float:
        """Compute the distance of a recording from the training set.

        Parameters
        ----------
        features : ndarray, shape (n_values,) or (n_frames, n_bands), float32
            Features of the recording.

        Returns
        -------
        float
            From 0; one in a hundred training recordings has a distance above 1.
        """
        sd = np.array(self.sd)
        changes = sd > 0
        if not changes.any():
            return 0.0
        deviation = (_average(features) - np.array(self.mean))[changes] / sd[changes]
        return float(np.sqrt((deviation**2).mean())) / self.distance_p99


def _significant(values: NDArray[np.float64]) -> tuple[float, ...]:
    """Round to six significant digits: mel power is around 1e-7, which six decimals would round to 0."""
    return tuple(float(f"{value:.6g}") for value in values)


def _average(features: Float32) -> NDArray[np.float64]:
    averaged = features.mean(axis=0, dtype=np.float64) if features.ndim == 2 else features
    return np.asarray(averaged, np.float64)
