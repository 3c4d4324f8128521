"""Chroma bank, DCT and windows, equal to librosa 0.11's and built without it, and matrices that average bands.

Shapes are (n_bins, n_filters), so that ``power @ bank`` goes from (n_frames, n_bins) to (n_frames, n_filters).
Tests compare with librosa; it is not imported here, since that costs each labelling worker seconds and memory.
"""

from __future__ import annotations

import functools

import numpy as np

from emosense.arrays import Float32

_A440_OCTAVE_HZ = 440.0 / 16


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
