"""Augmentation: a log-mel spectrogram -> one that could be of another speaker, room or recording chain.

Takes and returns log-mel arrays of the feature set ``logmel``: axes (frames, bands), dB relative to the recording's
peak, in [-80, 0]. All randomness comes from the generator that is passed in. No waveform is needed: sounds that add up
in air (noise, reverberation) are added as power, and filters (microphone, codec) are added in dB.
"""

from __future__ import annotations

import functools
from typing import Final

import numpy as np
import scipy.signal
from numpy.typing import NDArray

from emosense.arrays import Float32
from emosense.features.filterbanks import dct_matrix
from emosense.features.mel import hz_to_mel, mel_to_hz
from emosense.training.augmentation_settings import AugmentConfig

FLOOR_DB: Final = -80.0


def augment(log_mel: Float32, rng: np.random.Generator, config: AugmentConfig) -> Float32:
    """Return a random variant of a recording.

    Parameters
    ----------
    log_mel : ndarray, shape (n_frames, n_bands), float32 in [-80, 0]
        dB relative to the peak; not modified.
    rng : numpy.random.Generator
        Source of randomness.
    config : AugmentConfig
        Strengths.

    Returns
    -------
    ndarray, shape (n_frames', n_bands), float32 in [-80, 0]
        dB relative to its own peak.
    """
    tempo, pitch, formant = np.exp(rng.uniform(-1, 1, 3) * np.log1p([config.tempo, config.pitch, config.formant]))
    varied = change_voice(change_tempo(log_mel, tempo), pitch, formant, config)
    if config.silence_frames and rng.random() < config.noise_share:
        before, after = rng.integers(0, config.silence_frames + 1, 2)
        varied = np.pad(varied, ((before, after), (0, 0)), constant_values=FLOOR_DB)
    if rng.random() < config.reverb_share:
        varied = reverberate(varied, rng.uniform(4.0, 25.0), rng.uniform(0.02, 0.3))
    varied = varied + equaliser(varied.shape[1], rng, config.eq_db)
    if rng.random() < config.noise_share:
        varied = add_noise(varied, rng, rng.uniform(*config.noise_db))
    if config.wind_share and rng.random() < config.wind_share:
        varied = add_wind(varied, rng, rng.uniform(*config.wind_db))
    if rng.random() < config.lowpass_share:
        varied[:, rng.integers(varied.shape[1] // 2, varied.shape[1]) :] = FLOOR_DB
    if config.highpass_share and rng.random() < config.highpass_share:
        # Up to some 500 Hz with 128 mel bands to 8 kHz; telephone lines begin at 300 Hz.
        varied[:, : rng.integers(1, varied.shape[1] // 6)] = FLOOR_DB
    varied = np.maximum(varied - varied.max(), FLOOR_DB)
    return mask(varied, rng, config).astype(np.float32)


def change_tempo(log_mel: Float32, tempo: float) -> Float32:
    """Change the speed of speech, by linear interpolation between frames.

    Parameters
    ----------
    log_mel : ndarray, shape (n_frames, n_bands), float32
        In dB.
    tempo : float
        Factor; 2 halves the number of frames.

    Returns
    -------
    ndarray, shape (round(n_frames / tempo), n_bands), float32
        At least one frame.
    """
    positions = np.linspace(0, len(log_mel) - 1, max(1, round(len(log_mel) / tempo)))
    lower = positions.astype(np.intp)
    upper_share = (positions - lower).astype(np.float32)[:, np.newaxis]
    before, after = log_mel[lower], log_mel[np.minimum(lower + 1, len(log_mel) - 1)]
    return np.asarray(before + upper_share * (after - before), np.float32)


def change_voice(log_mel: Float32, pitch: float, formant: float, config: AugmentConfig) -> Float32:
    """Shift the harmonics and the spectral envelope along the frequency axis.

    The envelope is the low-order part of the cepstrum. With 128 bands up to 8 kHz, its 16 coefficients hold formants
    and leave out harmonics that are less than 390 Hz apart.

    Parameters
    ----------
    log_mel : ndarray, shape (n_frames, n_bands), float32
        In dB.
    pitch : float
        Factor of the harmonics' frequencies.
    formant : float
        Factor of the envelope's frequencies.
    config : AugmentConfig
        Has the frequency range of the bands.

    Returns
    -------
    ndarray, shape (n_frames, n_bands), float32
        In dB, at least -80.
    """
    n_bands = log_mel.shape[1]
    hz = _band_centres(n_bands, config.f_min_hz, config.f_max_hz)
    move_envelope, move_harmonics = (
        _interpolation(np.interp(hz / ratio, hz, np.arange(n_bands)), n_bands).T for ratio in (formant, pitch)
    )
    basis = _envelope_basis(n_bands)
    move = move_harmonics + basis @ (basis.T @ (move_envelope - move_harmonics))
    moved = log_mel @ move
    return np.maximum(moved, np.float32(FLOOR_DB), out=moved)


@functools.lru_cache(maxsize=4)
def _band_centres(n_bands: int, f_min_hz: float, f_max_hz: float) -> NDArray[np.float64]:
    """Centres of the mel bands in Hz, shape (n_bands,)."""
    return mel_to_hz(np.linspace(hz_to_mel(f_min_hz), hz_to_mel(f_max_hz), n_bands + 2)[1:-1])


@functools.lru_cache(maxsize=4)
def _envelope_basis(n_bands: int) -> Float32:
    """Low-order cosines, shape (n_bands, n_bands / 8)."""
    return np.ascontiguousarray(dct_matrix(n_bands, n_bands // 8), np.float32)


def reverberate(log_mel: Float32, decay_frames: float, wet: float) -> Float32:
    """Add an exponential tail to every frame.

    Parameters
    ----------
    log_mel : ndarray, shape (n_frames, n_bands), float32
        In dB.
    decay_frames : float
        Frames in which the power of the tail falls to 1/e.
    wet : float
        Power at the start of the tail, relative to the direct sound.

    Returns
    -------
    ndarray, shape (n_frames, n_bands), float32
        In dB.
    """
    decay = np.exp(-1 / decay_frames)
    tail = scipy.signal.lfilter([0, wet], [1, -decay], _power(log_mel), axis=0)
    return _decibel(_power(log_mel) + tail)


def equaliser(n_bands: int, rng: np.random.Generator, eq_db: float) -> Float32:
    """Return a smooth random gain per band: a tilt and two broad bumps.

    Parameters
    ----------
    n_bands : int
        Number of bands.
    rng : numpy.random.Generator
        Source of randomness.
    eq_db : float
        Standard deviation of the tilt and of each bump, in dB.

    Returns
    -------
    ndarray, shape (n_bands,), float32
        In dB.
    """
    position = np.linspace(-1, 1, n_bands)
    centres, widths = rng.uniform(-1, 1, 2), rng.uniform(0.1, 0.5, 2)
    bumps = np.exp(-0.5 * ((position[:, None] - centres) / widths) ** 2)
    gain_db = rng.normal(0, eq_db) * position + bumps @ rng.normal(0, eq_db, 2)
    return np.asarray(gain_db, np.float32)


def add_noise(log_mel: Float32, rng: np.random.Generator, level_db: float) -> Float32:
    """Add stationary noise with a spectral tilt.

    Parameters
    ----------
    log_mel : ndarray, shape (n_frames, n_bands), float32
        In dB.
    rng : numpy.random.Generator
        Source of randomness.
    level_db : float
        Mean level relative to the peak, in dB; below 0.

    Returns
    -------
    ndarray, shape (n_frames, n_bands), float32
        In dB.
    """
    tilt_db = rng.uniform(-12, 4) * np.linspace(-1, 1, log_mel.shape[1])
    return _with_noise(log_mel, rng, level_db + tilt_db)


def add_wind(log_mel: Float32, rng: np.random.Generator, level_db: float) -> Float32:
    """Add noise that falls off from the lowest band on: what a high-pass filter leaves of wind, traffic and handling.

    Parameters
    ----------
    log_mel : ndarray, shape (n_frames, n_bands), float32
        In dB.
    rng : numpy.random.Generator
        Source of randomness.
    level_db : float
        Level in the lowest band relative to the peak, in dB; below 0.

    Returns
    -------
    ndarray, shape (n_frames, n_bands), float32
        In dB.
    """
    fall_db = rng.uniform(2, 10) * np.arange(log_mel.shape[1])
    return _with_noise(log_mel, rng, level_db - fall_db)


def _with_noise(log_mel: Float32, rng: np.random.Generator, level_db: NDArray[np.floating]) -> Float32:
    """Add stationary noise whose mean level in each band is given, in dB."""
    # The noise power of a mel band varies by 2 to 4 dB from frame to frame.
    noise_db = level_db + np.float32(3) * rng.standard_normal(log_mel.shape, np.float32)
    return _decibel(_power(log_mel) + _power(noise_db.astype(np.float32)))


def mask(log_mel: Float32, rng: np.random.Generator, config: AugmentConfig) -> Float32:
    """Set random ranges of frames and of bands to the recording's mean (SpecAugment, Park et al. 2019).

    Parameters
    ----------
    log_mel : ndarray, shape (n_frames, n_bands), float32
        Not modified.
    rng : numpy.random.Generator
        Source of randomness.
    config : AugmentConfig
        Number and largest width of the masks.

    Returns
    -------
    ndarray, shape (n_frames, n_bands), float32
        A masked copy.
    """
    masked = log_mel.copy()
    fill = log_mel.mean()
    for _ in range(config.n_masks):
        width = int(rng.integers(0, config.mask_frames + 1))
        start = int(rng.integers(0, max(1, len(masked) - width)))
        masked[start : start + width] = fill
        width = int(rng.integers(0, config.mask_bands + 1))
        start = int(rng.integers(0, max(1, masked.shape[1] - width)))
        masked[:, start : start + width] = fill
    return masked


def fit_length(log_mel: Float32, rng: np.random.Generator, n_frames: int) -> Float32:
    """Cut a random section, or repeat a shorter recording, starting at a random frame.

    Parameters
    ----------
    log_mel : ndarray, shape (n, n_bands), float32
        At least one frame.
    rng : numpy.random.Generator
        Source of randomness.
    n_frames : int
        Length of the result.

    Returns
    -------
    ndarray, shape (n_frames, n_bands), float32
        Frames of the recording.
    """
    if len(log_mel) > n_frames:
        start = int(rng.integers(0, len(log_mel) - n_frames + 1))
        return log_mel[start : start + n_frames]
    start = int(rng.integers(0, len(log_mel)))
    return np.take(log_mel, range(start, start + n_frames), axis=0, mode="wrap")


def mix(batch: Float32, targets: Float32, rng: np.random.Generator, alpha: float) -> tuple[Float32, Float32]:
    """Mix every row with another row of its batch (mixup, Zhang et al. 2018).

    Parameters
    ----------
    batch : ndarray, shape (n_rows, n_frames, n_bands), float32
        Inputs.
    targets : ndarray, shape (n_rows, n_classes), float32
        Class probabilities.
    rng : numpy.random.Generator
        Source of randomness.
    alpha : float
        Both parameters of the Beta distribution of a row's share; 0 returns the inputs unchanged.

    Returns
    -------
    inputs, targets : ndarray
        Mixed, in the shapes of the arguments.
    """
    if not alpha:
        return batch, targets
    partner = rng.permutation(len(batch))
    share = rng.beta(alpha, alpha, len(batch)).astype(np.float32)
    share = np.maximum(share, 1 - share)
    rows = share[:, None, None]
    mixed = rows * batch + (1 - rows) * batch[partner]
    return mixed, share[:, None] * targets + (1 - share[:, None]) * targets[partner]


def _interpolation(positions: NDArray[np.float64], n_rows: int) -> Float32:
    """Matrix that interpolates linearly at fractional row numbers in [0, n_rows - 1], shape (n_positions, n_rows)."""
    lower = np.minimum(positions.astype(np.intp), max(0, n_rows - 2))
    matrix = np.zeros((len(positions), n_rows), np.float32)
    index = np.arange(len(positions))
    matrix[index, np.minimum(lower + 1, n_rows - 1)] = positions - lower
    matrix[index, lower] = 1 - (positions - lower)
    return matrix


def _power(decibel: Float32) -> Float32:
    return np.asarray(np.exp(decibel * np.float32(np.log(10) / 10)), np.float32)


def _decibel(power: NDArray[np.floating]) -> Float32:
    return np.asarray(np.log(power) * (10 / np.log(10)), np.float32)
