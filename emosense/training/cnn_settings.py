"""The CNN's settings: its features, how wide it is, and how it is trained."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from emosense.training.augmentation_settings import AugmentConfig
from emosense.training.settings import NetworkConfig
from emosense.training.transfer_settings import TransferConfig, TuningConfig


@dataclasses.dataclass(frozen=True, slots=True)
class CnnConfig(NetworkConfig):
    """Everything that decides a CNN except its data and its seed.

    Parameters
    ----------
    name, feature, classes
        See `NetworkConfig`; the features are one sequence of frames per recording.
    architecture : str
        A key of `emosense.training.networks.ARCHITECTURES`.
    epochs, batch_size : int
        Length of training; the last clips of an epoch that do not fill a batch are left out.
    learning_rate : float
        Constant with ``optimizer="rmsprop"``; the peak of a one-cycle schedule with ``"adamw"``.
    optimizer : str
        ``adamw`` or ``rmsprop``.
    weight_decay, label_smoothing, mixup, average, dropout : float
        Regularisation: AdamW's decay of kernels, probability spread over all classes, alpha of `augmentation.mix`,
        decay per step of the moving average of the weights that is the result (0: no average), dropout rate.
    balance : bool
        Weight the loss so that every emotion of every corpus counts the same (`emosense.training.balance`): RAVDESS has
        half as many neutral clips as others.
    channels : tuple of int
        Widths of the residual network: stem, stages, time convolution.
    crop_frames : int
        Frames of a training example, a random section of the recording; 0 takes whole recordings, which must then be
        equally long.
    first_crop_frames : int
        Length of the examples of the first epoch. It grows to `crop_frames`, evenly until three quarters of the epochs,
        as short examples cost less and teach nearly as much at first (Tan & Le 2021, arXiv 2104.00298). 0: no growth.
    augment : AugmentConfig or None
        Augmentation of log-mel input.
    views : tuple of float
        Tempos at which the trained network is applied to each recording; the result is the geometric mean.
    teacher : TransferConfig or None
        A transfer model that the network learns from as well as from the labels (Hinton et al. 2015, arXiv 1503.02531).
    teacher_share : float
        Weight of the teacher's answer beside the label, from 0 to 1.
    """

    kind: ClassVar[str] = "cnn"

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
    first_crop_frames: int = 0
    augment: AugmentConfig | None = None
    views: tuple[float, ...] = (1.0,)
    teacher: TransferConfig | None = None
    teacher_share: float = 0.0


# What a training by gradient steps reads its settings from.
StepsConfig = CnnConfig | TuningConfig
