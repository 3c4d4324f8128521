"""The encoder that the user chose -> a feature configuration with it."""

from __future__ import annotations

import dataclasses
from typing import Final

import numpy as np

from emosense.errors import RecordingError, UsageError
from emosense.features.config import FeatureConfig
from emosense.features.encoder.config import SAMPLE_RATE, EncoderConfig
from emosense.features.encoder.download import obtain_encoder
from emosense.features.encoder.embedding import MIN_SAMPLES
from emosense.features.encoder.onnx_encoder import WHISPER_BANDS, Encoder
from emosense.features.sets import FEATURE_SETS, WHISPER_SEGMENT_S
from emosense.progress import Progress, Silent
from emosense.storage.locations import without_credentials
from emosense.storage.schemes import is_url
from emosense.training.cnn_settings import CnnConfig
from emosense.training.settings import EnsembleConfig, ModelConfig
from emosense.training.transfer.front_choice import with_front
from emosense.training.transfer_settings import TransferConfig

_FRAMES_TO_TRY: Final = 100


@dataclasses.dataclass(frozen=True, slots=True)
class EncoderChoice:
    """The encoder that the user chose.

    Parameters
    ----------
    location : str
        Path or URL of an ONNX file; empty for none.
    output : str
        Name of the graph's output; empty for the last one.
    normalise : bool or None
        Whether each recording's waveform is scaled to mean 0 and variance 1; None means yes for encoders of waveforms.
    """

    location: str = ""
    output: str = ""
    normalise: bool | None = None


def with_encoder(feature: FeatureConfig, choice: EncoderChoice, progress: Progress | None = None) -> FeatureConfig:
    """Put the chosen encoder into a feature configuration, after running it once.

    Parameters
    ----------
    feature : FeatureConfig
        Settings of the features.
    choice : EncoderChoice
        The encoder.
    progress : Progress, optional
        Receives the progress of a download, and a description of the encoder.

    Returns
    -------
    FeatureConfig
        With the encoder; unchanged where the feature set needs none.

    Raises
    ------
    UsageError
        If the set needs an encoder and none is given, if one is given and the set needs none, or if the file is not an
        encoder.
    StorageError
        If an encoder cannot be fetched.
    """
    if not FEATURE_SETS[feature.set].needs_encoder:
        if choice != EncoderChoice():
            raise UsageError(f"--encoder is for presets with an encoder or a teacher, not for {feature.set}")
        return feature
    if not choice.location:
        raise UsageError("the feature set encoder needs an encoder: give an ONNX file with --encoder FILE_OR_URL")
    progress = progress or Silent()
    file, sha256 = obtain_encoder(choice.location, progress)
    loaded = Encoder(file, choice.output)
    if loaded.input != "waveform" and choice.normalise:
        raise UsageError("--encoder-normalise is for encoders of waveforms; this one takes a log-mel spectrogram")
    n_bands, n_dims = _run_once(loaded)
    progress.message(f"encoder: {loaded.input} in, {n_dims} dims out ({loaded.output}), sha256 {sha256}")
    chosen = EncoderConfig(
        sha256=sha256,
        input=loaded.input,
        output=loaded.output,
        n_dims=n_dims,
        normalise=loaded.input == "waveform" and choice.normalise is not False,
        # Absolute, so that the model finds it from any working directory.
        location=without_credentials(choice.location) if is_url(choice.location) else file,
        file=file,
    )
    # A graph that pools takes recordings as the feature set whisper gives them, which bounds their length.
    segment_s = WHISPER_SEGMENT_S if loaded.input == "frames" else feature.segment_s
    return dataclasses.replace(feature, n_mels=n_bands or feature.n_mels, segment_s=segment_s, encoder=chosen)


def config_with_encoder(config: ModelConfig, choice: EncoderChoice, progress: Progress) -> ModelConfig:
    """Put the chosen encoder into the settings of a model.

    Parameters
    ----------
    config : NetworkConfig or EnsembleConfig
        Settings of the model.
    choice : EncoderChoice
        The encoder.
    progress : Progress
        See `with_encoder`.

    Returns
    -------
    NetworkConfig or EnsembleConfig
        With the encoder; unchanged where the features need none.

    Raises
    ------
    UsageError
        See `with_encoder`; also if an encoder is given for an ensemble.
    """
    if isinstance(config, EnsembleConfig):
        if choice != EncoderChoice():
            raise UsageError("--encoder is for presets with an encoder or a teacher, not for an ensemble")
        return config
    transfer = config.teacher if isinstance(config, CnnConfig) else config
    if isinstance(transfer, TransferConfig):
        if choice != EncoderChoice(choice.location):
            raise UsageError(
                "--encoder-output and --encoder-normalise are for ONNX encoders, not for Whisper's weights"
            )
        transfer = with_front(transfer, choice.location, progress)
        return dataclasses.replace(config, teacher=transfer) if isinstance(config, CnnConfig) else transfer
    return dataclasses.replace(config, feature=with_encoder(config.feature, choice, progress))


def _run_once(loaded: Encoder) -> tuple[int, int]:
    """Return the number of mel bands that an encoder takes (0 for a waveform) and the number of values in a frame."""
    if loaded.input == "waveform":
        tries = [(0, np.zeros(loaded.length or MIN_SAMPLES, np.float32))]
    elif loaded.input == "frames":
        return loaded.n_bands, len(loaded.vector(np.zeros((_FRAMES_TO_TRY, loaded.n_bands), np.float32)))
    else:
        # Many exported graphs do not state the number of bands: take the first that runs.
        bands = (loaded.n_bands,) if loaded.n_bands else WHISPER_BANDS
        tries = [(n_bands, np.zeros((n_bands, loaded.length), np.float32)) for n_bands in bands]
    problem: RecordingError | None = None
    for n_bands, values in tries:
        try:
            return n_bands, loaded.frames(values).shape[-1]
        except RecordingError as err:
            problem = problem or err
    tried = "log-mel" if loaded.input == "log-mel" else f"{len(tries[0][1]) / SAMPLE_RATE:g} s of silence"
    raise UsageError(f"the encoder cannot be run on {tried}: {problem}") from problem
