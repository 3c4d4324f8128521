"""What the user chose -> the settings of the model, and the emotions that it tells apart."""

from __future__ import annotations

import dataclasses

from emosense.emotions import EMOTIONS, parse_emotion
from emosense.errors import UsageError
from emosense.progress import Progress
from emosense.training.cnn_settings import CnnConfig
from emosense.training.encoder_choice import EncoderChoice, config_with_encoder
from emosense.training.presets import preset
from emosense.training.settings import ModelConfig
from emosense.training.transfer_settings import TransferConfig


def chosen_settings(
    kind: str, preset_name: str, encoder: EncoderChoice, epochs: int | None, progress: Progress
) -> ModelConfig:
    """Return the settings of a preset, with what the user chose beside it.

    Parameters
    ----------
    kind, preset_name : str
        Names of an entry of `emosense.training.presets.PRESETS`.
    encoder : EncoderChoice
        The pretrained encoder of the presets that need one.
    epochs : int or None
        At least 1; None for the preset's.
    progress : Progress
        Receives how far the download of an encoder is.

    Returns
    -------
    NetworkConfig or EnsembleConfig
        Settings to train with.

    Raises
    ------
    UsageError
        If there is no such preset or encoder, or the model takes no epochs.
    """
    config = config_with_encoder(preset(kind, preset_name), encoder, progress)
    return config if epochs is None else _with_epochs(config, epochs)


def _with_epochs(config: ModelConfig, epochs: int) -> ModelConfig:
    if isinstance(config, TransferConfig) and config.tuning:
        return dataclasses.replace(config, tuning=dataclasses.replace(config.tuning, epochs=epochs))
    if not isinstance(config, CnnConfig):
        raise UsageError("--epochs is for networks that are trained by gradient steps: cnn, transfer fine-tuned")
    return dataclasses.replace(config, epochs=epochs)


def classes_of(emotions: tuple[str, ...], config: ModelConfig) -> tuple[str, ...]:
    """Return the classes to train.

    Parameters
    ----------
    emotions : tuple of str
        Emotions that the user chose; empty for the preset's own.
    config : NetworkConfig or EnsembleConfig
        Settings of the model.

    Returns
    -------
    tuple of str
        At least two, in the order of `EMOTIONS`.

    Raises
    ------
    UsageError
        If a name is not an emotion, or there are fewer than two.
    """
    try:
        wanted = {parse_emotion(name) for name in emotions} or set(config.classes)
    except ValueError as err:
        raise UsageError(str(err)) from err
    if len(wanted) < 2:
        raise UsageError("choose at least two emotions, such as happy,sad")
    return tuple(emotion for emotion in EMOTIONS if emotion in wanted)
