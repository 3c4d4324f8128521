"""A waveform -> the same speech with noise.

Effects as those of `emosense.audio.effects`: deterministic, mono in and out, the sample rate unchanged.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from emosense.arrays import Float32
from emosense.audio import interference

SILENCE_S: Final = 2.0
# The band of speech: noise in ultrasound would raise the signal-to-noise ratio of a recording at 48 kHz.
NOISE_BAND_HZ: Final = (50.0, 8000.0)
FRAME_S: Final = 0.02
ACTIVE_DB: Final = 30.0


def active_power(waveform: Float32, sample_rate: int) -> float:
    """Return the power of the active part of a recording: its 20 ms frames within 30 dB of the loudest one.

    Signal-to-noise ratios refer to this power, so that pauses do not make the noise weaker.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float32 in [-1, 1]
        Mono.
    sample_rate : int
        Hz.

    Returns
    -------
    float
        Mean square of the active samples.
    """
    frame = min(max(1, round(FRAME_S * sample_rate)), len(waveform))
    whole = waveform[: len(waveform) // frame * frame].reshape(-1, frame)
    power = np.square(whole, dtype=np.float64).mean(axis=1)
    return float(power[power >= power.max() * 10 ** (-ACTIVE_DB / 10)].mean())


def white_noise(waveform: Float32, sample_rate: int, snr_db: float) -> tuple[Float32, int]:
    """Add noise with equal power per hertz within `NOISE_BAND_HZ`.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float32 in [-1, 1]
        Mono.
    sample_rate : int
        Hz.
    snr_db : float
        Active power over noise power, in dB.

    Returns
    -------
    waveform : ndarray, shape (n_samples,), float32
        The disturbed waveform.
    sample_rate : int
        Unchanged, in Hz.
    """
    noise = _noise(interference.generator_of(waveform), len(waveform), sample_rate, 0.0)
    return _add(waveform, noise, sample_rate, snr_db), sample_rate


def pink_noise(waveform: Float32, sample_rate: int, snr_db: float) -> tuple[Float32, int]:
    """Add noise with equal power per octave within `NOISE_BAND_HZ`.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float32 in [-1, 1]
        Mono.
    sample_rate : int
        Hz.
    snr_db : float
        Active power over noise power, in dB.

    Returns
    -------
    waveform : ndarray, shape (n_samples,), float32
        The disturbed waveform.
    sample_rate : int
        Unchanged, in Hz.
    """
    noise = _noise(interference.generator_of(waveform), len(waveform), sample_rate, -0.5)
    return _add(waveform, noise, sample_rate, snr_db), sample_rate


def leading_silence(waveform: Float32, sample_rate: int, floor_dbfs: float) -> tuple[Float32, int]:
    """Put `SILENCE_S` seconds of quiet noise or zeros before the recording.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float32 in [-1, 1]
        Mono.
    sample_rate : int
        Hz.
    floor_dbfs : float
        Root mean square of the noise in dB of full scale; -inf for zeros.

    Returns
    -------
    waveform : ndarray, shape (n_samples + SILENCE_S * sample_rate,), float32
        The disturbed waveform.
    sample_rate : int
        Unchanged, in Hz.
    """
    n_samples = round(SILENCE_S * sample_rate)
    noise = _noise(interference.generator_of(waveform), n_samples, sample_rate, 0.0) * 10 ** (floor_dbfs / 20)
    return np.concatenate((noise.astype(np.float32), waveform)), sample_rate


def _noise(rng: np.random.Generator, n_samples: int, sample_rate: int, slope: float) -> NDArray[np.float64]:
    """Return noise in `NOISE_BAND_HZ` of root mean square 1; its amplitude is proportional to frequency ** `slope`."""
    hz = scipy.fft.rfftfreq(n_samples, 1 / sample_rate)
    shape = np.zeros(len(hz))
    in_band = (hz >= NOISE_BAND_HZ[0]) & (hz <= NOISE_BAND_HZ[1])
    shape[in_band] = hz[in_band] ** slope
    noise = scipy.fft.irfft(shape * scipy.fft.rfft(rng.standard_normal(n_samples)), n_samples)
    return np.asarray(noise / np.sqrt(np.square(noise).mean()))


def _add(waveform: Float32, noise: NDArray[np.float64], sample_rate: int, snr_db: float) -> Float32:
    level = np.sqrt(active_power(waveform, sample_rate) * 10 ** (-snr_db / 10))
    return np.asarray(waveform + level * noise, np.float32)
