"""Waveform -> the same without what lies below the voice: DC, rumble and the fundamental of mains hum.

The spectrum of the waveform is set to zero below 75 Hz and left as it is from 90 Hz on, where the deepest voices begin.
There is no phase shift, and hum of 60 Hz as loud as the speech is gone: a Butterworth filter of order 8 leaves it at
-28 dB. It needs one FFT each way and nothing of SciPy's signal package, whose import would cost each worker 0.4 s.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from emosense.arrays import Float32

STOP_HZ: Final = 75.0
PASS_HZ: Final = 90.0
# The filter rings for about this long; both ends of a waveform are continued by as much.
_LEAD_S: Final = 0.1


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
        The filtered waveform. Its ends have no transients: they are continued by their mirror images.
    """
    import scipy.fft

    n_lead = min(round(_LEAD_S * sample_rate), len(waveform) - 1)
    before = 2 * waveform[0] - waveform[n_lead:0:-1]
    after = 2 * waveform[-1] - waveform[-2 : -2 - n_lead : -1]
    continued = np.concatenate((before, waveform, after))
    n = scipy.fft.next_fast_len(len(continued), real=True)
    # The rest of the transform's length leads from the last sample back to the first, without a step.
    way_back = np.linspace(continued[-1], continued[0], n - len(continued) + 2, dtype=np.float32)[1:-1]
    spectrum = scipy.fft.rfft(np.concatenate((continued, way_back)))
    low, high = (int(hz * n / sample_rate) + 1 for hz in (STOP_HZ, PASS_HZ))
    spectrum[:low] = 0
    rising = (np.arange(low, high) * (sample_rate / n) - STOP_HZ) / (PASS_HZ - STOP_HZ)
    spectrum[low:high] *= (np.sin(np.pi / 2 * rising) ** 2).astype(np.float32)
    return np.asarray(scipy.fft.irfft(spectrum, n)[n_lead : n_lead + len(waveform)], np.float32)
