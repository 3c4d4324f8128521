"""The CNN's settings: what it hears, how wide it is, and how it is trained."""

from __future__ import annotations

import dataclasses
from typing import Final

from emosense.emotions import EMOTIONS
from emosense.features.config import FeatureConfig, default_config
from emosense.training.augmentation import AugmentConfig


@dataclasses.dataclass(frozen=True, slots=True)
class CnnConfig:
    """All that decides what is trained and how.

    Parameters
    ----------
    name : str
        Name of the preset.
    feature : FeatureConfig
        What the model hears.
    classes : tuple of str
        What it tells apart.
    architecture : str
        A key of `ARCHITECTURES`.
    epochs, batch_size : int
        Length of training; the last clips of an epoch that fill no batch are left out of it.
    learning_rate : float
        Constant with ``optimizer="rmsprop"``; with ``"adamw"`` the peak of a one-cycle schedule.
    weight_decay, label_smoothing, mixup, average, dropout : float
        Regularisation: AdamW's decay of kernels, probability spread over all classes, `augmentation.mix`'s alpha,
        decay per step of the moving average of the weights that is the result (0: the last weights are), dropout rate.
    balance : bool
        Weigh the loss by the inverse frequency of the class: RAVDESS has half as many neutral clips as others.
    channels : tuple of int
        Widths of the residual network: stem, stages, time convolution.
    crop_frames : int
        Frames of a training example, a random stretch of the recording; 0 leaves recordings as they are, which must
        then be equally long.
    augment : AugmentConfig or None
        Augmentation of log-mel input.
    views : tuple of float
        Tempos at which the trained network hears each recording; it answers with their geometric mean.
    """

    name: str
    feature: FeatureConfig
    architecture: str
    epochs: int
    batch_size: int
    learning_rate: float
    optimizer: str = "adamw"
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    mixup: float = 0.0
    average: float = 0.0
    dropout: float = 0.1
    balance: bool = False
    channels: tuple[int, ...] = ()
    crop_frames: int = 0
    augment: AugmentConfig | None = None
    views: tuple[float, ...] = (1.0,)
    classes: tuple[str, ...] = EMOTIONS


_DEFAULT: Final = CnnConfig(
    name="default",
    feature=default_config("logmel"),
    architecture="residual-mean",
    epochs=120,
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
    augment=AugmentConfig(),
    views=(1.0, 1.1),
)

PRESETS: Final[dict[str, CnnConfig]] = {
    "reference": CnnConfig(
        name="reference",
        feature=default_config("mfcc"),
        architecture="reference",
        # Where the reference stopped: 840 clips of training then stand at 53 to 58 %, other actors at 39 to 41 %.
        epochs=42,
        batch_size=16,
        learning_rate=1e-5,
        optimizer="rmsprop",
    ),
    "default": _DEFAULT,
    # For recordings of telephone lines, which cut the lowest bands off; costs elsewhere (docs/results.md).
    "telephone": dataclasses.replace(_DEFAULT, name="telephone", augment=AugmentConfig(highpass_share=0.15)),
    # What a part of the default brings, and what pooling of more effort does not (docs/results.md).
    "no-augmentation": dataclasses.replace(_DEFAULT, name="no-augmentation", augment=None, mixup=0.0),
    "attentive-pooling": dataclasses.replace(_DEFAULT, name="attentive-pooling", architecture="residual-attentive"),
}
