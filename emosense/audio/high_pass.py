"""Waveform -> the same without what lies below the voice: DC, rumble and the fundamental of mains hum.

An elliptic filter of order 8: less than 0.3 dB from 90 Hz on, where the deepest voices begin, and 60 dB below 75 Hz, so
that hum of 60 Hz as loud as the speech is gone. A Butterworth filter of the same order leaves 60 Hz at -28 dB.
"""

from __future__ import annotations

import functools
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emosense.arrays import Float32

PASS_HZ: Final = 90.0
_ORDER: Final = 8
_RIPPLE_DB: Final = 0.2
_STOP_DB: Final = 60.0
# The filter rings for about this long; the start of a waveform is continued backwards by as much.
_LEAD_S: Final = 0.1


@functools.cache
def _sections(sample_rate: int) -> NDArray[np.float64]:
    from scipy.signal import ellip

    sections = ellip(_ORDER, _RIPPLE_DB, _STOP_DB, PASS_HZ, "highpass", fs=sample_rate, output="sos")
    return np.asarray(sections)


def high_pass(waveform: Float32, sample_rate: int) -> Float32:
    """Remove what lies below the voice.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float32
        At least one sample.
    sample_rate : int
        Hz, above 180.

    Returns
    -------
    ndarray, shape (n_samples,), float32
        The filtered waveform. Its start has no transient: the filter begins on the waveform mirrored at its first
        sample.
    """
    from scipy.signal import sosfilt

    n_lead = min(round(_LEAD_S * sample_rate), len(waveform) - 1)
    # In float64: in float32 the filter's own rounding is as loud as a quiet voice.
    centred = waveform - waveform.mean(dtype=np.float64)
    lead = 2 * centred[0] - centred[n_lead:0:-1]
    filtered = sosfilt(_sections(sample_rate), np.concatenate((lead, centred)))
    return np.asarray(filtered[n_lead:], np.float32)
