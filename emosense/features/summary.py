"""Waveform -> means over time of MFCC, chroma and mel power: the reference MLP's features."""

from __future__ import annotations

import numpy as np

from emosense.arrays import Float32
from emosense.features import filterbanks, spectrum
from emosense.features.config import FeatureConfig
from emosense.features.mel import mel_power


def summary(waveform: Float32, config: FeatureConfig) -> Float32:
    """Compute the means over time of MFCC, chroma and mel power.

    The mean MFCC is the DCT of the mean log-mel, since the DCT is linear: one small product instead of one per frame.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float32 in [-1, 1]
        Mono, at ``config.sample_rate``, at least one sample.
    config : FeatureConfig
        Numbers of bands, and the tuning of the chroma.

    Returns
    -------
    ndarray, shape (n_mfcc + n_chroma + n_mels,), float32
        On librosa's scales; named by `summary_names`.
    """
    tuning = estimate_tuning(waveform, config) if config.tuning is None else config.tuning
    bank = filterbanks.chroma_bank(config.sample_rate, config.n_fft, config.n_chroma, tuning)
    mels, chromas = [], []
    for power in spectrum.power_blocks(waveform, config):
        mels.append(mel_power(power, config))
        chromas.append((power @ bank).T)
    mel, chroma = np.concatenate(mels), np.concatenate(chromas, axis=1)
    peak = chroma.max(axis=0)
    # librosa.util.normalize leaves frames below float32's smallest normal number as they are.
    peak[peak < np.finfo(np.float32).tiny] = 1
    chroma /= peak
    mfcc = _mean(spectrum.power_to_db(mel)) @ filterbanks.dct_matrix(config.n_mels, config.n_mfcc)
    return np.concatenate((mfcc, chroma.mean(axis=1), _mean(mel)))


def _mean(frames: Float32) -> Float32:
    """Return the mean over time. As a product it takes a third of the time of `ndarray.mean` and is as exact."""
    return np.full(len(frames), 1 / len(frames), np.float32) @ frames


def summary_names(config: FeatureConfig) -> list[str]:
    """Name the values of `summary`.

    Parameters
    ----------
    config : FeatureConfig
        Says how many bands there are.

    Returns
    -------
    list of str
        Such as ``mfcc_0``, ``chroma_0`` (C) and ``mel_0``, in order.
    """
    sizes = {"mfcc": config.n_mfcc, "chroma": config.n_chroma, "mel": config.n_mels}
    return [f"{name}_{i}" for name, size in sizes.items() for i in range(size)]


def estimate_tuning(waveform: Float32, config: FeatureConfig) -> float:
    """Estimate the deviation from A440 (`librosa.estimate_tuning` on a power spectrum).

    Peaks of each frame between 150 Hz and 4 kHz, refined by a parabola; the histogram of the louder half decides.
    On speech this is close to noise: use it where librosa's value itself is needed.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float32 in [-1, 1]
        Mono, at ``config.sample_rate``, at least one sample.
    config : FeatureConfig
        ``n_chroma`` sets the width of a chroma bin.

    Returns
    -------
    float
        Fraction of a chroma bin, from -0.5 to 0.5.
    """
    low_hz, high_hz = 150.0, min(4000.0, config.sample_rate / 2)
    hz = np.arange(1 + config.n_fft // 2) * (config.sample_rate / config.n_fft)
    usable = (hz >= low_hz) & (hz < high_hz)
    pitches_hz, magnitudes = [], []
    for power in spectrum.power_blocks(waveform, config):
        before, here, after = power[:, :-2], power[:, 1:-1], power[:, 2:]
        loud = power > 0.1 * power.max(axis=1, keepdims=True)
        kept = np.where(loud, power, 0)
        is_peak = (kept[:, 1:-1] > kept[:, :-2]) & (kept[:, 1:-1] >= kept[:, 2:]) & usable[1:-1]
        frame, index = np.nonzero(is_peak)
        slope = (after[frame, index] - before[frame, index]) / 2
        bend = after[frame, index] + before[frame, index] - 2 * here[frame, index]
        safe = np.where(bend == 0, 1, bend)
        shift = np.where(np.abs(slope) >= np.abs(bend), 0, -slope / safe)
        pitches_hz.append((index + 1 + shift) * (config.sample_rate / config.n_fft))
        magnitudes.append(here[frame, index] + 0.5 * slope * shift)
    pitch_hz, magnitude = np.concatenate(pitches_hz), np.concatenate(magnitudes)
    if not len(pitch_hz):
        return 0.0
    pitch_hz = pitch_hz[magnitude >= np.median(magnitude)]
    residual = np.mod(config.n_chroma * np.log2(pitch_hz / (440.0 / 16)), 1.0)
    residual[residual >= 0.5] -= 1.0
    counts, edges = np.histogram(residual, np.linspace(-0.5, 0.5, 101))
    return float(edges[np.argmax(counts)])
