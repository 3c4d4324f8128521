"""What the user says about a pretrained encoder -> a feature configuration that names it."""

from __future__ import annotations

import dataclasses

import numpy as np

from emosense.errors import RecordingError, UsageError
from emosense.features.config import FeatureConfig
from emosense.features.encoder.config import SAMPLE_RATE, EncoderConfig
from emosense.features.encoder.embedding import MIN_SAMPLES
from emosense.features.encoder.files import obtain_encoder
from emosense.features.encoder.onnx_encoder import WHISPER_BANDS, Encoder
from emosense.features.sets import FEATURE_SETS
from emosense.progress import Progress, Silent
from emosense.storage.locations import without_credentials
from emosense.storage.schemes import is_url
from emosense.training.settings import EnsembleConfig, ModelConfig


@dataclasses.dataclass(frozen=True, slots=True)
class EncoderChoice:
    """What the user asked for.

    Parameters
    ----------
    location : str
        Path or URL of an ONNX file; empty for none.
    output : str
        Name of the graph's output; empty for the encoder's last.
    normalise : bool or None
        Scale each recording's waveform to mean 0 and variance 1; None does so for every encoder of waveforms.
    """

    location: str = ""
    output: str = ""
    normalise: bool | None = None


def with_encoder(feature: FeatureConfig, choice: EncoderChoice, progress: Progress | None = None) -> FeatureConfig:
    """Put the chosen encoder into a feature configuration, after it was run once.

    Parameters
    ----------
    feature : FeatureConfig
        Of any set; one that needs no encoder is returned as it is.

    Raises
    ------
    UsageError
        If the set needs an encoder and none is given, or the other way round, or the file is no encoder.
    StorageError
        If an encoder cannot be fetched.
    """
    if not FEATURE_SETS[feature.set].needs_encoder:
        if choice != EncoderChoice():
            raise UsageError(f"--encoder is for the feature set encoder and its presets, not for {feature.set}")
        return feature
    if not choice.location:
        raise UsageError("the feature set encoder needs an encoder: give an ONNX file with --encoder FILE_OR_URL")
    progress = progress or Silent()
    file, sha256 = obtain_encoder(choice.location, progress)
    loaded = Encoder(file, choice.output)
    if loaded.input == "log-mel" and choice.normalise:
        raise UsageError("--encoder-normalise is for encoders of waveforms; this one takes a log-mel spectrogram")
    n_bands, n_dims = _run_once(loaded)
    progress.message(f"encoder: {loaded.input} in, {n_dims} dims out ({loaded.output}), sha256 {sha256}")
    chosen = EncoderConfig(
        sha256=sha256,
        input=loaded.input,
        output=loaded.output,
        n_dims=n_dims,
        normalise=loaded.input == "waveform" and choice.normalise is not False,
        # Absolute, so that the model finds it from every folder.
        location=without_credentials(choice.location) if is_url(choice.location) else file,
        file=file,
    )
    return dataclasses.replace(feature, n_mels=n_bands or feature.n_mels, encoder=chosen)


def config_with_encoder(config: ModelConfig, choice: EncoderChoice, progress: Progress) -> ModelConfig:
    """Put the chosen encoder into the settings of a model to train; see `with_encoder`."""
    if isinstance(config, EnsembleConfig):
        if choice != EncoderChoice():
            raise UsageError("--encoder is for the feature set encoder and its presets, not for an ensemble")
        return config
    return dataclasses.replace(config, feature=with_encoder(config.feature, choice, progress))


def _run_once(loaded: Encoder) -> tuple[int, int]:
    """Return the mel bands that an encoder takes, 0 for a waveform, and the length of its frames."""
    if loaded.input == "waveform":
        tries = [(0, np.zeros(loaded.length or MIN_SAMPLES, np.float32))]
    else:
        # Many exports leave the bands open in the graph: the first number that runs is the encoder's.
        bands = (loaded.n_bands,) if loaded.n_bands else WHISPER_BANDS
        tries = [(n_bands, np.zeros((n_bands, loaded.length), np.float32)) for n_bands in bands]
    problem: RecordingError | None = None
    for n_bands, values in tries:
        try:
            return n_bands, loaded.frames(values).shape[-1]
        except RecordingError as err:
            problem = problem or err
    heard = "log-mel" if loaded.input == "log-mel" else f"{len(tries[0][1]) / SAMPLE_RATE:g} s of silence"
    raise UsageError(f"the encoder cannot be run on {heard}: {problem}") from problem
