"""Waveform -> features: one STFT (`emosense.features.spectrum`), from which every feature set is computed.

Takes a mono waveform at the configuration's sample rate, gives float32 arrays; axes are (frames, bands).

Sets
----
summary      40 MFCC + 12 chroma + 128 mel, each the mean over time: shape (180,). The reference MLP's.
functionals  statistics of the contours of spectrum, energy and pitch: shape (n_values,). The default MLP's.
mfcc         13 MFCC x frames of one segment of fixed length: shape (n_frames, 13). The reference CNN's.
logmel       log-mel in dB below the recording's peak, silence trimmed at both ends: shape (n_frames, n_mels).
encoder      mean and standard deviation over the frames of a pretrained encoder: shape (2 * n_dims,).
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from emosense.arrays import Float32
from emosense.errors import UsageError
from emosense.features import filterbanks, spectrum
from emosense.features.encoder.embedding import WHISPER_N_FFT, encoder
from emosense.features.encoder.onnx_encoder import SAMPLE_RATE, WHISPER_HOP, EncoderConfig
from emosense.features.functionals import functional_names, functionals

# Sample rates and frames; what no recording needs would only cost memory.
_LARGEST_SIZE: Final = 768_000
_MOST_BANDS: Final = 2048
# Of all sets, and of those that need more; 1 for what is not named.
_SMALLEST: Final = {
    ("", "n_fft"): 16, ("", "n_mfcc"): 0, ("", "n_chroma"): 0,
    ("summary", "n_mfcc"): 1, ("summary", "n_chroma"): 1, ("mfcc", "n_mfcc"): 1, ("functionals", "n_mels"): 2,
}  # fmt: skip
_LONGEST_S: Final = 600
# 200 dB below full scale; its share at 80 dB below is still a normal float32.
_SILENT_POWER: Final = 1e-20
# As much as a recording must last.
_LEAST_HEARD_S: Final = 0.25


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
    encoder : EncoderConfig or None
        The pretrained encoder of the set ``encoder``.
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
    encoder: EncoderConfig | None = None

    def __post_init__(self) -> None:
        """Refuse a configuration that no feature can be computed with."""
        if self.set not in FEATURE_SETS:
            raise UsageError(f"unknown feature set {self.set!r}: choose one of {', '.join(FEATURE_SETS)}")
        for name in ("sample_rate", "n_fft", "hop", "n_mels", "n_mfcc", "n_chroma"):
            size, smallest = getattr(self, name), _SMALLEST.get((self.set, name), _SMALLEST.get(("", name), 1))
            if type(size) is not int or not smallest <= size <= _LARGEST_SIZE:
                raise UsageError(f"{name} must be a whole number from {smallest} to {_LARGEST_SIZE:,}")
        for name in ("f_min_hz", "f_max_hz", "segment_start_s", "segment_s", "trim_db"):
            value, largest = getattr(self, name), _LONGEST_S if name.endswith("_s") else _LARGEST_SIZE
            if not _is_number(value) or not 0 <= value <= largest:
                raise UsageError(f"{name} must be a number from 0 to {largest:,}")
        if self.tuning is not None and not _is_number(self.tuning):
            raise UsageError("tuning must be a fraction of a chroma bin, or null to estimate it")
        if not self.f_min_hz < (self.f_max_hz or self.sample_rate / 2) <= self.sample_rate / 2:
            raise UsageError(
                f"mel bands from {self.f_min_hz:g} to {self.f_max_hz:g} Hz do not lie below half the sample rate, "
                f"{self.sample_rate / 2:g} Hz"
            )
        if self.n_mfcc > self.n_mels or self.n_mels > _MOST_BANDS or self.n_chroma > _MOST_BANDS:
            raise UsageError(f"at most {_MOST_BANDS} mel or chroma bands, and no more MFCC than mel bands")
        if self.set != "encoder" and self.encoder is not None:
            raise UsageError(f"the feature set {self.set} has no encoder")
        if self.set == "encoder" and self.sample_rate != SAMPLE_RATE:
            raise UsageError(f"encoders hear {SAMPLE_RATE} Hz, not {self.sample_rate}")

    @property
    def mel_key(self) -> tuple[int, int, int, float, float]:
        """The arguments of `filterbanks.mel_bank`."""
        f_max_hz = self.f_max_hz or self.sample_rate / 2
        return (self.sample_rate, self.n_fft, self.n_mels, self.f_min_hz, f_max_hz)

    @property
    def key(self) -> str:
        """Hex digest of all settings: two configurations with the same key give the same values."""
        return hashlib.sha256(json.dumps(self.settings(), sort_keys=True).encode()).hexdigest()[:16]

    def settings(self) -> dict[str, Any]:
        """Return what decides the values: everything but where the encoder's file lies."""
        chosen = {} if self.encoder is None else self.encoder.settings()
        return self._without_encoder() | {f"encoder_{name}": value for name, value in chosen.items()}

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain JSON values; without an encoder there is no key of that name."""
        return self._without_encoder() | ({} if self.encoder is None else {"encoder": self.encoder.to_dict()})

    def _without_encoder(self) -> dict[str, Any]:
        return {name: value for name, value in dataclasses.asdict(self).items() if name != "encoder"}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> FeatureConfig:
        """Rebuild a configuration from `to_dict`.

        Raises
        ------
        UsageError
            If a setting is unknown or missing, so that a newer file is never read with an older meaning.
        """
        try:
            given = {**values}
            if given.get("encoder") is not None:
                given["encoder"] = EncoderConfig(**given["encoder"])
            return cls(**given)
        except TypeError as err:
            raise UsageError(f"feature configuration does not fit this version: {err}") from err


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


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
        return functional_names(config)
    if config.set == "encoder":
        n_dims = 0 if config.encoder is None else config.encoder.n_dims
        return [f"{name}_{i}" for name in ("mean", "sd") for i in range(n_dims)]
    return {"summary": mfcc + chroma + mel, "mfcc": mfcc, "logmel": mel}[config.set]


def summary(waveform: Float32, config: FeatureConfig) -> Float32:
    """Return the means over time of MFCC, chroma and mel power, shape (n_mfcc + n_chroma + n_mels,).

    The mean MFCC is the DCT of the mean log-mel, since the DCT is linear: one small product instead of one a frame.
    """
    tuning = spectrum.estimate_tuning(waveform, config) if config.tuning is None else config.tuning
    bank = filterbanks.chroma_bank(config.sample_rate, config.n_fft, config.n_chroma, tuning)
    mels, chromas = [], []
    for power in spectrum.power_blocks(waveform, config):
        mels.append(spectrum.mel_power(power, config))
        chromas.append((power @ bank).T)
    mel, chroma = np.concatenate(mels), np.concatenate(chromas, axis=1)
    peak = chroma.max(axis=0)
    # librosa.util.normalize leaves frames below float32's smallest normal number as they are.
    peak[peak < np.finfo(np.float32).tiny] = 1
    chroma /= peak
    mfcc = _mean(spectrum.power_to_db(mel)) @ filterbanks.dct_matrix(config.n_mels, config.n_mfcc)
    return np.concatenate((mfcc, chroma.mean(axis=1), _mean(mel)))


def _mean(frames: Float32) -> Float32:
    """Return the mean over time: as a product it takes a third of the time of `ndarray.mean` and is as exact."""
    return np.full(len(frames), 1 / len(frames), np.float32) @ frames


def mfcc(waveform: Float32, config: FeatureConfig) -> Float32:
    """MFCC of the configured segment, shape (n_frames, n_mfcc); a shorter recording is padded with zeros.

    Where the recording has ended when the segment begins, the segment is its end: padding alone has no emotion.
    """
    start = round(config.segment_start_s * config.sample_rate)
    length = round(config.segment_s * config.sample_rate)
    if length:
        if len(waveform) < start + _LEAST_HEARD_S * config.sample_rate:
            start = max(0, len(waveform) - length)
        segment = waveform[start : start + length]
        waveform = np.pad(segment, (0, length - len(segment)))
    mel = spectrum.mel_spectrogram(waveform, config)
    return np.asarray(spectrum.power_to_db(mel) @ filterbanks.dct_matrix(config.n_mels, config.n_mfcc), np.float32)


def logmel(waveform: Float32, config: FeatureConfig) -> Float32:
    """Log-mel in dB relative to the loudest cell, shape (n_frames, n_mels), in [-80, 0].

    The scale is the recording's own, so that the gain of the recording chain cancels.
    """
    mel = spectrum.mel_spectrogram(waveform, config)
    mel = mel[spectrum.loud_span(mel.sum(axis=1), config.trim_db)]
    peak = max(float(mel.max()), _SILENT_POWER)
    floor = np.float32(peak * 10 ** (-spectrum.TOP_DB / 10))
    db = np.maximum(mel, floor)
    db /= np.float32(peak)
    np.log10(db, out=db)
    db *= 10
    return db


FEATURE_SETS: Final[dict[str, Callable[[Float32, FeatureConfig], Float32]]] = {
    "summary": summary,
    "functionals": functionals,
    "mfcc": mfcc,
    "logmel": logmel,
    "encoder": encoder,
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
        # 64 ms frames and 128 bands resolve the harmonics of a voice from 100 Hz up.
        "logmel": {
            "sample_rate": 16_000, "n_fft": 1024, "hop": 256, "n_mels": 128, "f_min_hz": 50.0, "f_max_hz": 8000.0,
            "trim_db": 40.0,
        },
        "encoder": {"sample_rate": SAMPLE_RATE, "n_fft": WHISPER_N_FFT, "hop": WHISPER_HOP, "n_mels": 80},
    }  # fmt: skip
    if name not in configs:
        raise UsageError(f"unknown feature set {name!r}: choose one of {', '.join(configs)}")
    return FeatureConfig(set=name, **configs[name])  # type: ignore[arg-type]
