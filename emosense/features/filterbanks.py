"""Filter banks and transforms over a power spectrum, equal to librosa 0.11's and built without it.

Shapes are (n_bins, n_filters), so that ``power @ bank`` goes from (n_frames, n_bins) to (n_frames, n_filters).
Tests compare with librosa; it is not imported here, since that costs each labelling worker seconds and memory.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from emosense.arrays import Float32

Float64 = NDArray[np.float64]

# Slaney's Auditory Toolbox: linear below 1 kHz (200/3 Hz a mel), logarithmic above (27 mels per factor of 6.4).
_HZ_PER_MEL = 200.0 / 3
_LOG_START_HZ = 1000.0
_LOG_START_MEL = _LOG_START_HZ / _HZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27.0
_A440_OCTAVE_HZ = 440.0 / 16


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
def chroma_bank(sample_rate: int, n_fft: int, n_chroma: int, tuning: float) -> Float32:
    """Gaussian pitch-class filters, C first (`librosa.filters.chroma` with its defaults; after D. Ellis, 2007).

    Parameters
    ----------
    sample_rate : int
        Hz.
    n_fft : int
        Length of the frame in samples.
    n_chroma : int
        Number of pitch classes.
    tuning : float
        Deviation from A440 in fractions of a chroma bin.

    Returns
    -------
    ndarray, shape (1 + n_fft // 2, n_chroma), float32
        One filter per column.
    """
    hz = np.linspace(0, sample_rate, n_fft, endpoint=False)[1:]
    octaves = np.log2(hz / (_A440_OCTAVE_HZ * 2.0 ** (tuning / n_chroma)))
    # The 0 Hz bin is put 1.5 octaves below bin 1, as librosa does.
    position = n_chroma * np.concatenate(([octaves[0] - 1.5], octaves))
    width = np.concatenate((np.maximum(np.diff(position), 1.0), [1.0]))
    half = round(n_chroma / 2)
    distance = np.remainder(position[None, :] - np.arange(n_chroma)[:, None] + half + 10 * n_chroma, n_chroma) - half
    weights = np.exp(-0.5 * (2 * distance / width) ** 2)
    weights /= np.sqrt(np.sum(weights**2, axis=0))
    weights *= np.exp(-0.5 * ((position / n_chroma - 5.0) / 2.0) ** 2)
    weights = np.roll(weights, -3 * (n_chroma // 12), axis=0)
    return np.ascontiguousarray(weights[:, : 1 + n_fft // 2].T, dtype=np.float32)


@functools.cache
def dct_matrix(n_in: int, n_out: int) -> Float32:
    """Return the matrix of the orthonormal DCT-II (`scipy.fft.dct(..., type=2, norm='ortho')`).

    Parameters
    ----------
    n_in, n_out : int
        Number of values and number of coefficients.

    Returns
    -------
    ndarray, shape (n_in, n_out), float32
        ``values @ matrix`` gives the coefficients.
    """
    angles = np.pi / n_in * np.outer(np.arange(n_in) + 0.5, np.arange(n_out))
    matrix = np.sqrt(2.0 / n_in) * np.cos(angles)
    matrix[:, 0] *= np.sqrt(0.5)
    return np.asarray(matrix, np.float32)


@functools.cache
def hann_window(n_fft: int) -> Float32:
    """Return the periodic Hann window (`scipy.signal.get_window('hann', n_fft)`).

    Parameters
    ----------
    n_fft : int
        Length in samples.

    Returns
    -------
    ndarray, shape (n_fft,), float32
        In [0, 1].
    """
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)).astype(np.float32)


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


@functools.cache
def group_means(n_bands: int, n_groups: int) -> Float32:
    """Return the matrix that averages neighbouring bands in groups.

    Parameters
    ----------
    n_bands, n_groups : int
        Number of bands and number of groups.

    Returns
    -------
    ndarray, shape (n_groups, n_bands), float32
        ``matrix @ bands`` gives the means; those of empty groups are 0.
    """
    group = (n_groups * np.arange(n_bands)) // n_bands
    member = group == np.arange(n_groups)[:, None]
    means: Float32 = np.divide(member, np.maximum(member.sum(axis=1, keepdims=True), 1), dtype=np.float32)
    return means


@functools.lru_cache(maxsize=64)
def range_means(n_fft: int, sample_s: float, edges_hz: tuple[float, ...]) -> Float32:
    """Return the matrix that averages the bins of a spectrum within ranges of frequency.

    Parameters
    ----------
    n_fft : int
        Length of the transform in samples.
    sample_s : float
        Time between samples.
    edges_hz : tuple of float
        Limits of the ranges, ascending.

    Returns
    -------
    ndarray, shape (1 + n_fft // 2, len(edges_hz) - 1), float32
        ``spectrum @ matrix`` gives the means; those of empty ranges are 0.
    """
    bin_hz = np.fft.rfftfreq(n_fft, sample_s)[:, None]
    edges = np.array(edges_hz)
    member = (bin_hz >= edges[:-1]) & (bin_hz < edges[1:])
    means: Float32 = np.divide(member, np.maximum(member.sum(axis=0), 1), dtype=np.float32)
    return means
