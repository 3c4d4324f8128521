"""Waveform -> MFCC frames of one segment of fixed length: the reference CNN's features."""

from __future__ import annotations

from typing import Final

import numpy as np

from emosense.arrays import Float32
from emosense.features import filterbanks, spectrum
from emosense.features.config import FeatureConfig

# The shortest recording that is labelled has as much.
_MIN_IN_SEGMENT_S: Final = 0.25


def mfcc(waveform: Float32, config: FeatureConfig) -> Float32:
    """Compute the MFCC of a segment.

    A shorter recording is padded with zeros. If it ends before the segment has begun, or just after, the segment is
    taken from its end: zeros carry no emotion.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float32 in [-1, 1]
        Mono, at ``config.sample_rate``, at least one sample.
    config : FeatureConfig
        ``segment_start_s`` and ``segment_s`` say which segment.

    Returns
    -------
    ndarray, shape (n_frames, n_mfcc), float32
        Coefficients of the log-mel spectrum in dB (librosa's scale).
    """
    start = round(config.segment_start_s * config.sample_rate)
    length = round(config.segment_s * config.sample_rate)
    if length:
        if len(waveform) < start + _MIN_IN_SEGMENT_S * config.sample_rate:
            start = max(0, len(waveform) - length)
        segment = waveform[start : start + length]
        waveform = np.pad(segment, (0, length - len(segment)))
    mel = spectrum.mel_spectrogram(waveform, config)
    return np.asarray(spectrum.power_to_db(mel) @ filterbanks.dct_matrix(config.n_mels, config.n_mfcc), np.float32)


def mfcc_names(config: FeatureConfig) -> list[str]:
    """Name the coefficients.

    Parameters
    ----------
    config : FeatureConfig
        Says how many there are.

    Returns
    -------
    list of str
        ``mfcc_0``, ``mfcc_1`` and so on.
    """
    return [f"mfcc_{i}" for i in range(config.n_mfcc)]
