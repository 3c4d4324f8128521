"""Waveform -> power spectrogram in blocks, and what is computed from a block: mel power and the tuning.

The one STFT of the project. Axes are (frames, bins), the layout in which the FFT writes and the matrix products read.
Frame t is centred on sample t * hop; the ends are padded with zeros, as librosa's STFT does.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from emosense.arrays import Float32
from emosense.features import filterbanks

# 32 frames of 2048 points: windowed frames, spectrum and power are 0.6 MB together and stay in an L2 cache of 1 MB.
# Twice as many take 1.7 times as long (docs/performance.md).
_BLOCK_SAMPLES: Final = 1 << 16
# A mel bank is a narrow band around the diagonal: eight products on their own spans cost a third of one dense product.
_MEL_GROUPS: Final = 8
# librosa's power_to_db: amin=1e-10, top_db=80.
_POWER_FLOOR: Final = 1e-10
TOP_DB: Final = 80.0


class SpectrumConfig(Protocol):
    """The settings of `emosense.features.sets.FeatureConfig` that a spectrum depends on; explained there."""

    @property
    def sample_rate(self) -> int: ...  # noqa: D102
    @property
    def n_fft(self) -> int: ...  # noqa: D102
    @property
    def hop(self) -> int: ...  # noqa: D102
    @property
    def n_mels(self) -> int: ...  # noqa: D102
    @property
    def n_chroma(self) -> int: ...  # noqa: D102
    @property
    def trim_db(self) -> float: ...  # noqa: D102
    @property
    def mel_key(self) -> tuple[int, int, int, float, float]: ...  # noqa: D102


def block_frames(n_fft: int) -> int:
    """Return the number of frames in a block."""
    return max(1, _BLOCK_SAMPLES // n_fft)


def power_blocks(waveform: Float32, config: SpectrumConfig) -> Iterator[Float32]:
    """Yield the power spectrogram in blocks of at most `block_frames`, each shape (n_frames, 1 + n_fft // 2).

    With ``config.trim_db`` most of the frames that trimming would cut are left out, and none that it would keep.
    """
    # Imported here: the driver of a run imports this module and computes nothing, and it costs 0.2 s.
    import scipy.fft

    n_fft, hop = config.n_fft, config.hop
    n_frames = 1 + max(0, len(waveform) + 2 * (n_fft // 2) - n_fft) // hop
    # Whole hops, so that `_audible_span` can sum them up.
    padded = np.zeros(hop * (n_frames - 1 + -(-n_fft // hop)), np.float32)
    n_samples = min(len(waveform), len(padded) - n_fft // 2)
    padded[n_fft // 2 : n_fft // 2 + n_samples] = waveform[:n_samples]
    # A tenth of the time that `sliding_window_view` takes.
    frames = np.ndarray((n_frames, n_fft), np.float32, padded, 0, (hop * padded.itemsize, padded.itemsize))
    if config.trim_db:
        frames = frames[_audible_span(padded, frames, config)]
    window = filterbanks.hann_window(n_fft)
    n_block = block_frames(n_fft)
    windowed = np.empty((n_block, n_fft), np.float32)
    for start in range(0, len(frames), n_block):
        block = frames[start : start + n_block]
        spectrum = scipy.fft.rfft(np.multiply(block, window, out=windowed[: len(block)]), overwrite_x=True)
        power = spectrum.real**2
        power += spectrum.imag**2
        yield power


def _audible_span(padded: Float32, frames: Float32, config: SpectrumConfig) -> slice:
    """Return the frames from the first to the last that may be within `trim_db` of the loudest, from samples alone.

    Parseval bounds a frame's mel power by its energy, and one loud frame's mel power bounds the loudest one's: a third
    of the FFTs of a RAVDESS clip, which is half silence, are saved.
    """
    import scipy.fft

    hops = padded.reshape(-1, config.hop)
    energies = np.vecdot(hops, hops)
    n_frames = len(frames)
    energy = sum(energies[first : first + n_frames] for first in range(-(-config.n_fft // config.hop)))
    weights, power_of_energy = _mel_weights(config.mel_key)
    likely = scipy.fft.rfft(frames[energy.argmax()] * filterbanks.hann_window(config.n_fft))
    limit = energy * power_of_energy
    loud = (likely.real**2 + likely.imag**2) @ weights
    return loud_span(limit, config.trim_db, min(float(loud), float(limit.max())))


@functools.cache
def _mel_weights(mel_key: tuple[int, int, int, float, float]) -> tuple[Float32, np.float32]:
    """Return each bin's share in the sum of mel powers, and the largest sum that a frame of energy 1 can have."""
    weights = filterbanks.mel_bank(*mel_key).sum(axis=1)
    # Half of a real signal's energy lies at negative frequencies, which the spectrum leaves out.
    largest = max(weights[0], weights[-1], weights.max() / 2)
    # A thousandth more, for rounding.
    return weights, np.float32(1.001 * mel_key[1] * largest)


def mel_power(power: Float32, config: SpectrumConfig) -> Float32:
    """Mel power of a block of frames, shape (n_frames, n_mels)."""
    mel = np.empty((len(power), config.n_mels), np.float32)
    for bins, filters, block in filterbanks.spans(config.mel_key, _MEL_GROUPS):
        np.matmul(power[:, bins], block, out=mel[:, filters])
    return mel


def mel_spectrogram(waveform: Float32, config: SpectrumConfig) -> Float32:
    """Mel power of a recording, shape (n_frames, n_mels)."""
    return np.concatenate([mel_power(power, config) for power in power_blocks(waveform, config)])


def power_to_db(power: Float32, top_db: float = TOP_DB) -> Float32:
    """Return power in dB, at most `top_db` below its maximum (`librosa.power_to_db` with its defaults)."""
    db = np.maximum(power, np.float32(_POWER_FLOOR))
    np.log10(db, out=db)
    db *= 10
    np.maximum(db, db.max() - np.float32(top_db), out=db)
    return db


def loud_span(frame_power: NDArray[np.floating], trim_db: float, loudest: float | None = None) -> slice:
    """Return the frames from the first to the last that is within `trim_db` of the loudest; all of them for 0."""
    if not trim_db:
        return slice(0, len(frame_power))
    loudest = frame_power.max() if loudest is None else loudest
    loud = np.flatnonzero(frame_power >= loudest * 10 ** (-trim_db / 10))
    return slice(int(loud[0]), int(loud[-1]) + 1)


def estimate_tuning(waveform: Float32, config: SpectrumConfig) -> float:
    """Estimate the deviation from A440 in fractions of a chroma bin (`librosa.estimate_tuning` on a power spectrum).

    Peaks of each frame between 150 Hz and 4 kHz, refined by a parabola; the histogram of the louder half decides.
    On speech this is close to noise: use it where the librosa value itself is wanted.
    """
    low_hz, high_hz = 150.0, min(4000.0, config.sample_rate / 2)
    hz = np.arange(1 + config.n_fft // 2) * (config.sample_rate / config.n_fft)
    usable = (hz >= low_hz) & (hz < high_hz)
    pitches_hz, magnitudes = [], []
    for power in power_blocks(waveform, config):
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
