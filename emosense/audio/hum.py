"""Waveform and its pauses -> the same without mains hum: what hums in the pauses also hums under the speech.

Lines at multiples of 50 or 60 Hz are looked for in the pauses. Where there are some, their amplitudes and phases are
fitted to the pauses by least squares and subtracted everywhere. A waveform whose pauses do not hum stays as it is.
"""

from __future__ import annotations

import functools
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emosense.arrays import Float32

_MAINS_HZ: Final = (50.0, 60.0)
_HIGHEST_HZ: Final = 2000.0
# Lines are looked for below 1 kHz, at a sample rate of about 2 kHz.
_SEARCH_HZ: Final = 2000.0
_SEARCHED: Final = range(2, 15)
# Rows of (nominal, order).
_CANDIDATES: Final = np.array([(hz, order) for hz in _MAINS_HZ for order in _SEARCHED])
# A line is this much above the spectrum beside it; noise has one such line in a thousand at most.
_LINE_RATIO: Final = 100.0
_FEWEST_LINES: Final = 2
# Mains deviate by less than half a percent.
_WIDEST_HZ: Final = 2.0
_BESIDE_HZ: Final = (8.0, 20.0)
MIN_PAUSE_S: Final = 0.2
# Samples of a fit that are held in memory at once.
_BLOCK: Final = 1 << 14


def without_hum(waveform: Float32, is_pause: NDArray[np.bool_], sample_rate: int) -> Float32:
    """Subtract the hum that the pauses have.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float32
        High-passed (`emosense.audio.high_pass`).
    is_pause : ndarray, shape (n_samples,), bool
        Which samples are certainly no speech.
    sample_rate : int
        Hz.

    Returns
    -------
    ndarray, shape (n_samples,), float32
        `waveform` itself where the pauses do not hum or are shorter than `MIN_PAUSE_S`.
    """
    if np.count_nonzero(is_pause) < MIN_PAUSE_S * sample_rate:
        return waveform
    found = _mains(waveform, is_pause, sample_rate)
    if found is None:
        return waveform
    pauses = np.flatnonzero(is_pause)
    fits = [_fit(waveform, pauses, hz, sample_rate) for hz in found]
    hz, (amplitudes, _) = min(zip(found, fits, strict=True), key=lambda each: each[1][1])
    cleaned = waveform.copy()
    for start in range(0, len(waveform), _BLOCK):
        block = np.arange(start, min(start + _BLOCK, len(waveform)))
        cleaned[block] -= _waves(block, hz, sample_rate) @ amplitudes
    return cleaned


def _mains(waveform: Float32, is_pause: NDArray[np.bool_], sample_rate: int) -> tuple[float, float] | None:
    """Return the nominal and the measured frequency of the mains, None where fewer than two harmonics stand out."""
    import scipy.fft

    step = max(1, round(sample_rate / _SEARCH_HZ))
    n = len(waveform) // step
    # A product with a vector is several times as fast as a mean over so short an axis.
    coarse = waveform[: n * step].reshape(n, step) @ np.full(step, 1 / step, np.float32)
    coarse *= is_pause[: n * step : step]
    n_fft = scipy.fft.next_fast_len(n, real=True)
    coarse *= _hann(n)
    spectrum = scipy.fft.rfft(coarse, n_fft)
    power = spectrum.real**2 + spectrum.imag**2
    per_hz = n_fft * step / sample_rate
    lines, peaks = _lines(power, per_hz)
    best: tuple[int, float, float] = (_FEWEST_LINES - 1, 0.0, 0.0)
    for nominal in _MAINS_HZ:
        is_mine = lines[:, 0] == nominal
        if np.count_nonzero(is_mine) > best[0]:
            orders, places = lines[is_mine, 1], peaks[is_mine]
            hz = np.array([_exact_place(power, place) for place in places]) / per_hz
            weights = np.sqrt(power[places]) * orders
            best = (len(orders), nominal, float(np.sum(weights * hz) / np.sum(weights * orders)))
    return best[1:] if best[1] else None


@functools.lru_cache(4)
def _hann(n: int) -> Float32:
    turns = np.arange(n, dtype=np.float32) * np.float32(2 * np.pi / (n - 1))
    return np.asarray(np.float32(0.5) - np.float32(0.5) * np.cos(turns))


def _lines(power: Float32, per_hz: float) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the multiples of mains frequencies that are lines, as (nominal, order), and the places of their peaks."""
    reach, near, far = (max(2, round(width * per_hz)) for width in (_WIDEST_HZ, *_BESIDE_HZ))
    centres = np.rint(_CANDIDATES.prod(axis=1) * per_hz).astype(np.int64)
    is_inside = (centres + far < len(power)) & (centres >= far)
    centres = centres[is_inside]
    around = power[centres[:, np.newaxis] + np.arange(-reach, reach + 1)]
    sides = np.concatenate((np.arange(-far, -near), np.arange(near, far)))
    peaks = centres - reach + np.argmax(around, axis=1)
    # More than half of the values beside a line are below: so is their median, which takes three times as long to find.
    is_below = power[centres[:, np.newaxis] + sides] < power[peaks, np.newaxis] / np.float32(_LINE_RATIO)
    is_line = np.count_nonzero(is_below, axis=1) > len(sides) // 2
    return _CANDIDATES[is_inside][is_line], peaks[is_line]


def _exact_place(power: Float32, peak: int) -> float:
    """Return the place of a peak between the bins."""
    before, here, after = np.log(power[peak - 1 : peak + 2] + np.finfo(np.float32).tiny)
    bend = before - 2 * here + after
    return peak + (0.5 * float(before - after) / float(bend) if bend else 0.0)


def _n_harmonics(hz: float, sample_rate: int) -> int:
    return int(min(_HIGHEST_HZ, 0.45 * sample_rate) / hz)


def _waves(samples: NDArray[np.int64], hz: float, sample_rate: int) -> Float32:
    """Cosines and sines of all harmonics at the samples, shape (n_samples, 2 * n_harmonics)."""
    orders = np.arange(1, _n_harmonics(hz, sample_rate) + 1)
    # The phase in cycles, reduced before it is rounded to float32.
    cycles = np.outer(samples * (hz / sample_rate), orders) % 1.0
    phase = (2 * np.pi * cycles).astype(np.float32)
    return np.concatenate((np.cos(phase), np.sin(phase)), axis=1)


def _fit(waveform: Float32, pauses: NDArray[np.int64], hz: float, sample_rate: int) -> tuple[Float32, float]:
    """Return the harmonics' amplitudes in the pauses, and the power that they leave there."""
    n = 2 * _n_harmonics(hz, sample_rate)
    gram, moment, energy = np.zeros((n, n)), np.zeros(n), 0.0
    for start in range(0, len(pauses), _BLOCK):
        block = pauses[start : start + _BLOCK]
        waves, values = _waves(block, hz, sample_rate), waveform[block]
        gram += waves.T @ waves
        moment += waves.T @ values
        energy += float(values @ values)
    amplitudes = np.linalg.lstsq(gram, moment, rcond=1e-6)[0]
    return amplitudes.astype(np.float32), energy - float(moment @ amplitudes)
