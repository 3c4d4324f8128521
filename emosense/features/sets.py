"""The feature sets: each is one entry of `FEATURE_SETS`, from which the command line, model cards and training read.

Importing this module loads no numeric library, so that the command line can list the names. The function that
computes a set is imported when it is first used. A package adds a set with an entry point of the group
``emosense.feature_sets`` (CONTRIBUTING.md shows how).
"""

from __future__ import annotations

import dataclasses
import functools
import pkgutil
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from emosense.errors import UsageError
from emosense.features.encoder.config import SAMPLE_RATE, WHISPER_HOP, WHISPER_N_FFT
from emosense.registry import Registry

if TYPE_CHECKING:
    from emosense.arrays import Float32
    from emosense.features.config import FeatureConfig

# As long as a model's window, which also bounds the memory of attention.
WHISPER_SEGMENT_S: Final = 10.0


@dataclasses.dataclass(frozen=True, eq=False)
class FeatureSet:
    """All that is known of a feature set.

    Parameters
    ----------
    description : str
        What it consists of, to follow "a network on": ``log-mel frames``. Model cards and docs show it.
    function : str
        ``module:function`` that computes it from a waveform (float32, mono, at the configuration's sample rate) and a
        `FeatureConfig`.
    names_function : str
        ``module:function`` that gives the names of the last axis, a list of str, for a `FeatureConfig`.
    settings : mapping of str to object
        Its default settings, fields of `FeatureConfig`; ``sample_rate`` must be among them.
    smallest : mapping of str to int
        Sizes that must be larger than in other sets, by their name in `FeatureConfig`.
    is_sequence : bool
        Whether it has the shape (n_frames, n_bands) rather than (n_values,).
    needs_encoder : bool
        Whether it needs a pretrained encoder.
    """

    description: str
    function: str
    names_function: str
    settings: Mapping[str, Any]
    smallest: Mapping[str, int] = dataclasses.field(default_factory=dict)
    is_sequence: bool = False
    needs_encoder: bool = False

    @functools.cached_property
    def compute(self) -> Callable[[Float32, FeatureConfig], Float32]:
        """The function that computes the set."""
        function: Callable[[Float32, FeatureConfig], Float32] = pkgutil.resolve_name(self.function)
        return function

    @functools.cached_property
    def names(self) -> Callable[[FeatureConfig], list[str]]:
        """The function that gives the names of the last axis."""
        function: Callable[[FeatureConfig], list[str]] = pkgutil.resolve_name(self.names_function)
        return function


FEATURE_SETS: Final[Registry[FeatureSet]] = Registry("feature set", "emosense.feature_sets")

FEATURE_SETS.register(
    "summary",
    FeatureSet(
        "means of MFCC, chroma and mel over time",
        function="emosense.features.summary:summary",
        names_function="emosense.features.summary:summary_names",
        # RAVDESS's own sample rate, as the reference MLP uses it.
        settings={"sample_rate": 48_000, "n_mfcc": 40, "n_chroma": 12, "speech_only": False},
        smallest={"n_mfcc": 1, "n_chroma": 1},
    ),
)
FEATURE_SETS.register(
    "functionals",
    FeatureSet(
        "functionals of spectrum, energy and pitch",
        function="emosense.features.functionals:functionals",
        names_function="emosense.features.functionals:functional_names",
        settings={
            "sample_rate": 16_000, "n_fft": 512, "hop": 256, "n_mels": 32, "f_min_hz": 60.0, "f_max_hz": 7600.0,
            "trim_db": 40.0,
        },
        smallest={"n_mels": 2},
    ),
)  # fmt: skip
FEATURE_SETS.register(
    "mfcc",
    FeatureSet(
        "MFCC frames",
        function="emosense.features.mfcc:mfcc",
        names_function="emosense.features.mfcc:mfcc_names",
        # librosa's default sample rate, as the reference CNN uses it.
        settings={
            "sample_rate": 22_050,
            "n_mfcc": 13,
            "segment_start_s": 0.5,
            "segment_s": 3.0,
            "speech_only": False,
        },
        smallest={"n_mfcc": 1},
        is_sequence=True,
    ),
)
FEATURE_SETS.register(
    "logmel",
    FeatureSet(
        "log-mel frames",
        function="emosense.features.spectrum:log_mel",
        names_function="emosense.features.spectrum:mel_names",
        # 64 ms frames and 128 bands resolve the harmonics of a voice from 100 Hz up.
        settings={
            "sample_rate": 16_000, "n_fft": 1024, "hop": 256, "n_mels": 128, "f_min_hz": 50.0, "f_max_hz": 8000.0,
            "trim_db": 40.0,
        },
        is_sequence=True,
    ),
)  # fmt: skip
FEATURE_SETS.register(
    "whisper",
    FeatureSet(
        "Whisper's log-mel frames",
        function="emosense.features.whisper:whisper",
        names_function="emosense.features.spectrum:mel_names",
        settings={
            "sample_rate": SAMPLE_RATE, "n_fft": WHISPER_N_FFT, "hop": WHISPER_HOP, "n_mels": 80,
            "segment_s": WHISPER_SEGMENT_S,
        },
        is_sequence=True,
    ),
)  # fmt: skip
FEATURE_SETS.register(
    "encoder",
    FeatureSet(
        "the mean and standard deviation of a pretrained encoder's frames",
        function="emosense.features.encoder.embedding:embedding",
        names_function="emosense.features.encoder.embedding:embedding_names",
        settings={"sample_rate": SAMPLE_RATE, "n_fft": WHISPER_N_FFT, "hop": WHISPER_HOP, "n_mels": 80},
        needs_encoder=True,
    ),
)


def extract(waveform: Float32, config: FeatureConfig) -> Float32:
    """Compute the features of one recording, and check that they are what their set promises.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float32 in [-1, 1]
        Mono, at ``config.sample_rate``, at least one sample.
    config : FeatureConfig
        The set and its settings.

    Returns
    -------
    ndarray, float32
        Shape (n_values,) or (n_frames, n_bands), depending on the set.

    Raises
    ------
    UsageError
        If the function of the set gives an array of another type or shape.
    """
    feature_set = FEATURE_SETS[config.set]
    values = feature_set.compute(waveform, config)
    n_values, n_axes = len(feature_set.names(config)), 2 if feature_set.is_sequence else 1
    if values.dtype != "float32" or values.ndim != n_axes or values.shape[-1] != n_values or not values.size:
        expected = f"(n_frames, {n_values})" if feature_set.is_sequence else f"({n_values},)"
        raise UsageError(
            f"the feature set {config.set} gave {values.dtype} values of the shape {values.shape}; according to its "
            f"registry entry they are float32 of the shape {expected}"
        )
    return values
