"""Waveform -> the same without what lies below the voice: DC, rumble and the fundamental of mains hum.

What lies below 75 Hz is subtracted, what lies above 90 Hz, where the deepest voices begin, stays as it is. There is no
phase shift, and hum of 60 Hz as loud as the speech is gone: a Butterworth filter of order 8 leaves it at -28 dB.

The part below 90 Hz is found at 500 Hz, where its FFT is short: the waveform is reduced to this rate and the part
brought back by products of small matrices, a fifth of the work of an FFT of the whole waveform each way. Nothing of
SciPy's signal package is needed, whose import would cost each worker 0.4 s.
"""

from __future__ import annotations

import functools
from typing import Final

import numpy as np

from emosense.arrays import Float32

STOP_HZ: Final = 75.0
PASS_HZ: Final = 90.0
# The filter rings for about this long; both ends of a waveform are continued by as much.
_LEAD_S: Final = 0.1
_COARSE_HZ: Final = 500.0
# Steps that the kernel between the rates spans; its Kaiser window keeps what would fold below 90 Hz at -100 dB.
_SPAN: Final = 12
_KAISER_BETA: Final = 10.0


def high_pass(waveform: Float32, sample_rate: int) -> Float32:
    """Remove what lies below the voice.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float32
        At least one sample.
    sample_rate : int
        Hz, at least 1000.

    Returns
    -------
    ndarray, shape (n_samples,), float32
        The filtered waveform. Its ends have no transients: they are continued by their mirror images.
    """
    kernel = _kernel(sample_rate)
    step = kernel.shape[1]
    n_lead = min(round(_LEAD_S * sample_rate), len(waveform) - 1)
    # The kernel reaches half its span beyond both ends.
    n_reach = _SPAN // 2 * step
    n_coarse = -(-(len(waveform) + 2 * n_lead) // step)
    continued = np.empty((n_coarse + _SPAN) * step, np.float32)
    first = n_reach + n_lead
    end = first + len(waveform)
    continued[first:end] = waveform
    continued[n_reach:first] = 2 * waveform[0] - waveform[n_lead:0:-1]
    continued[end : end + n_lead] = 2 * waveform[-1] - waveform[-2 : -2 - n_lead : -1]
    continued[:n_reach], continued[end + n_lead :] = continued[n_reach], continued[end + n_lead - 1]
    # A constant leaves nothing at all, not even what is lost by rounding.
    continued -= waveform[0]
    # Row m of the product has what step m gives to the coarse samples around it.
    given = continued.reshape(-1, step) @ np.ascontiguousarray(kernel.T)
    coarse = given[: n_coarse + 1, 0].copy()
    for place in range(1, _SPAN):
        coarse += given[place : place + n_coarse + 1, place]
    low = _below_voice(coarse, sample_rate / step) * np.float32(step)
    spread = np.zeros((_SPAN, n_coarse + _SPAN), np.float32)
    for place in range(_SPAN):
        spread[place, place : place + n_coarse + 1] = low
    low_part = (spread.T @ kernel).reshape(-1)[first:end]
    return np.asarray(continued[first:end] - low_part)


def _below_voice(coarse: Float32, coarse_hz: float) -> Float32:
    """Return the part of the coarse waveform that lies below the voice."""
    import scipy.fft

    n = scipy.fft.next_fast_len(len(coarse) + round(_LEAD_S * coarse_hz), real=True)
    # The rest of the transform's length leads from the last sample back to the first, without a step.
    way_back = np.linspace(coarse[-1], coarse[0], n - len(coarse) + 2, dtype=np.float32)[1:-1]
    spectrum = scipy.fft.rfft(np.concatenate((coarse, way_back)))
    bin_hz = coarse_hz / n
    first, end = (min(len(spectrum), int(edge / bin_hz) + 1) for edge in (STOP_HZ, PASS_HZ))
    rising = (np.arange(first, end) * bin_hz - STOP_HZ) / (PASS_HZ - STOP_HZ)
    spectrum[first:end] *= (np.cos(np.pi / 2 * rising) ** 2).astype(np.float32)
    spectrum[end:] = 0
    return np.asarray(scipy.fft.irfft(spectrum, n)[: len(coarse)], np.float32)


@functools.cache
def _kernel(sample_rate: int) -> Float32:
    """Return the low-pass kernel between the rates, shape (_SPAN, step): one row for each step of the coarse rate."""
    step = max(1, round(sample_rate / _COARSE_HZ))
    # Symmetric about the coarse sample, which lies between two steps.
    time = (np.arange(_SPAN * step) - (_SPAN * step - 1) / 2) / step
    kernel = np.sinc(time) * np.kaiser(_SPAN * step, _KAISER_BETA)
    return np.asarray((kernel / kernel.sum()).reshape(_SPAN, step), np.float32)
