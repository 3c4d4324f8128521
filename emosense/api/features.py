"""Features and models in Python, to compute probabilities step by step."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emosense.api.recordings import Path, recording_at
from emosense.audio.waveform import read_waveform
from emosense.errors import UsageError
from emosense.features.config import FeatureConfig, default_config
from emosense.inputs.recording import open_recording
from emosense.models.encoder_location import with_encoder_file
from emosense.models.model import Model
from emosense.models.model_files import DEFAULT_MODEL, read_model
from emosense.models.trial import try_model


def load_model(location: str = DEFAULT_MODEL, *, encoder: str = "") -> Model:
    """Load a model, to compute probabilities from features (see `extract_features`).

    Parameters
    ----------
    location : str
        Name of a model that ships with EmoSense, a directory, or the URL of one in object storage.
    encoder : str
        Path or URL of the pretrained encoder that the model needs; if empty, it is looked for on this machine when
        features are extracted.

    Returns
    -------
    Model
        Its `features` say what `extract_features` is to compute, its `probabilities` takes the list of these.

    Raises
    ------
    UsageError
        If an encoder is given and the model needs none.
    ModelError
        If there is no such model, it is damaged, it does not fit this version, or it needs another encoder.

    Examples
    --------
    >>> import emosense
    >>> model = emosense.load_model("default")
    >>> features = [emosense.extract_features("calls/1.wav", config) for config in model.features]
    >>> probabilities = model.probabilities(features)
    >>> probabilities.shape
    (8,)
    """
    files = read_model(location)
    files = with_encoder_file(files, encoder) if encoder else files
    try_model(files, location)
    return Model(files)


def extract_features(
    path: Path,
    features: str | FeatureConfig = "whisper",
    *,
    encoder: str = "",
    encoder_output: str = "",
    encoder_normalise: bool | None = None,
) -> NDArray[np.float32]:
    """Extract the features of one recording, as `emosense-batch features` does.

    Parameters
    ----------
    path : str or path-like
        A recording, local or by URL.
    features : str or FeatureConfig
        A feature set with its default settings (``summary``, ``functionals``, ``mfcc``, ``logmel``, ``whisper``,
        ``encoder``, or one that an installed package adds), or one of the ``features`` of a model, whose
        `probabilities` takes them as a list. `label` splits a recording that is longer than the model's ``window_s``
        into windows; this function does not.
    encoder : str
        Path or URL of an ONNX file; required by the set ``encoder``, and only used by it.
    encoder_output : str
        Name of the output of the encoder; if empty, its last one.
    encoder_normalise : bool or None
        Scale each waveform to mean 0 and variance 1 for the encoder; None does so if it takes waveforms.

    Returns
    -------
    ndarray, float32
        Shape (n_values,) or (n_frames, n_bands), depending on the set.

    Raises
    ------
    UsageError
        If there is no such set, if the set ``encoder`` has no usable encoder, or if another set has one.
    StorageError
        If the encoder or the recording cannot be fetched.
    RecordingError
        If the recording cannot be read, or has no speech.

    Examples
    --------
    >>> import emosense
    >>> emosense.extract_features("calls/1.wav", "summary").shape
    (180,)
    >>> n_frames, n_bands = emosense.extract_features("calls/1.wav", "logmel").shape
    >>> n_bands
    128
    """
    # Imported here, since labelling does not need the settings of training that it imports.
    from emosense.training.encoder_choice import EncoderChoice, with_encoder
    from emosense.training.features.extraction import recording_features

    choice = EncoderChoice(encoder, encoder_output, encoder_normalise)
    if isinstance(features, str):
        features = with_encoder(default_config(features), choice)
    elif choice != EncoderChoice():
        raise UsageError("the features of a model say which encoder they need: give its file to load_model")
    with open_recording(recording_at(path)) as file:
        return recording_features(read_waveform(file, features.sample_rate), features)
