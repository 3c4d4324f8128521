"""Waveform -> which frames are speech: a small network on the spectrum's shape and on how it moves.

Frames of 32 ms, one after the other. A frame is speech when the network says so and it is within 35 dB of the loudest
frame. The network (one hidden layer, `speech_detector.json`) takes 20 bands between 120 and 3800 Hz, which a telephone
passes, and how level, shape and tonality change within 0.2 s on both sides: a hum, a chord or noise stands still where
speech moves. `benchmarks/speech_detector.py` trains it and compares it with Silero VAD and WebRTC's.
"""

from __future__ import annotations

import functools
import importlib.resources
import json
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emosense.arrays import Float32

FRAME_S: Final = 0.032
_N_BANDS: Final = 20
_BAND_RANGE_HZ: Final = (120.0, 3800.0)
_TONALITY_RANGE_HZ: Final = (120.0, 3800.0)
# 80 dB below the loudest frame.
_FLOOR: Final = np.float32(1e-8)
# 200 dB below full scale: what remains of silence is divided by no less.
_SILENT_POWER: Final = np.float32(1e-20)
_REACH: Final = 6
# What the network sees move: the bands, level, tonality, change of shape, and whether that is small.
_N_MOVING: Final = _N_BANDS + 4
_BELOW_LOUDEST_DB: Final = 35.0
# Shapes that differ by less than this, in dB a band, stand still.
_STILL_DB: Final = 1.0
# Products with these average all bands, and groups of four.
_MEAN: Final = np.full((_N_BANDS, 1), 1 / _N_BANDS, np.float32)
_GROUP_MEANS: Final = np.repeat(np.eye(_N_BANDS // 4), 4, axis=0) / 4


def speech_frames(waveform: Float32, sample_rate: int) -> tuple[NDArray[np.bool_], Float32]:
    """Tell which frames are speech.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float32
        High-passed (`emosense.audio.high_pass`).
    sample_rate : int
        Hz, at least 8000.

    Returns
    -------
    is_speech : ndarray, shape (n_frames,), bool
        One for each `FRAME_S`; what remains at the end is a frame of its own.
    level_db : ndarray, shape (n_frames,), float32
        Level of each frame.
    """
    values, level_db = frame_features(waveform, sample_rate)
    hidden_weights, hidden_bias, output_weights, output_bias = _network()
    logits = np.maximum(values @ hidden_weights + hidden_bias, 0) @ output_weights + output_bias
    likely = _neighbourhood(1 / (1 + np.exp(-np.clip(logits, -30, 30))), 1) > 0.5
    return likely[:, 0] & (level_db > level_db.max() - _BELOW_LOUDEST_DB), level_db


def frame_features(waveform: Float32, sample_rate: int) -> tuple[Float32, Float32]:
    """Compute what the network takes.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float32
        High-passed.
    sample_rate : int
        Hz, at least 8000.

    Returns
    -------
    values : ndarray, shape (n_frames, 33), float32
        Shape of the spectrum, level below the loudest frame, and how both move.
    level_db : ndarray, shape (n_frames,), float32
        Level of each frame.
    """
    import scipy.fft

    frame = frame_length(sample_rate)
    n_frames = -(-len(waveform) // frame)
    window, bank, audible = _filters(sample_rate)
    windowed = np.empty((n_frames, frame), np.float32)
    n_whole, n_rest = divmod(len(waveform), frame)
    np.multiply(waveform[: n_whole * frame].reshape(n_whole, frame), window, out=windowed[:n_whole])
    if n_rest:
        windowed[-1, n_rest:] = 0
        np.multiply(waveform[-n_rest:], window[:n_rest], out=windowed[-1, :n_rest])
    # What lies above the bands is not looked at.
    spectrum = scipy.fft.rfft(windowed, overwrite_x=True)[:, : len(bank)]
    power = spectrum.real**2
    power += spectrum.imag**2
    moving = np.empty((n_frames, _N_MOVING), np.float32)
    levels, change_db = moving[:, : _N_BANDS + 2], moving[:, _N_BANDS + 2 : -1]
    np.matmul(power, bank, out=levels[:, :-1])
    np.max(power[:, audible], axis=1, keepdims=True, out=levels[:, -1:])
    # Relative to the loudest frame, so that the gain of the recording cancels.
    loudest = max(levels[:, _N_BANDS].max(), _SILENT_POWER)
    levels /= loudest
    levels += _FLOOR
    levels[:, -1] *= (audible.stop - audible.start) / levels[:, _N_BANDS]
    np.log10(levels, out=levels)
    levels *= 10
    bands_db, level_db, tonality_db = levels[:, :_N_BANDS], levels[:, _N_BANDS:-1], levels[:, -1:]
    # Products with small matrices: means over so short an axis take several times as long.
    shape_db = bands_db - bands_db @ _MEAN
    change_db[0] = 0
    np.matmul(np.abs(shape_db[1:] - shape_db[:-1]), _MEAN, out=change_db[1:])
    np.less(change_db, _STILL_DB, out=moving[:, -1:])
    means = _neighbourhood(np.concatenate((moving, levels * levels), axis=1), _REACH)
    deviation = np.sqrt(np.maximum(means[:, _N_MOVING:] - means[:, : _N_BANDS + 2] ** 2, 0))
    values = np.concatenate(
        (
            shape_db / 10,
            np.maximum(level_db, -60) / 10,
            deviation[:, :_N_BANDS] @ _GROUP_MEANS / 5,
            deviation[:, _N_BANDS:] / 5,
            tonality_db / 10,
            means[:, _N_BANDS + 1 : _N_BANDS + 2] / 10,
            change_db,
            means[:, _N_BANDS + 2 : _N_MOVING],
        ),
        axis=1,
        dtype=np.float32,
        casting="same_kind",
    )
    return values, level_db[:, 0] + np.float32(10 * np.log10(loudest))


def _neighbourhood(values: NDArray[np.floating], reach: int) -> NDArray[np.float64]:
    """Return the mean of each row and the `reach` rows on both sides of it; fewer at the ends."""
    n, width = len(values), 2 * reach + 1
    sums, place, n_summed = np.zeros((n, values.shape[1])), 0, 1
    # Row i is the sum of as many rows from i - reach on; twice as many each time.
    rows = np.zeros((n + 2 * reach, values.shape[1]))
    rows[reach : reach + n] = values
    while True:
        if width & n_summed:
            sums += rows[place : place + n]
            place += n_summed
        if place == width:
            break
        rows = rows[:-n_summed] + rows[n_summed:]
        n_summed *= 2
    places = np.arange(n)
    counts = np.minimum(places + reach + 1, n) - np.maximum(places - reach, 0)
    sums /= counts[:, np.newaxis]
    return sums


def frame_length(sample_rate: int) -> int:
    """Return the samples per frame.

    Parameters
    ----------
    sample_rate : int
        Hz.

    Returns
    -------
    int
    """
    return round(FRAME_S * sample_rate)


@functools.cache
def _filters(sample_rate: int) -> tuple[Float32, Float32, slice]:
    """Return the Hann window, a bank (n_bins, n_bands + 1) up to its last bin, and the audible bins.

    The last column of the bank adds up the audible bins.
    """
    n = frame_length(sample_rate)
    window = np.hanning(n + 1)[:-1] * (4 / n)
    hz = np.arange(n // 2 + 1) * (sample_rate / n)
    lowest, highest = (np.log10(1 + edge / 700) for edge in _BAND_RANGE_HZ)
    mels = np.linspace(lowest, highest, _N_BANDS + 2)
    edges = 700 * (10**mels - 1)
    rising = (hz[:, np.newaxis] - edges[:-2]) / np.diff(edges)[:-1]
    falling = (edges[2:] - hz[:, np.newaxis]) / np.diff(edges)[1:]
    bank = np.maximum(0, np.minimum(rising, falling))
    bank /= np.maximum(bank.sum(axis=0), 1e-9)
    low, high = (round(edge * n / sample_rate) for edge in _TONALITY_RANGE_HZ)
    n_bins = max(high, 1 + int(np.flatnonzero(bank.any(axis=1))[-1]))
    is_audible = (np.arange(len(hz)) >= low) & (np.arange(len(hz)) < high)
    columns = np.column_stack((bank, is_audible))[:n_bins]
    return window.astype(np.float32), columns.astype(np.float32), slice(low, high)


@functools.cache
def _network() -> tuple[Float32, Float32, Float32, Float32]:
    stored = json.loads(importlib.resources.files("emosense.audio").joinpath("speech_detector.json").read_bytes())
    weights = (np.array(stored[name], np.float32) for name in ("hidden", "hidden_bias", "output", "output_bias"))
    hidden, hidden_bias, output, output_bias = weights
    return hidden, hidden_bias, output, output_bias
