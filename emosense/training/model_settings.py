"""What the user chose -> the settings of the model."""

from __future__ import annotations

import dataclasses

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
