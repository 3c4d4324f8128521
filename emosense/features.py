"""Waveform -> features: one STFT, from which every feature set is computed.

Takes a mono waveform at the configuration's sample rate, gives float32 arrays. Axes are (frames, bins) throughout,
the layout in which the FFT writes and the matrix products read. Frame t is centred on sample t * hop; the ends are
padded with zeros, as librosa's STFT does.

Sets
----
summary      40 MFCC + 12 chroma + 128 mel, each the mean over time: shape (180,). The reference MLP's.
functionals  statistics of the contours of spectrum, energy and pitch: shape (n_values,). The default MLP's.
mfcc         13 MFCC x frames of one segment of fixed length: shape (n_frames, 13). The reference CNN's.
logmel       log-mel in dB below the recording's peak, silence trimmed at both ends: shape (n_frames, n_mels).
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from emosense import filterbanks, functionals
from emosense.errors import UsageError

Float32 = NDArray[np.float32]

# 64 frames of 2048 points are 0.5 MB: the block stays in the L2 cache from windowing to the last matrix product.
_BLOCK_FRAMES: Final = 64
_MEL_GROUPS: Final = 8
# librosa's power_to_db: amin=1e-10, top_db=80.
_POWER_FLOOR: Final = 1e-10
_TOP_DB: Final = 80.0
# 200 dB below full scale; its share at 80 dB below is still a normal float32.
_SILENT_POWER: Final = 1e-20


@dataclasses.dataclass(frozen=True, slots=True)
class FeatureConfig:
    """All that decides the value of a feature; it travels with the features and with the model.

    Parameters
    ----------
    set : str
        Name of the feature set, a key of `FEATURE_SETS`.
    sample_rate : int
        Hz; every recording is resampled to it.
    n_fft, hop : int
        Length of the Hann-windowed frame and distance between frames, in samples.
    n_mfcc, n_mels, n_chroma : int
        Number of coefficients or bands; 0 where the set has none.
    f_min_hz, f_max_hz : float
        Range of the mel bank; ``f_max_hz=0`` stands for half the sample rate.
    tuning : float or None
        Deviation from A440 in fractions of a chroma bin; None estimates it for each recording as librosa does.
    segment_start_s, segment_s : float
        The segment that a set of fixed length looks at; ``segment_s=0`` stands for the whole recording.
    trim_db : float
        Frames at both ends that are more than this below the loudest frame are cut off; 0 cuts none.
    """

    set: str
    sample_rate: int
    n_fft: int = 2048
    hop: int = 512
    n_mfcc: int = 0
    n_mels: int = 128
    n_chroma: int = 0
    f_min_hz: float = 0.0
    f_max_hz: float = 0.0
    tuning: float | None = 0.0
    segment_start_s: float = 0.0
    segment_s: float = 0.0
    trim_db: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a configuration that no feature can be computed with."""
        if self.set not in FEATURE_SETS:
            raise UsageError(f"unknown feature set {self.set!r}: choose one of {', '.join(FEATURE_SETS)}")
        if min(self.sample_rate, self.n_fft, self.hop, self.n_mels) < 1:
            raise UsageError("sample_rate, n_fft, hop and n_mels must be positive")

    @property
    def mel_key(self) -> tuple[int, int, int, float, float]:
        """The arguments of `filterbanks.mel_bank`."""
        f_max_hz = self.f_max_hz or self.sample_rate / 2
        return (self.sample_rate, self.n_fft, self.n_mels, self.f_min_hz, f_max_hz)

    @property
    def key(self) -> str:
        """Hex digest of all settings: two configurations with the same key give the same values."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()[:16]

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> FeatureConfig:
        """Rebuild a configuration from `to_dict`.

        Raises
        ------
        UsageError
            If a setting is unknown or missing, so that a newer file is never read with an older meaning.
        """
        try:
            return cls(**values)
        except TypeError as err:
            raise UsageError(f"feature configuration does not fit this version: {err}") from err


def extract(waveform: Float32, config: FeatureConfig) -> Float32:
    """Compute the features of one recording.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float32 in [-1, 1]
        Mono, at ``config.sample_rate``, at least one sample.
    config : FeatureConfig
        Which set, and how.

    Returns
    -------
    ndarray, float32
        Shape (n_values,) or (n_frames, n_bands), as the set says.
    """
    return FEATURE_SETS[config.set](waveform, config)


def feature_names(config: FeatureConfig) -> list[str]:
    """Names of the last axis of `extract`."""
    mfcc = [f"mfcc_{i}" for i in range(config.n_mfcc)]
    chroma = [f"chroma_{i}" for i in range(config.n_chroma)]
    mel = [f"mel_{i}" for i in range(config.n_mels)]
    if config.set == "functionals":
        return functionals.functional_names(config)
    return {"summary": mfcc + chroma + mel, "mfcc": mfcc, "logmel": mel}[config.set]


def power_blocks(waveform: Float32, config: FeatureConfig) -> Iterator[Float32]:
    """Yield the power spectrogram in blocks of at most 64 frames, each shape (n_frames, 1 + n_fft // 2)."""
    padded = np.zeros(len(waveform) + 2 * (config.n_fft // 2), np.float32)
    padded[config.n_fft // 2 : config.n_fft // 2 + len(waveform)] = waveform
    if len(padded) < config.n_fft:
        padded = np.pad(padded, (0, config.n_fft - len(padded)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, config.n_fft)[:: config.hop]
    window = filterbanks.hann_window(config.n_fft)
    windowed = np.empty((_BLOCK_FRAMES, config.n_fft), np.float32)
    for start in range(0, len(frames), _BLOCK_FRAMES):
        block = frames[start : start + _BLOCK_FRAMES]
        spectrum = scipy.fft.rfft(np.multiply(block, window, out=windowed[: len(block)]), overwrite_x=True)
        power = spectrum.real**2
        power += spectrum.imag**2
        yield power


def mel_power(power: Float32, config: FeatureConfig) -> Float32:
    """Mel power of a block of frames, shape (n_frames, n_mels)."""
    mel = np.empty((len(power), config.n_mels), np.float32)
    for bins, filters, block in filterbanks.spans(config.mel_key, _MEL_GROUPS):
        np.matmul(power[:, bins], block, out=mel[:, filters])
    return mel


def power_to_db(power: Float32, top_db: float = _TOP_DB) -> Float32:
    """Return power in dB, at most `top_db` below its maximum (`librosa.power_to_db` with its defaults)."""
    db = 10.0 * np.log10(np.maximum(power, np.float32(_POWER_FLOOR)))
    return np.asarray(np.maximum(db, db.max() - np.float32(top_db)), np.float32)


def summary(waveform: Float32, config: FeatureConfig) -> Float32:
    """Return the means over time of MFCC, chroma and mel power, shape (n_mfcc + n_chroma + n_mels,).

    The mean MFCC is the DCT of the mean log-mel, since the DCT is linear: one small product instead of one a frame.
    """
    mel_blocks = []
    chroma_sum = np.zeros(config.n_chroma)
    tuning = estimate_tuning(waveform, config) if config.tuning is None else config.tuning
    bank = filterbanks.chroma_bank(config.sample_rate, config.n_fft, config.n_chroma, tuning)
    for power in power_blocks(waveform, config):
        mel_blocks.append(mel_power(power, config))
        chroma = power @ bank
        peak = chroma.max(axis=1, keepdims=True)
        # librosa.util.normalize leaves frames below float32's smallest normal number as they are.
        chroma_sum += (chroma / np.where(peak < np.finfo(np.float32).tiny, 1, peak)).sum(axis=0, dtype=np.float64)
    mel = np.concatenate(mel_blocks)
    mean_log_mel = power_to_db(mel).mean(axis=0, dtype=np.float64).astype(np.float32)
    mfcc = mean_log_mel @ filterbanks.dct_matrix(config.n_mels, config.n_mfcc)
    values = (mfcc, chroma_sum / len(mel), mel.mean(axis=0, dtype=np.float64))
    return np.concatenate(values).astype(np.float32)


def functional_vector(waveform: Float32, config: FeatureConfig) -> Float32:
    """Return the functionals of the recording's contours, shape (n_values,); see `emosense.functionals`."""
    return functionals.functionals(power_blocks(waveform, config), mel_power, config)


def mfcc(waveform: Float32, config: FeatureConfig) -> Float32:
    """MFCC of the configured segment, shape (n_frames, n_mfcc); a shorter recording is padded with zeros."""
    start = round(config.segment_start_s * config.sample_rate)
    length = round(config.segment_s * config.sample_rate)
    if length:
        segment = waveform[start : start + length]
        waveform = np.pad(segment, (0, length - len(segment)))
    mel = np.concatenate([mel_power(power, config) for power in power_blocks(waveform, config)])
    return np.asarray(power_to_db(mel) @ filterbanks.dct_matrix(config.n_mels, config.n_mfcc), np.float32)


def logmel(waveform: Float32, config: FeatureConfig) -> Float32:
    """Log-mel in dB relative to the loudest cell, shape (n_frames, n_mels), in [-80, 0].

    The scale is the recording's own, so that the gain of the recording chain cancels.
    """
    mel = np.concatenate([mel_power(power, config) for power in power_blocks(waveform, config)])
    if config.trim_db:
        mel = mel[loud_span(mel.sum(axis=1), config.trim_db)]
    peak = max(float(mel.max()), _SILENT_POWER)
    floor = np.float32(peak * 10 ** (-_TOP_DB / 10))
    return np.asarray(10.0 * np.log10(np.maximum(mel, floor) / np.float32(peak)), np.float32)


def loud_span(frame_power: Float32, trim_db: float) -> slice:
    """Return the frames from the first to the last that is within `trim_db` of the loudest."""
    loud = np.flatnonzero(frame_power >= frame_power.max() * 10 ** (-trim_db / 10))
    return slice(int(loud[0]), int(loud[-1]) + 1)


def estimate_tuning(waveform: Float32, config: FeatureConfig) -> float:
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


FEATURE_SETS: Final[dict[str, Callable[[Float32, FeatureConfig], Float32]]] = {
    "summary": summary,
    "functionals": functional_vector,
    "mfcc": mfcc,
    "logmel": logmel,
}


@functools.cache
def default_config(name: str) -> FeatureConfig:
    """Return the configuration of a feature set as `emosense-batch features` uses it.

    `summary` works at 48 kHz, RAVDESS's own rate, as the reference does, and `mfcc` at 22.05 kHz, librosa's default.
    """
    configs = {
        "summary": {"sample_rate": 48_000, "n_mfcc": 40, "n_chroma": 12},
        "mfcc": {"sample_rate": 22_050, "n_mfcc": 13, "segment_start_s": 0.5, "segment_s": 3.0},
        "functionals": {
            "sample_rate": 16_000, "n_fft": 512, "hop": 256, "n_mels": 32, "f_min_hz": 60.0, "f_max_hz": 7600.0,
            "trim_db": 40.0,
        },
        "logmel": {
            "sample_rate": 16_000, "n_fft": 512, "hop": 160, "n_mels": 64, "f_min_hz": 50.0, "f_max_hz": 8000.0,
            "trim_db": 40.0,
        },
    }  # fmt: skip
    if name not in configs:
        raise UsageError(f"unknown feature set {name!r}: choose one of {', '.join(configs)}")
    return FeatureConfig(set=name, **configs[name])  # type: ignore[arg-type]
