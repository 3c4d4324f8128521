"""Low bins of a power spectrogram -> pitch contour and its statistics.

Pitch is in semitones above 60 Hz; strength is the height of the autocorrelation's peak, about 1 for a clean tone.
Every frame has a pitch; the caller decides which frames are voiced.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from emosense.arrays import Bool, Float32, Float64
from emosense.features import filterbanks

# Pitch candidates are a quarter tone apart, from 60 to 508 Hz, from the bins below 2 kHz, where harmonics are resolved.
_LOW_HZ: Final = 60.0
_N_CANDIDATES: Final = 75
_BAND_HZ: Final = 2000.0
_CANDIDATES_PER_SEMITONE: Final = 2
_HISTOGRAM_SEMITONES: Final = 3
_N_HISTOGRAM_BINS: Final = 13
# Larger steps within one frame are octave errors, not movements of the voice.
_MAX_STEP_SEMITONES: Final = 3
NAMES: Final = (
    *("mean", "std", "p10", "p25", "p50", "p75", "p90", "p98", "range", "slope", "step", "step_up", "voiced"),
    *("strength_mean", "strength_std", "strength_p10", "strength_p50", "strength_p90"),
    *(f"share_{i}" for i in range(_N_HISTOGRAM_BINS)),
)


def n_bins(sample_rate: int, n_fft: int) -> int:
    """Return the number of low bins that `pitch_contour` takes.

    Parameters
    ----------
    sample_rate : int
        Hz.
    n_fft : int
        Length of the frame in samples.

    Returns
    -------
    int
        Bins from 0 Hz to 2 kHz.
    """
    return 1 + int(_BAND_HZ * n_fft / sample_rate)


def pitch_contour(power: Float32, sample_rate: int, n_fft: int) -> tuple[Float32, Float32]:
    """Compute pitch and its strength, for voiced and unvoiced frames alike.

    The peak of the autocorrelation of the power spectrum's cube root, which flattens formants
    (Tolonen & Karjalainen 2000, doi 10.1109/89.876309, with their exponent 0.67 on magnitudes).

    Parameters
    ----------
    power : ndarray, shape (n_frames, n_bins), float32
        The lowest `n_bins` of the power spectrogram, relative to the loudest frame.
    sample_rate, n_fft : int
        Sample rate in Hz and length of a frame in samples of the spectrogram.

    Returns
    -------
    pitch : ndarray, shape (n_frames,), float32
        Semitones above 60 Hz, 0 to 37.
    strength : ndarray, shape (n_frames,), float32
        Peak of the autocorrelation; about 1 for a clean tone, less for noise.
    """
    compressed = np.cbrt(np.maximum(power, np.float32(1e-9)))
    correlation = compressed @ _transform(sample_rate, n_fft, compressed.shape[1])
    best = correlation.argmax(axis=1)
    inner = np.minimum(np.maximum(best, 1), _N_CANDIDATES - 2)
    at = np.arange(0, correlation.size, _N_CANDIDATES) + inner
    flat = correlation.ravel()
    before, here, after = flat[at - 1], flat[at], flat[at + 1]
    # A parabola through three points; where they have no peak, the shift is at most one candidate.
    bend = np.minimum(before - 2 * here + after, np.float32(-1e-6))
    shift = np.minimum(np.maximum(0.5 * (before - after) / bend, -1), 1)
    total = compressed @ np.ones(compressed.shape[1], np.float32) - compressed[:, 0]
    return (inner + shift).astype(np.float32) / np.float32(_CANDIDATES_PER_SEMITONE), here / total


@functools.cache
def _transform(sample_rate: int, n_fft: int, n_bins: int) -> Float32:
    """Return the cosine transform from low bins to the autocorrelation at each candidate's lag; (n_bins, n_pitches).

    The window's own autocorrelation is divided out (Boersma 1993), which raises long lags by a factor of 3 at most.
    """
    pitch_hz = _LOW_HZ * 2 ** (np.arange(_N_CANDIDATES) / (12 * _CANDIDATES_PER_SEMITONE))
    window = filterbanks.hann_window(n_fft).astype(np.float64)
    spectrum = np.abs(np.fft.rfft(window, 2 * n_fft)) ** 2
    lags = np.minimum(np.round(sample_rate / pitch_hz).astype(np.int64), n_fft)
    taper = np.fft.irfft(spectrum)[lags] / np.sum(window**2)
    bin_hz = np.arange(n_bins) * sample_rate / n_fft
    cosines = np.cos(2 * np.pi * bin_hz[:, None] / pitch_hz) / np.maximum(taper, 1 / 3)
    cosines[0] = 0
    return cosines.astype(np.float32)


def pitch_statistics(pitch: Float32, voiced: Bool, strengths: Float32) -> Float64:
    """Compute distribution, slope, movement and strength of the pitch, then its histogram in bins of three semitones.

    Parameters
    ----------
    pitch : ndarray, shape (n_frames,), float32
        Semitones above 60 Hz, from `pitch_contour`.
    voiced : ndarray, shape (n_frames,), bool
        The frames whose pitch counts.
    strengths : ndarray, shape (n_loud_frames,), float32
        Strength in the loud frames, ascending, at least one.

    Returns
    -------
    ndarray, shape (31,), float64
        Named by `NAMES`.
    """
    at = np.flatnonzero(voiced)
    semitones, time = (pitch[at], 2 / len(pitch) * at) if len(at) else (np.zeros(1, np.float32), np.zeros(1))
    n_voiced = len(semitones)
    percentiles = nearest_ranks(np.sort(semitones), (0.1, 0.25, 0.5, 0.75, 0.9, 0.98))
    mean, centred = semitones.sum() / n_voiced, semitones - semitones.sum() / n_voiced
    time -= time.sum() / n_voiced
    slope = (time @ centred) / max(float(time @ time), 1e-6)
    step = pitch[1:] - pitch[:-1]
    step = step[voiced[1:] & voiced[:-1] & (np.abs(step) < _MAX_STEP_SEMITONES)]
    n_steps = max(len(step), 1)
    step_mean = float(np.abs(step).sum()) / n_steps
    step_up = (step_mean + float(step.sum()) / n_steps) / 2
    counts = np.bincount((semitones / _HISTOGRAM_SEMITONES).astype(np.int64), minlength=_N_HISTOGRAM_BINS)
    distribution = (mean, math.sqrt(centred @ centred / n_voiced), *percentiles, percentiles[4] - percentiles[0])
    movement = (slope, step_mean, step_up, len(at) / len(pitch))
    n_loud = len(strengths)
    strength_mean, centred = strengths.sum() / n_loud, strengths - strengths.sum() / n_loud
    strength_ranks = nearest_ranks(strengths, (0.1, 0.5, 0.9))
    strength = (strength_mean, math.sqrt(centred @ centred / n_loud), *strength_ranks)
    return np.concatenate(((*distribution, *movement, *strength), counts / n_voiced))


def nearest_ranks(ascending: Float32, shares: Sequence[float]) -> list[float]:
    """Return quantiles of sorted values without interpolation.

    Parameters
    ----------
    ascending : ndarray, shape (n,), float32
        At least one value, ascending.
    shares : sequence of float
        Quantiles, in [0, 1].

    Returns
    -------
    list of float
        One per share.
    """
    values: list[float] = ascending[[nearest_rank(share, len(ascending)) for share in shares]].tolist()
    return values


def nearest_rank(share: float, n: int) -> int:
    """Return the index of a quantile among sorted values.

    Parameters
    ----------
    share : float
        Quantile, in [0, 1].
    n : int
        Number of values, at least one.

    Returns
    -------
    int
        From 0 to ``n - 1``.
    """
    return round(share * (n - 1))
