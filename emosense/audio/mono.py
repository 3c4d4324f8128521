"""Blocks of any number of channels -> mono: the mean of the channels, or the louder one if they cancel each other."""

from __future__ import annotations

from typing import Final

import numpy as np

from emosense.arrays import Float32
from emosense.audio.silence import SILENCE_PEAK

# Channels cancel where their mean has less than this share of the power that unrelated channels would leave.
_CANCELLED: Final = 0.25


class MonoRule:
    """Makes the blocks of one recording mono. The first block with sound decides how."""

    def __init__(self) -> None:
        self._channel: int | None = None
        self._is_decided = False

    def __call__(self, block: Float32) -> Float32:
        """Return a block of shape (n_frames, n_channels) as mono, of shape (n_frames,)."""
        if block.shape[1] == 1:
            return np.ascontiguousarray(block[:, 0])
        mean = _mean(block)
        if not self._is_decided:
            peaks = np.abs(block).max(axis=0)
            if peaks.max() > SILENCE_PEAK:
                self._is_decided = True
                powers = np.square(block, dtype=np.float64).sum(axis=0)
                if np.square(mean, dtype=np.float64).sum() < _CANCELLED * powers.sum() / len(powers) ** 2:
                    self._channel = int(np.argmax(powers))
        return mean if self._channel is None else np.ascontiguousarray(block[:, self._channel])


def _mean(block: Float32) -> Float32:
    """Return the mean over the channels. For two, `ndarray.mean` over so short an axis takes thirty times as long."""
    if block.shape[1] == 2:
        return np.asarray((block[:, 0] + block[:, 1]) * np.float32(0.5))
    return np.asarray(block.mean(axis=1, dtype=np.float32))
