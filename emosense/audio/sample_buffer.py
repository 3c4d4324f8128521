"""Blocks of samples -> windows."""

from __future__ import annotations

import numpy as np

from emosense.arrays import Float32


class SampleBuffer:
    """Samples of all channels that wait for a full window. Blocks are joined only when a window is taken."""

    def __init__(self) -> None:
        self._blocks: list[Float32] = []
        self._n = 0

    def __len__(self) -> int:
        """Return the number of samples of a channel."""
        return self._n

    def append(self, samples: Float32) -> None:
        """Add samples at the end.

        Parameters
        ----------
        samples : ndarray, shape (n_samples, n_channels), float32
            Kept, not copied.
        """
        self._blocks.append(samples)
        self._n += len(samples)

    def head(self, n: int) -> Float32:
        """Return the first samples.

        Parameters
        ----------
        n : int
            How many, >= 0; fewer are returned if there are fewer.

        Returns
        -------
        ndarray, shape (n_samples, n_channels), float32
            A view.
        """
        return self._joined()[:n]

    def drop(self, n: int) -> None:
        """Forget the first samples.

        Parameters
        ----------
        n : int
            How many, >= 0.
        """
        # A copy, so that what is dropped is freed.
        self._blocks = [self._joined()[n:].copy()]
        self._n = len(self._blocks[0])

    def _joined(self) -> Float32:
        if len(self._blocks) != 1:
            self._blocks = [np.concatenate(self._blocks)]
        return self._blocks[0]
