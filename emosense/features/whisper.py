"""Waveform -> the log-mel frames of Whisper's front end (Radford et al. 2022, arXiv 2212.04356).

Axes are (frames, bands), 100 frames a second; frame t is centred on sample 160 t, and both ends are mirrored. Values
are (log10 of the mel power + 4) / 4, at most 2 below their maximum, as in ``audio.py`` of Whisper's release.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from emosense.arrays import Float32
from emosense.features import filterbanks
from emosense.features.config import FeatureConfig
from emosense.features.mel import mel_power

# log10 of the power of the loudest value. Speech at a usual level reaches 1 to 2.
PEAK: Final = 1.5
_POWER_FLOOR: Final = 1e-10
# Where the level of a recording is to cancel, Whisper's floor would cut a quiet one.
_LEAST_POWER: Final = 1e-30
_RANGE: Final = 8.0
# 128 frames, their spectra and power take 0.7 MB together, which fits an L2 cache, and no array of a block is so large
# that glibc takes it from the kernel anew each time.
_BLOCK_FRAMES: Final = 128


def whisper(waveform: Float32, config: FeatureConfig, peak: float | None = PEAK) -> Float32:
    """Compute Whisper's log-mel at one level for all recordings.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float32 in [-1, 1]
        Mono, at 16 kHz, at least one sample.
    config : FeatureConfig
        With an FFT of 400 samples and a hop of 160. Of a recording that is longer than ``segment_s``, the first
        ``segment_s`` seconds are used.
    peak : float or None
        The loudest value gets the power 10 ** `peak`; None keeps the level of the recording, as Whisper's release does.

    Returns
    -------
    ndarray, shape (max(1, n_samples // 160), n_mels), float32
        From -0.625 to 1.375 at the default level.
    """
    # Imported here since it takes 0.2 s, and the driver of a run imports this module without computing anything.
    import scipy.fft

    if config.segment_s:
        waveform = waveform[: max(1, round(config.segment_s * config.sample_rate))]
    n_frames, window = max(1, len(waveform) // config.hop), filterbanks.hann_window(config.n_fft)
    mirrored = _mirrored(waveform, config.n_fft // 2)
    # A view: frames overlap, and no sample is copied.
    frames = np.ndarray((n_frames, config.n_fft), np.float32, mirrored, 0, (4 * config.hop, 4))
    log = np.empty((n_frames, config.n_mels), np.float32)
    for start in range(0, n_frames, _BLOCK_FRAMES):
        block = slice(start, start + _BLOCK_FRAMES)
        spectrum = scipy.fft.rfft(frames[block] * window, overwrite_x=True)
        power = spectrum.real**2
        power += spectrum.imag**2
        mel_power(power, config, out=log[block])
    np.maximum(log, np.float32(_POWER_FLOOR if peak is None else _LEAST_POWER), out=log)
    np.log10(log, out=log)
    loudest = log.max()
    np.maximum(log, loudest - np.float32(_RANGE), out=log)
    log += np.float32(4) if peak is None else np.float32(4 + peak) - loudest
    log *= np.float32(0.25)
    return log


def _mirrored(waveform: Float32, n: int) -> Float32:
    """Continue both ends by `n` samples of their mirror images."""
    if len(waveform) <= n:
        return np.pad(waveform, n, mode="reflect")
    # A third of the time of `np.pad`.
    return np.concatenate((waveform[n:0:-1], waveform, waveform[-2 : -2 - n : -1]))
