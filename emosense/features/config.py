"""The settings of a feature set: they are stored with the features and in ``model.json``. Loads no numeric library."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import math
from typing import Any, Final

from emosense.errors import UsageError
from emosense.features.encoder.config import SAMPLE_RATE, EncoderConfig
from emosense.features.sets import FEATURE_SETS

# What a set does not ask more of (`FeatureSet.smallest`).
_SMALLEST: Final = {"sample_rate": 1, "n_fft": 16, "hop": 1, "n_mels": 1, "n_mfcc": 0, "n_chroma": 0}
# Sample rates and frames; more than any recording needs would only cost memory.
_LARGEST_SIZE: Final = 768_000
_MAX_BANDS: Final = 2048
_MAX_SEGMENT_S: Final = 600


@dataclasses.dataclass(frozen=True, slots=True)
class FeatureConfig:
    """All settings that decide the values of a feature set.

    Parameters
    ----------
    set : str
        Name of the feature set, a key of `emosense.features.sets.FEATURE_SETS`.
    sample_rate : int
        Hz; every recording is resampled to it.
    n_fft, hop : int
        Length of the Hann-windowed frame and distance between frames, in samples.
    n_mfcc, n_mels, n_chroma : int
        Number of coefficients or bands; 0 where the set has none.
    f_min_hz, f_max_hz : float
        Range of the mel bands; ``f_max_hz=0`` stands for half the sample rate.
    tuning : float or None
        Deviation from A440 in fractions of a chroma bin; None estimates it per recording as librosa does.
    segment_start_s, segment_s : float
        Start and length of the segment that a set of fixed length uses; ``segment_s=0`` stands for the whole recording.
    trim_db : float
        Frames at both ends that are more than this below the loudest frame are cut off; 0 cuts none.
    speech_only : bool
        Use the speech of a recording only (`emosense.audio.speech.find_speech`): cut at both ends, without hum and
        what lies below the voice. False uses the recording as it is.
    encoder : EncoderConfig or None
        The pretrained encoder, for a set that needs one.

    Raises
    ------
    UsageError
        If a setting is out of range, or does not fit the set.
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
    speech_only: bool = True
    encoder: EncoderConfig | None = None

    def __post_init__(self) -> None:
        """Refuse settings with which no feature can be computed."""
        feature_set = FEATURE_SETS.find(self.set)
        for name, smallest in (_SMALLEST | {**feature_set.smallest}).items():
            size = getattr(self, name)
            if type(size) is not int or not smallest <= size <= _LARGEST_SIZE:
                raise UsageError(f"{name} must be a whole number from {smallest} to {_LARGEST_SIZE:,}")
        for name in ("f_min_hz", "f_max_hz", "segment_start_s", "segment_s", "trim_db"):
            value, largest = getattr(self, name), _MAX_SEGMENT_S if name.endswith("_s") else _LARGEST_SIZE
            if not _is_number(value) or not 0 <= value <= largest:
                raise UsageError(f"{name} must be a number from 0 to {largest:,}")
        if type(self.speech_only) is not bool:
            raise UsageError("speech_only must be true or false")
        if self.tuning is not None and not _is_number(self.tuning):
            raise UsageError("tuning must be a fraction of a chroma bin, or null to estimate it")
        if not self.f_min_hz < (self.f_max_hz or self.sample_rate / 2) <= self.sample_rate / 2:
            raise UsageError(
                f"mel bands from {self.f_min_hz:g} to {self.f_max_hz:g} Hz do not lie below half the sample rate, "
                f"{self.sample_rate / 2:g} Hz"
            )
        if self.n_mfcc > self.n_mels or self.n_mels > _MAX_BANDS or self.n_chroma > _MAX_BANDS:
            raise UsageError(f"at most {_MAX_BANDS} mel or chroma bands, and no more MFCC than mel bands")
        if not feature_set.needs_encoder and self.encoder is not None:
            raise UsageError(f"the feature set {self.set} has no encoder")
        if feature_set.needs_encoder and self.sample_rate != SAMPLE_RATE:
            raise UsageError(f"pretrained encoders need a sample rate of {SAMPLE_RATE} Hz, not {self.sample_rate}")

    @property
    def mel_key(self) -> tuple[int, int, int, float, float]:
        """The arguments of `emosense.features.mel.mel_bank`."""
        f_max_hz = self.f_max_hz or self.sample_rate / 2
        return (self.sample_rate, self.n_fft, self.n_mels, self.f_min_hz, f_max_hz)

    @property
    def key(self) -> str:
        """Hex digest of all settings: two configurations with the same key give the same values."""
        return hashlib.sha256(json.dumps(self.settings(), sort_keys=True).encode()).hexdigest()[:16]

    def settings(self) -> dict[str, Any]:
        """Return the settings that decide the values.

        Returns
        -------
        dict
            JSON values; those of the encoder have the prefix ``encoder_``.
        """
        chosen = {} if self.encoder is None else self.encoder.settings()
        return self._without_encoder() | {f"encoder_{name}": value for name, value in chosen.items()}

    def to_dict(self) -> dict[str, Any]:
        """Return what is stored.

        Returns
        -------
        dict
            JSON values; the key ``encoder`` is absent where there is none.
        """
        return self._without_encoder() | ({} if self.encoder is None else {"encoder": self.encoder.to_dict()})

    def _without_encoder(self) -> dict[str, Any]:
        return {name: value for name, value in dataclasses.asdict(self).items() if name != "encoder"}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> FeatureConfig:
        """Rebuild a configuration.

        Parameters
        ----------
        values : dict
            What `to_dict` returned.

        Returns
        -------
        FeatureConfig
            The configuration.

        Raises
        ------
        UsageError
            If a setting is unknown, missing or out of range. An unknown one may be from a newer version, and would
            change the values.
        """
        try:
            given = {**values}
            if given.get("encoder") is not None:
                given["encoder"] = EncoderConfig(**given["encoder"])
            return cls(**given)
        except TypeError as err:
            raise UsageError(f"this version cannot use the feature configuration: {err}") from err


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


@functools.cache
def default_config(name: str) -> FeatureConfig:
    """Return the default configuration of a feature set.

    Parameters
    ----------
    name : str
        Name of the set.

    Returns
    -------
    FeatureConfig
        What `emosense-batch features` uses.

    Raises
    ------
    UsageError
        If there is no set of that name.
    """
    return FeatureConfig(set=name, **FEATURE_SETS.find(name).settings)
