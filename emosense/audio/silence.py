"""Blocks of samples -> the end of the search where there is nothing but silence.

A file of some megabytes can unpack to gigabytes of silence. What comes after a bounded number of samples without any
sound is not read.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from emosense.arrays import Float32
from emosense.errors import RecordingError

# Below -100 dBFS there is no speech: one step of 16-bit audio is -90 dBFS.
SILENCE_PEAK: Final = 1e-5
# 93 minutes of 48 kHz stereo, 9 hours of 16 kHz mono; decoding as much from a FLAC takes 2 to 5 s.
MAX_SILENT_SAMPLES: Final = 1 << 29
# Less sound than this is a click.
_ENOUGH_S: Final = 0.1


def is_silent(waveform: Float32) -> bool:
    """Tell whether a waveform is too quiet for any speech.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float32 in [-1, 1]
        May be empty.

    Returns
    -------
    bool
    """
    return bool(max(-waveform.min(initial=0.0), waveform.max(initial=0.0)) < SILENCE_PEAK)


class SilenceLimit:
    """Refuses a recording once so many samples, of all channels together, have brought no more than a click.

    Parameters
    ----------
    sample_rate : int
        Of the blocks, in Hz.
    max_samples : int
        Where it ends, > 0.
    """

    def __init__(self, sample_rate: int, max_samples: int = MAX_SILENT_SAMPLES) -> None:
        self._sample_rate, self._max_samples = sample_rate, max_samples
        self._n_frames = self._n_samples = self._n_sounding = 0

    def add(self, block: Float32, span: float) -> None:
        """Look at the next block. Once there was enough sound, this costs nothing.

        Parameters
        ----------
        block : ndarray, shape (n_frames, n_channels), float32
            In order of time.
        span : float
            Its highest value less its lowest one.

        Raises
        ------
        RecordingError
            ``no_speech`` at the limit.
        """
        if self._n_sounding >= _ENOUGH_S * self._sample_rate:
            return
        if span > SILENCE_PEAK:
            self._look(block)
        self._n_frames += len(block)
        self._n_samples += block.size
        if self._n_samples > self._max_samples:
            silent_s = self._n_frames / self._sample_rate
            raise RecordingError("no_speech", f"the first {silent_s:.0f} s are silent; the rest was not read")

    def _look(self, block: Float32) -> None:
        """Count the samples that sound, until there are enough."""
        n_looked = self._sample_rate // 2
        for start in range(0, len(block), n_looked):
            part = block[max(0, start - 1) : start + n_looked]
            # A constant is no sound, and each channel may have its own.
            is_step = np.abs(part[1:] - part[:-1]) > SILENCE_PEAK
            # A reduction of one channel would take longer than all else here.
            self._n_sounding += int(np.count_nonzero(is_step if block.shape[1] == 1 else is_step.any(axis=1)))
            if self._n_sounding >= _ENOUGH_S * self._sample_rate:
                return
