"""Waveform -> the log-mel frames of Whisper's front end (Radford et al. 2022, arXiv 2212.04356).

Axes are (frames, bands), 100 frames a second; frame t is centred on sample 160 t, and both ends are mirrored. Values
are (log10 of the mel power + 4) / 4, at most 2 below their maximum, as in ``audio.py`` of Whisper's release.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from emosense.arrays import Float32
from emosense.features.config import FeatureConfig
from emosense.features.spectrum import mel_spectrogram

# log10 of the power of the loudest value. Speech at a usual level reaches 1 to 2.
PEAK: Final = 1.5
_POWER_FLOOR: Final = 1e-10
_RANGE: Final = 8.0


def whisper(waveform: Float32, config: FeatureConfig) -> Float32:
    """Compute Whisper's log-mel at one level for all recordings: the loudest value has the power 10 ** `PEAK`.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float32 in [-1, 1]
        Mono, at 16 kHz, at least one sample.
    config : FeatureConfig
        With an FFT of 400 samples and a hop of 160. Of a recording that is longer than ``segment_s``, the first
        ``segment_s`` seconds are used.

    Returns
    -------
    ndarray, shape (max(1, n_samples // 160), n_mels), float32
        From -0.625 to 1.375.
    """
    if config.segment_s:
        waveform = waveform[: max(1, round(config.segment_s * config.sample_rate))]
    log = log_mel_power(waveform, config)
    return scaled(log - log.max() + np.float32(PEAK))


def log_mel_power(waveform: Float32, config: FeatureConfig) -> Float32:
    """Compute the logarithm of the mel power as Whisper does, before it is scaled.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float32 in [-1, 1]
        Mono, at 16 kHz, at least one sample.
    config : FeatureConfig
        With an FFT of 400 samples and a hop of 160.

    Returns
    -------
    ndarray, shape (max(1, n_samples // 160), n_mels), float32
        ``log10``, from -10.
    """
    half = config.n_fft // 2
    mirrored = np.pad(waveform, half, mode="reflect")
    # Whisper mirrors the ends, `power_blocks` pads them with zeros: the first frames contain those and are dropped.
    n_before = -(-half // config.hop)
    shifted = np.concatenate((np.zeros(n_before * config.hop - half, np.float32), mirrored))
    mel = mel_spectrogram(shifted, config)[n_before : n_before + max(1, len(waveform) // config.hop)]
    return np.asarray(np.log10(np.maximum(mel, np.float32(_POWER_FLOOR))), np.float32)


def scaled(log_power: Float32) -> Float32:
    """Scale to the range that Whisper takes.

    Parameters
    ----------
    log_power : ndarray, any shape, float32
        What `log_mel_power` returned.

    Returns
    -------
    ndarray, same shape, float32
        At most 2 below its maximum.
    """
    floored = np.maximum(log_power, log_power.max() - np.float32(_RANGE))
    return np.asarray((floored + np.float32(4)) / np.float32(4), np.float32)
