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
_BELOW_LOUDEST_DB: Final = 35.0
# Shapes that differ by less than this, in dB a band, stand still.
_STILL_DB: Final = 1.0


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
    padded = np.zeros(n_frames * frame, np.float32)
    padded[: len(waveform)] = waveform
    window, bank, tonal = _filters(sample_rate)
    spectrum = scipy.fft.rfft(padded.reshape(n_frames, frame) * window)
    power = spectrum.real**2 + spectrum.imag**2
    # Relative to the loudest frame, so that the gain of the recording cancels.
    loudest = max(power[:, tonal].sum(axis=1).max(), _SILENT_POWER)
    power /= loudest
    bands_db = 10 * np.log10(power @ bank + _FLOOR)
    audible = power[:, tonal]
    total = audible.sum(axis=1, keepdims=True) + _FLOOR
    level_db = 10 * np.log10(total)
    tonality_db = 10 * np.log10((audible.max(axis=1, keepdims=True) + _FLOOR) * (audible.shape[1] / total))
    shape_db = bands_db - bands_db.mean(axis=1, keepdims=True)
    change_db = np.abs(np.diff(shape_db, axis=0, prepend=shape_db[:1])).mean(axis=1, keepdims=True)
    moving = np.concatenate(
        (bands_db, level_db, tonality_db, change_db, (change_db < _STILL_DB).astype(np.float32)), axis=1
    )
    squares = moving[:, : _N_BANDS + 2]
    means = _neighbourhood(np.concatenate((moving, squares * squares), axis=1), _REACH)
    n_moving = moving.shape[1]
    deviation = np.sqrt(np.maximum(means[:, n_moving:] - means[:, : _N_BANDS + 2] ** 2, 0))
    values = np.concatenate(
        (
            shape_db / 10,
            np.maximum(level_db, -60) / 10,
            deviation[:, :_N_BANDS].reshape(n_frames, 5, 4).mean(axis=2) / 5,
            deviation[:, _N_BANDS:] / 5,
            tonality_db / 10,
            means[:, _N_BANDS + 1 : _N_BANDS + 2] / 10,
            change_db,
            means[:, _N_BANDS + 2 : n_moving],
        ),
        axis=1,
    )
    return values.astype(np.float32), (level_db[:, 0] + 10 * np.log10(loudest)).astype(np.float32)


def _neighbourhood(values: NDArray[np.floating], reach: int) -> NDArray[np.float64]:
    """Return the mean of each row and the `reach` rows on both sides of it; fewer at the ends."""
    n = len(values)
    sums = np.zeros((n + 1, values.shape[1]))
    np.cumsum(values, axis=0, out=sums[1:])
    places = np.arange(n)
    first, last = np.maximum(places - reach, 0), np.minimum(places + reach + 1, n)
    return np.asarray((sums[last] - sums[first]) / (last - first)[:, np.newaxis])


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
    """Return the Hann window, the bank of bands (n_bins, n_bands), and the bins that tonality looks at."""
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
    return window.astype(np.float32), bank.astype(np.float32), slice(low, high)


@functools.cache
def _network() -> tuple[Float32, Float32, Float32, Float32]:
    stored = json.loads(importlib.resources.files("emosense.audio").joinpath("speech_detector.json").read_bytes())
    weights = (np.array(stored[name], np.float32) for name in ("hidden", "hidden_bias", "output", "output_bias"))
    hidden, hidden_bias, output, output_bias = weights
    return hidden, hidden_bias, output, output_bias
