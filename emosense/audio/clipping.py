"""Blocks of samples -> how much of each channel is clipped.

Counted at the recording's own rate and before channels are mixed: after either, clipped samples are no longer at full
scale.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emosense.arrays import Float32

# A sample this close to full scale is clipped.
_CLIPPED: Final = 0.999
_BIN_S: Final = 0.02
# Blocks with clipped samples whose places are remembered: an hour and a half at 48 kHz.
_KEPT: Final = 4096


class ClippingMeter:
    """Counts the clipped samples of one recording.

    Parameters
    ----------
    sample_rate : int
        Of the blocks, in Hz.
    n_channels : int
        Channels of the blocks.
    """

    def __init__(self, sample_rate: int, n_channels: int) -> None:
        self._sample_rate = sample_rate
        self._bin = max(1, round(_BIN_S * sample_rate))
        self._n_frames, self._n_clipped = 0, np.zeros(n_channels, np.int64)
        self._kept: deque[tuple[int, NDArray[np.int64]]] = deque(maxlen=_KEPT)

    def add(self, block: Float32, peak: float) -> None:
        """Count the clipped samples of the next block.

        Parameters
        ----------
        block : ndarray, shape (n_frames, n_channels), float32
        peak : float
            Its largest absolute value.
        """
        if peak >= _CLIPPED:
            is_clipped = np.abs(block) >= _CLIPPED
            by_bin = np.add.reduceat(is_clipped, np.arange(0, len(block), self._bin), axis=0, dtype=np.int64)
            self._n_clipped += by_bin.sum(axis=0)
            self._kept.append((self._n_frames, by_bin))
        self._n_frames += len(block)

    def ratio(self, channel: int | None) -> float:
        """Return the share of clipped samples of the whole recording so far.

        Parameters
        ----------
        channel : int or None
            A channel, from 1; None for the highest share of any.

        Returns
        -------
        float
            0 to 1.
        """
        return self._share(self._n_clipped, self._n_frames, channel)

    def ratio_between(self, start_s: float, end_s: float, channel: int | None) -> float:
        """Return the share of clipped samples of a time span, whose ends are rounded to 20 ms.

        Parameters
        ----------
        start_s, end_s : float
            In seconds.
        channel : int or None
            A channel, from 1; None for the highest share of any.

        Returns
        -------
        float
            0 to 1.
        """
        first, end = start_s * self._sample_rate, end_s * self._sample_rate
        n_clipped = np.zeros_like(self._n_clipped)
        for start, by_bin in self._kept:
            if start < end and start + len(by_bin) * self._bin > first:
                middles = start + (np.arange(len(by_bin)) + 0.5) * self._bin
                n_clipped += by_bin[(middles >= first) & (middles < end)].sum(axis=0)
        return min(1.0, self._share(n_clipped, end - first, channel))

    @staticmethod
    def _share(n_clipped: NDArray[np.int64], n_frames: float, channel: int | None) -> float:
        return float(n_clipped.max() if channel is None else n_clipped[channel - 1]) / max(n_frames, 1)
