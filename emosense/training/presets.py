"""The presets: a model that can be trained by name is one entry here, beside its settings.

An entry's key is the name of its model, such as ``cnn-default``. An installed package adds entries under
the entry-point group ``emosense.presets``. Listing the presets loads no numeric library.
"""

from __future__ import annotations

import dataclasses
from typing import Final, TypeVar

from emosense.emotions import REFERENCE_MLP_EMOTIONS
from emosense.features.config import default_config
from emosense.registry import Registry
from emosense.training.augmentation_settings import AugmentConfig
from emosense.training.cnn_settings import CnnConfig
from emosense.training.mlp_settings import PASSES_WITHOUT_COPIES, MlpConfig
from emosense.training.settings import EnsembleConfig, Member, ModelConfig
from emosense.training.transfer_settings import TransferConfig, TuningConfig

Config = TypeVar("Config", MlpConfig, CnnConfig, TransferConfig, EnsembleConfig)


@dataclasses.dataclass(frozen=True, slots=True)
class Preset:
    """A model that can be trained by name.

    Parameters
    ----------
    settings : NetworkConfig or EnsembleConfig
        Their ``kind`` and ``name`` are what ``emosense-batch train`` takes as kind and ``--preset``.
    description : str
        One line for help, docs and model cards.
    """

    settings: ModelConfig
    description: str


PRESETS: Final[Registry[Preset]] = Registry("preset", "emosense.presets")


def preset(kind: str, name: str) -> ModelConfig:
    """Return the settings of a preset.

    Parameters
    ----------
    kind : str
        ``mlp``, ``cnn``, ``ensemble`` or another family.
    name : str
        Name of the preset in its family.

    Returns
    -------
    NetworkConfig or EnsembleConfig
        The settings.

    Raises
    ------
    UsageError
        If there is no such preset.
    """
    return PRESETS.find(model_name(kind, name)).settings


def model_name(kind: str, name: str) -> str:
    """Return the name of a preset's model, which is its key in `PRESETS`.

    Parameters
    ----------
    kind, name : str
        As in `preset`.

    Returns
    -------
    str
        Such as ``cnn-default``.
    """
    return f"{kind}-{name}"


def _add(settings: Config, description: str) -> Config:
    PRESETS.register(model_name(settings.kind, settings.name), Preset(settings, description))
    return settings


_add(
    MlpConfig("reference", default_config("summary"), classes=REFERENCE_MLP_EMOTIONS, learning_rate="adaptive"),
    "the published baseline: means over time of MFCC, chroma and mel, for four emotions",
)
_MLP: Final = _add(
    MlpConfig(
        "default",
        default_config("functionals"),
        alpha=10.0,
        batch_size=64,
        max_iter=8,
        standardise=True,
        whitening=0.5,
        balance=True,
        speeds=(0.9, 1.0, 1.1),
    ),
    "functionals of spectrum, energy and pitch, with whitening and copies at other speeds",
)
# To measure what each part of the default contributes (docs/results.md).
_add(
    dataclasses.replace(_MLP, name="no-copies", speeds=(1.0,), max_iter=PASSES_WITHOUT_COPIES),
    "the default without copies at other speeds",
)
_add(dataclasses.replace(_MLP, name="no-whitening", whitening=None, alpha=1.0), "the default without whitening")
# Not chosen on data: the best settings depend on the encoder, which you choose.
_add(
    MlpConfig(
        "encoder", default_config("encoder"), alpha=1.0, batch_size=64, max_iter=30, standardise=True, balance=True
    ),
    "one hidden layer on the output of a pretrained encoder (--encoder)",
)
_add(
    MlpConfig("encoder-linear", default_config("encoder"), hidden_units=0, alpha=1.0, standardise=True, balance=True),
    "softmax regression on the output of a pretrained encoder (--encoder)",
)
_add(
    CnnConfig(
        "reference",
        default_config("mfcc"),
        architecture="reference",
        # Where the reference stopped: 840 training clips then reach 53 to 58 %, other actors 39 to 41 %.
        epochs=42,
        batch_size=16,
        learning_rate=1e-5,
        optimizer="rmsprop",
    ),
    "the published baseline: two convolutions on MFCC of a 3-second segment",
)
_CNN: Final = _add(
    CnnConfig(
        "default",
        default_config("logmel"),
        architecture="residual-mean",
        epochs=80,
        batch_size=16,
        learning_rate=2e-3,
        weight_decay=0.02,
        label_smoothing=0.1,
        mixup=0.1,
        average=0.99,
        dropout=0.2,
        balance=True,
        channels=(16, 24, 40, 64, 128),
        crop_frames=80,
        first_crop_frames=48,
        augment=AugmentConfig(),
    ),
    "a residual network on log-mel frames, with augmentation",
)
# Less accurate on other recordings (docs/results.md).
_add(
    dataclasses.replace(_CNN, name="telephone", augment=AugmentConfig(highpass_share=0.15)),
    "the default for telephone lines, which cut off the lowest bands",
)
_add(
    dataclasses.replace(_CNN, name="wind", augment=AugmentConfig(wind_share=0.3)),
    "the default for wind, traffic and handling, which are loud in the lowest bands",
)
_add(dataclasses.replace(_CNN, name="no-augmentation", augment=None, mixup=0.0), "the default without augmentation")
_add(
    dataclasses.replace(_CNN, name="attentive-pooling", architecture="residual-attentive"),
    "the default with attentive mean and deviation in place of the mean over time",
)
# The teacher has two layers of Whisper tiny.en: the first of the shipped model, unless --encoder names others.
_TEACHER: Final = TransferConfig("teacher", default_config("whisper"), layers=(1, 2), l2=0.05, copies=0)
_add(
    dataclasses.replace(
        _CNN,
        name="distilled",
        teacher=_TEACHER,
        teacher_share=0.5,
    ),
    "the default, which learns from a transfer model as well as from the labels",
)
_TRANSFER: Final = _add(
    TransferConfig("default", default_config("whisper"), layers=(1, 2, 3), pooling="mean-trend", bits=8),
    "means and trends of three frozen layers of Whisper tiny.en over the frames of speech, softmax regression",
)
_add(
    TransferConfig(
        "fine-tuned", default_config("whisper"), layers=(1, 2), l2=0.05, speaker_l2=0.05, tuning=TuningConfig()
    ),
    "means of two layers, which are trained too, with a small learning rate and augmentation",
)
_add(
    dataclasses.replace(_TRANSFER, name="base", layers=(2, 3)),
    "the default on layers 2 and 3 of Whisper base (--encoder)",
)
# To measure what each part of the default contributes.
_add(dataclasses.replace(_TRANSFER, name="no-copies", copies=0), "the default without changed copies")
_add(dataclasses.replace(_TRANSFER, name="two-layers", layers=(1, 2)), "the default on the first two layers")
_add(dataclasses.replace(_TRANSFER, name="layer-1", layers=(1,)), "the default on the first layer")
_add(dataclasses.replace(_TRANSFER, name="layer-3", layers=(3,)), "the default on the third layer")
_add(dataclasses.replace(_TRANSFER, name="layer-2", layers=(2,)), "the default on the second layer")
_add(dataclasses.replace(_TRANSFER, name="mean", pooling="mean"), "the default with the mean alone")
_add(
    dataclasses.replace(_TRANSFER, name="mean-sd", pooling="mean-sd"),
    "the default with the deviation over the frames in place of the trend",
)
_add(
    dataclasses.replace(_TRANSFER, name="all-frames", pooling="mean-all-frames"),
    "the default with the mean over all frames alone",
)
# One of them takes recordings a tenth faster, so its errors differ.
_MEMBERS: Final = tuple(
    Member(dataclasses.replace(_CNN, views=(tempo,)), seed) for seed, tempo in enumerate((1.0, 1.1, 1.0))
)
_add(
    EnsembleConfig("default", (*_MEMBERS, Member(_MLP))),
    "three seeds of cnn default and one of mlp default",
)
