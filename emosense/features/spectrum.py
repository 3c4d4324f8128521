"""Waveform -> power spectrogram -> mel power -> log-mel, the features of the shipped models.

This is the only STFT of the project. Axes are (frames, bins), the layout in which the FFT writes and matrix products
read. Frame t is centred on sample t * hop; the ends are padded with zeros, as librosa's STFT does.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emosense.arrays import Float32
from emosense.features import filterbanks
from emosense.features.config import FeatureConfig
from emosense.features.mel import mel_power

# 32 frames of 2048 points: windowed frames, spectrum and power take 0.6 MB together and stay in an L2 cache of 1 MB.
# Twice as many frames take 1.7 times as long (docs/performance.md).
_BLOCK_SAMPLES: Final = 1 << 16
# librosa's power_to_db: amin=1e-10, top_db=80.
_POWER_FLOOR: Final = 1e-10
TOP_DB: Final = 80.0
# 200 dB below full scale; 80 dB less is still a normal float32.
_SILENT_POWER: Final = 1e-20


def log_mel(waveform: Float32, config: FeatureConfig) -> Float32:
    """Compute the log-mel spectrogram of the part of a recording that is loud enough.

    Its reference is the loudest cell of the recording itself, so that the gain of the recording chain cancels.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float32 in [-1, 1]
        Mono, at ``config.sample_rate``, at least one sample.
    config : FeatureConfig
        ``trim_db`` says how far below the loudest frame the first and the last frame may be.

    Returns
    -------
    ndarray, shape (n_frames, n_mels), float32
        dB, in [-80, 0].
    """
    mel = np.concatenate([mel_power(power, config) for power in power_blocks(waveform, config)])
    mel = mel[loud_span(mel.sum(axis=1), config.trim_db)]
    peak = max(float(mel.max()), _SILENT_POWER)
    floor = np.float32(peak * 10 ** (-TOP_DB / 10))
    db: Float32 = np.maximum(mel, floor)
    db /= np.float32(peak)
    np.log10(db, out=db)
    db *= 10
    return db


def mel_names(config: FeatureConfig) -> list[str]:
    """Name the bands of `log_mel`.

    Parameters
    ----------
    config : FeatureConfig
        Says how many there are.

    Returns
    -------
    list of str
        ``mel_0``, ``mel_1`` and so on, from low to high.
    """
    return [f"mel_{i}" for i in range(config.n_mels)]


def block_frames(n_fft: int) -> int:
    """Return the number of frames in a block.

    Parameters
    ----------
    n_fft : int
        Length of a frame in samples.

    Returns
    -------
    int
        At least one.
    """
    return max(1, _BLOCK_SAMPLES // n_fft)


def power_blocks(waveform: Float32, config: FeatureConfig) -> Iterator[Float32]:
    """Compute the power spectrogram in blocks.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float32 in [-1, 1]
        Mono, at ``config.sample_rate``, at least one sample.
    config : FeatureConfig
        ``n_fft`` and ``hop``.

    Yields
    ------
    ndarray, shape (n_frames, 1 + n_fft // 2), float32
        At most `block_frames` frames.
    """
    # Imported here since it takes 0.2 s, and the driver of a run imports this module without computing anything.
    import scipy.fft

    n_fft, hop = config.n_fft, config.hop
    n_frames = 1 + max(0, len(waveform) + 2 * (n_fft // 2) - n_fft) // hop
    padded = np.zeros(hop * (n_frames - 1) + n_fft, np.float32)
    n_samples = min(len(waveform), len(padded) - n_fft // 2)
    padded[n_fft // 2 : n_fft // 2 + n_samples] = waveform[:n_samples]
    # A tenth of the time that `sliding_window_view` takes.
    frames = np.ndarray((n_frames, n_fft), np.float32, padded, 0, (hop * padded.itemsize, padded.itemsize))
    window = filterbanks.hann_window(n_fft)
    n_block = block_frames(n_fft)
    windowed = np.empty((n_block, n_fft), np.float32)
    for start in range(0, len(frames), n_block):
        block = frames[start : start + n_block]
        spectrum = scipy.fft.rfft(np.multiply(block, window, out=windowed[: len(block)]), overwrite_x=True)
        power = spectrum.real**2
        power += spectrum.imag**2
        yield power


def mel_spectrogram(waveform: Float32, config: FeatureConfig) -> Float32:
    """Compute the mel power of a recording.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float32 in [-1, 1]
        Mono, at ``config.sample_rate``, at least one sample.
    config : FeatureConfig
        Of the spectrum and the mel bands.

    Returns
    -------
    ndarray, shape (n_frames, n_mels), float32
        Energy of the windowed frames, on librosa's scale.
    """
    return np.concatenate([mel_power(power, config) for power in power_blocks(waveform, config)])


def power_to_db(power: Float32, top_db: float = TOP_DB) -> Float32:
    """Convert power to dB (`librosa.power_to_db` with its defaults).

    Parameters
    ----------
    power : ndarray, any shape, float32
        Power, where 1 becomes 0 dB.
    top_db : float
        Values that are more than this below the maximum are raised to it.

    Returns
    -------
    ndarray, same shape, float32
        dB.
    """
    db = np.maximum(power, np.float32(_POWER_FLOOR))
    np.log10(db, out=db)
    db *= 10
    np.maximum(db, db.max() - np.float32(top_db), out=db)
    return db


def loud_span(frame_power: NDArray[np.floating], trim_db: float) -> slice:
    """Find the part of a recording that trimming keeps.

    Parameters
    ----------
    frame_power : ndarray, shape (n_frames,)
        Power of each frame, on any scale.
    trim_db : float
        How far below the loudest frame the first and the last frame may be; 0 keeps all.

    Returns
    -------
    slice
        Frames from the first to the last that is loud enough.
    """
    if not trim_db:
        return slice(0, len(frame_power))
    loud = np.flatnonzero(frame_power >= frame_power.max() * 10 ** (-trim_db / 10))
    return slice(int(loud[0]), int(loud[-1]) + 1)
