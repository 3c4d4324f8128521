"""A waveform -> the same speech with what no voice makes: mains hum, rumble, wind, an offset, noise around the speech.

Effects as those of `emosense.audio.effects`: deterministic, mono in and out, the sample rate unchanged.
"""

from __future__ import annotations

import zlib
from typing import Final

import numpy as np
import scipy.signal
from numpy.typing import NDArray

from emosense.arrays import Float32

# Harmonics fall with their order, as those of a rectifier do roughly.
HUM_HARMONICS: Final = 12
RUMBLE_BELOW_HZ: Final = 40.0
# Above the edge, wind falls by 6 dB per octave and order.
_WIND_EDGE_HZ: Final = 40.0
_WIND_ORDER: Final = 4
NOISE_S: Final = 30.0


def hum_50_hz(waveform: Float32, sample_rate: int, dbfs: float) -> tuple[Float32, int]:
    """Add mains hum of 50 Hz with its harmonics.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float32 in [-1, 1]
        Mono.
    sample_rate : int
        Hz.
    dbfs : float
        Root mean square of the hum in dB of full scale.

    Returns
    -------
    waveform : ndarray, shape (n_samples,), float32
        The disturbed waveform.
    sample_rate : int
        Unchanged, in Hz.
    """
    return _hum(waveform, sample_rate, 50.0, dbfs), sample_rate


def hum_60_hz(waveform: Float32, sample_rate: int, dbfs: float) -> tuple[Float32, int]:
    """Add mains hum of 60 Hz with its harmonics; otherwise as `hum_50_hz`.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float32 in [-1, 1]
        Mono.
    sample_rate : int
        Hz.
    dbfs : float
        Root mean square of the hum in dB of full scale.

    Returns
    -------
    waveform : ndarray, shape (n_samples,), float32
        The disturbed waveform.
    sample_rate : int
        Unchanged, in Hz.
    """
    return _hum(waveform, sample_rate, 60.0, dbfs), sample_rate


def rumble(waveform: Float32, sample_rate: int, dbfs: float) -> tuple[Float32, int]:
    """Add noise below 40 Hz and nothing above it.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float32 in [-1, 1]
        Mono.
    sample_rate : int
        Hz.
    dbfs : float
        Root mean square of the noise in dB of full scale.

    Returns
    -------
    waveform : ndarray, shape (n_samples,), float32
        The disturbed waveform.
    sample_rate : int
        Unchanged, in Hz.
    """
    spectrum = np.fft.rfft(generator_of(waveform).standard_normal(len(waveform)))
    spectrum[np.fft.rfftfreq(len(waveform), 1 / sample_rate) > RUMBLE_BELOW_HZ] = 0
    return _with(waveform, np.fft.irfft(spectrum, len(waveform)), dbfs), sample_rate


def wind(waveform: Float32, sample_rate: int, dbfs: float) -> tuple[Float32, int]:
    """Add noise that falls by 24 dB per octave from 40 Hz on, into the voice, as that of wind, traffic and handling.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float32 in [-1, 1]
        Mono.
    sample_rate : int
        Hz.
    dbfs : float
        Root mean square of the noise in dB of full scale.

    Returns
    -------
    waveform : ndarray, shape (n_samples,), float32
        The disturbed waveform.
    sample_rate : int
        Unchanged, in Hz.
    """
    sections = scipy.signal.butter(_WIND_ORDER, _WIND_EDGE_HZ, fs=sample_rate, output="sos")
    noise = scipy.signal.sosfilt(sections, generator_of(waveform).standard_normal(len(waveform)))
    return _with(waveform, noise, dbfs), sample_rate


def offset(waveform: Float32, sample_rate: int, share: float) -> tuple[Float32, int]:
    """Add a constant.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float32 in [-1, 1]
        Mono.
    sample_rate : int
        Hz.
    share : float
        The constant, as a share of full scale.

    Returns
    -------
    waveform : ndarray, shape (n_samples,), float32
        The disturbed waveform.
    sample_rate : int
        Unchanged, in Hz.
    """
    return waveform + np.float32(share), sample_rate


def trailing_noise(waveform: Float32, sample_rate: int, dbfs: float) -> tuple[Float32, int]:
    """Put `NOISE_S` seconds of white noise after the recording.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float32 in [-1, 1]
        Mono.
    sample_rate : int
        Hz.
    dbfs : float
        Root mean square of the noise in dB of full scale.

    Returns
    -------
    waveform : ndarray, shape (n_samples + NOISE_S * sample_rate,), float32
        The disturbed waveform.
    sample_rate : int
        Unchanged, in Hz.
    """
    noise = generator_of(waveform).standard_normal(round(NOISE_S * sample_rate)) * 10 ** (dbfs / 20)
    return np.concatenate((waveform, noise.astype(np.float32))), sample_rate


def _hum(waveform: Float32, sample_rate: int, hz: float, dbfs: float) -> Float32:
    phases = generator_of(waveform).uniform(0, 2 * np.pi, HUM_HARMONICS)
    time_s = np.arange(len(waveform)) / sample_rate
    waves = np.zeros(len(waveform))
    for order, phase in enumerate(phases, 1):
        waves += np.sin(2 * np.pi * hz * order * time_s + phase) / order
    return _with(waveform, waves, dbfs)


def _with(waveform: Float32, sound: NDArray[np.float64], dbfs: float) -> Float32:
    level = 10 ** (dbfs / 20) / max(float(np.sqrt(np.mean(sound**2))), 1e-30)
    return np.asarray(waveform + level * sound, np.float32)


def generator_of(waveform: Float32) -> np.random.Generator:
    """Return a generator that depends only on the samples.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float32
        Any waveform.

    Returns
    -------
    numpy.random.Generator
        Seeded with the checksum of the samples.
    """
    return np.random.default_rng(zlib.crc32(np.ascontiguousarray(waveform).tobytes()))
