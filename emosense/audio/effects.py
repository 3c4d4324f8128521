"""A waveform -> the same speech at another level, with noise, in a room, or through another line.

All effects take a mono waveform, its sample rate and a strength, and give a waveform with its sample rate. They are
deterministic: noise is drawn with the checksum of the samples as seed, so every run, engine and batch gets the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import scipy.signal

from emosense.arrays import Float32
from emosense.audio import codecs, interference, noise
from emosense.audio.mp3 import KBIT_S, RATES_HZ, mp3
from emosense.audio.resampling import resample

# Raise it whenever an effect gives other samples than before: features extracted with the old one are not used again.
VERSION: Final = 1
# The largest sample of a 16-bit file.
FULL_SCALE: Final = 32767 / 32768
_TELEPHONE_LOW_HZ: Final = 300.0


def constants() -> tuple[object, ...]:
    """Return the constants that decide what effects do.

    Returns
    -------
    tuple
        In a fixed order; keys of stored features hold its digest.
    """
    return (
        VERSION, noise.SILENCE_S, noise.NOISE_BAND_HZ, FULL_SCALE, noise.FRAME_S, noise.ACTIVE_DB, _TELEPHONE_LOW_HZ,
        RATES_HZ, KBIT_S, interference.HUM_HARMONICS, interference.RUMBLE_BELOW_HZ, interference.NOISE_S,
    )  # fmt: skip


def gain(waveform: Float32, sample_rate: int, gain_db: float) -> tuple[Float32, int]:
    """Change the level; samples beyond the full scale of a 16-bit file are clipped.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float32 in [-1, 1]
        Mono.
    sample_rate : int
        Hz.
    gain_db : float
        Change in dB.

    Returns
    -------
    waveform : ndarray, shape (n_samples,), float32
        The disturbed waveform.
    sample_rate : int
        Unchanged, in Hz.
    """
    louder = waveform * np.float32(10 ** (gain_db / 20))
    return np.clip(louder, np.float32(-1), np.float32(FULL_SCALE)), sample_rate


def at_rate(waveform: Float32, sample_rate: int, rate_hz: float) -> tuple[Float32, int]:
    """Resample to another rate; a lower one also limits the band.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float32 in [-1, 1]
        Mono.
    sample_rate : int
        Hz.
    rate_hz : float
        Sample rate of the result.

    Returns
    -------
    waveform : ndarray, shape (about n_samples * rate_hz / sample_rate,), float32
        The resampled waveform.
    sample_rate : int
        `rate_hz`.
    """
    return resample(waveform, sample_rate, round(rate_hz)), round(rate_hz)


def room(waveform: Float32, sample_rate: int, rt60_s: float) -> tuple[Float32, int]:
    """Add the reverberation of a room: a tail of noise that falls by 60 dB in `rt60_s`.

    Direct sound and tail have the same energy, as at the critical distance; together they have the energy of the
    recording. The tail beyond the end of the recording is cut off.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float32 in [-1, 1]
        Mono.
    sample_rate : int
        Hz.
    rt60_s : float
        Reverberation time in seconds.

    Returns
    -------
    waveform : ndarray, shape (n_samples,), float32
        The disturbed waveform.
    sample_rate : int
        Unchanged, in Hz.
    """
    tail = interference.generator_of(waveform).standard_normal(round(rt60_s * sample_rate))
    tail *= 10 ** (-3 * np.arange(len(tail)) / len(tail))
    response = np.concatenate(([1.0], tail / np.linalg.norm(tail))) / np.sqrt(2)
    reverberant = scipy.signal.oaconvolve(waveform.astype(np.float64), response)[: len(waveform)]
    return reverberant.astype(np.float32), sample_rate


def telephone(waveform: Float32, sample_rate: int, upper_hz: float) -> tuple[Float32, int]:
    """Keep only the band of a telephone line, from 300 Hz to `upper_hz` (Butterworth, -3 dB at both ends).

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float32 in [-1, 1]
        Mono.
    sample_rate : int
        Hz.
    upper_hz : float
        Upper end of the band.

    Returns
    -------
    waveform : ndarray, shape (n_samples,), float32
        The disturbed waveform.
    sample_rate : int
        Unchanged, in Hz.
    """
    has_upper = 2 * upper_hz < sample_rate
    band = ((_TELEPHONE_LOW_HZ, upper_hz), "bandpass") if has_upper else (_TELEPHONE_LOW_HZ, "highpass")
    sections = scipy.signal.butter(6, *band, fs=sample_rate, output="sos")
    return scipy.signal.sosfilt(sections, waveform.astype(np.float64)).astype(np.float32), sample_rate


EFFECTS: Final[dict[str, Callable[[Float32, int, float], tuple[Float32, int]]]] = {
    "gain": gain,
    "rate": at_rate,
    "mp3-": mp3,
    "opus": codecs.opus,
    "vorbis": codecs.vorbis,
    "ulaw": codecs.mu_law,
    "gsm": codecs.gsm,
    "white": noise.white_noise,
    "pink": noise.pink_noise,
    "room": room,
    "silence": noise.leading_silence,
    "telephone": telephone,
    "hum50": interference.hum_50_hz,
    "hum60": interference.hum_60_hz,
    "rumble": interference.rumble,
    "wind": interference.wind,
    "offset": interference.offset,
    "trailing": interference.trailing_noise,
}
