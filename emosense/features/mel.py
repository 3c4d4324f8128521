"""Power spectrum -> mel bands, equal to librosa 0.11's and built without it.

Banks have the shape (n_bins, n_bands), so that ``power @ bank`` goes from (n_frames, n_bins) to (n_frames, n_bands).
Tests compare with librosa; it is not imported here, since that costs each labelling worker seconds and memory.
"""

from __future__ import annotations

import functools
from typing import Final

import numpy as np

from emosense.arrays import Float32, Float64
from emosense.features.config import FeatureConfig

# The bands of each product that a mel bank is split into (`spans`).
_BANDS_PER_PRODUCT: Final = 16
# Slaney's Auditory Toolbox: linear below 1 kHz (200/3 Hz a mel), logarithmic above (27 mels per factor of 6.4).
_HZ_PER_MEL = 200.0 / 3
_LOG_START_HZ = 1000.0
_LOG_START_MEL = _LOG_START_HZ / _HZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27.0


def mel_to_hz(mel: Float64) -> Float64:
    """Convert Slaney's mels to Hz.

    Parameters
    ----------
    mel : ndarray, any shape, float64
        Mels, from 0.

    Returns
    -------
    ndarray, same shape, float64
        Hz.
    """
    linear = _HZ_PER_MEL * mel
    logarithmic = _LOG_START_HZ * np.exp(_LOG_STEP * (mel - _LOG_START_MEL))
    return np.where(mel >= _LOG_START_MEL, logarithmic, linear)


def hz_to_mel(hz: float) -> float:
    """Convert Hz to Slaney's mels.

    Parameters
    ----------
    hz : float
        Frequency, from 0.

    Returns
    -------
    float
        Mels.
    """
    if hz < _LOG_START_HZ:
        return hz / _HZ_PER_MEL
    return float(_LOG_START_MEL + np.log(hz / _LOG_START_HZ) / _LOG_STEP)


@functools.cache
def mel_bank(sample_rate: int, n_fft: int, n_mels: int, f_min_hz: float, f_max_hz: float) -> Float32:
    """Triangular mel filters of equal area (`librosa.filters.mel` with its default ``htk=False, norm='slaney'``).

    Parameters
    ----------
    sample_rate : int
        Hz.
    n_fft : int
        Length of the frame in samples.
    n_mels : int
        Number of filters.
    f_min_hz, f_max_hz : float
        Lower edge of the first filter and upper edge of the last.

    Returns
    -------
    ndarray, shape (1 + n_fft // 2, n_mels), float32
        One filter per column, from low to high.
    """
    bin_hz = np.fft.rfftfreq(n_fft, 1.0 / sample_rate)
    edges_hz = mel_to_hz(np.linspace(hz_to_mel(f_min_hz), hz_to_mel(f_max_hz), n_mels + 2))
    widths_hz = np.diff(edges_hz)
    ramps = edges_hz[:, None] - bin_hz[None, :]
    rising = -ramps[:-2] / widths_hz[:-1, None]
    falling = ramps[2:] / widths_hz[1:, None]
    weights = np.maximum(0.0, np.minimum(rising, falling))
    weights *= (2.0 / (edges_hz[2:] - edges_hz[:-2]))[:, None]
    return np.ascontiguousarray(weights.T, dtype=np.float32)


@functools.cache
def spans(bank_key: tuple[int, int, int, float, float], n_groups: int) -> tuple[tuple[slice, slice, Float32], ...]:
    """Split a mel bank into groups of filters, each with the span of bins where it is not zero.

    A mel bank is a narrow band around the diagonal: 8 products of spans cost a third of one dense product.

    Parameters
    ----------
    bank_key : tuple
        Arguments of `mel_bank`.
    n_groups : int
        Number of groups; there are fewer where there are fewer filters.

    Returns
    -------
    tuple of (bins, filters, block)
        ``power[:, bins] @ block`` gives the columns ``filters`` of ``power @ mel_bank(*bank_key)``.
    """
    bank = mel_bank(*bank_key)
    groups = []
    for columns in np.array_split(np.arange(bank.shape[1]), n_groups):
        if not len(columns):
            continue
        rows = np.flatnonzero(bank[:, columns].any(axis=1))
        first, last = (int(rows[0]), int(rows[-1]) + 1) if len(rows) else (0, 1)
        bins, filters = slice(first, last), slice(int(columns[0]), int(columns[-1]) + 1)
        groups.append((bins, filters, np.ascontiguousarray(bank[bins, filters])))
    return tuple(groups)


@functools.cache
def band_limits(bank_key: tuple[int, int, int, float, float]) -> tuple[int, int, int]:
    """Return the first mel bands centred above 1, 2 and 5 kHz.

    Parameters
    ----------
    bank_key : tuple
        Arguments of `mel_bank`, with at least two filters.

    Returns
    -------
    tuple of int
        Three indices; with few bands they are moved so that at least one band lies below the first, and one above the
        second.
    """
    _, _, n_mels, f_min_hz, f_max_hz = bank_key
    centres_hz = mel_to_hz(np.linspace(hz_to_mel(f_min_hz), hz_to_mel(f_max_hz), n_mels + 2))[1:-1]
    one, two, five = (int(band) for band in np.searchsorted(centres_hz, (1000.0, 2000.0, 5000.0)))
    one, two = min(max(one, 1), n_mels - 1), min(max(two, 1), n_mels - 1)
    return one, two, max(five, two + 1, one + 1)


def mel_power(power: Float32, config: FeatureConfig, out: Float32 | None = None) -> Float32:
    """Compute the mel power of a block of frames.

    Parameters
    ----------
    power : ndarray, shape (n_frames, 1 + n_fft // 2), float32
        From `power_blocks`.
    config : FeatureConfig
        ``n_mels``, ``f_min_hz`` and ``f_max_hz``.
    out : ndarray, shape (n_frames, n_mels), float32, optional
        Where to write the result.

    Returns
    -------
    ndarray, shape (n_frames, n_mels), float32
        Energy of the windowed frames, on librosa's scale.
    """
    mel = np.empty((len(power), config.n_mels), np.float32) if out is None else out
    for bins, filters, block in spans(config.mel_key, -(-config.n_mels // _BANDS_PER_PRODUCT)):
        np.matmul(power[:, bins], block, out=mel[:, filters])
    return mel
