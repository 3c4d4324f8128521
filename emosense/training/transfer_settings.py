"""The settings of transfer models: which layers of which encoder, how they are pooled, and how the head is trained."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Final, Literal

from emosense.features.config import FeatureConfig
from emosense.training.augmentation_settings import AugmentConfig
from emosense.training.settings import NetworkConfig

# How frames become one vector: their mean over speech, with their trend or their deviation too, or the mean over all
# frames.
Pooling = Literal["mean", "mean-trend", "mean-sd", "mean-all-frames"]
# Bits that a value of the front's matrices takes in the model.
WeightBits = Literal[8, 16]
POOLINGS: Final[tuple[Pooling, ...]] = ("mean", "mean-trend", "mean-sd", "mean-all-frames")


@dataclasses.dataclass(frozen=True, slots=True)
class TuningConfig:
    """How a front is trained after its head.

    Parameters
    ----------
    blocks : int or None
        Number of blocks that are trained, counted from the last; None for all, and the convolutions before them.
    share : float
        How far weights and head move from where they began to where the training ended, above 0 and at most 1. A part
        of the way keeps more of what the encoder knows of other recordings (Wortsman et al. 2022, arXiv 2109.01903).
    epochs, batch_size, learning_rate, optimizer, weight_decay, label_smoothing, mixup, average, dropout
        As in `emosense.training.cnn_settings.CnnConfig`; dropout is that of the embedding.
    balance : bool
        Whether recordings are drawn in proportion to their weights (`emosense.training.balance.row_weights`).
    block_dropout : float
        Dropout of what each half of a block adds, the same for all frames of a recording.
    crop_frames, first_crop_frames : int
        As in `CnnConfig`; a frame is 10 ms.
    augment : AugmentConfig or None
        Augmentation of the log-mel input, SpecAugment included.
    """

    blocks: int | None = None
    share: float = 0.25
    epochs: int = 10
    batch_size: int = 32
    learning_rate: float = 2e-4
    optimizer: str = "adamw"
    weight_decay: float = 0.05
    label_smoothing: float = 0.1
    mixup: float = 0.1
    average: float = 0.998
    dropout: float = 0.3
    block_dropout: float = 0.1
    balance: bool = True
    crop_frames: int = 144
    first_crop_frames: int = 80
    augment: AugmentConfig | None = dataclasses.field(default_factory=lambda: AugmentConfig(f_min_hz=0.0))


@dataclasses.dataclass(frozen=True, slots=True)
class TransferConfig(NetworkConfig):
    """Everything that decides a transfer model except its data and its seed.

    Parameters
    ----------
    name, feature, classes
        See `NetworkConfig`; the features are those of the set ``whisper``.
    layers : tuple of int
        Blocks of the encoder whose output is pooled, counted from 1; blocks after the last of them are cut off.
    pooling : str
        See `emosense.training.transfer.whisper_network.build_front`.
    l2 : float
        Regularisation of the head, see `emosense.training.transfer.head_training.train_head`.
    speaker_l2 : float
        That of the head for recordings that are adapted to a speaker: without their voices it needs less.
    copies : int
        Number of randomly changed copies of each recording that the head is trained on, besides the recording itself.
    bits : int
        16 or 8: what a value of the front takes, see `emosense.training.transfer.whisper_graph.to_onnx`.
    tuning : TuningConfig or None
        How the front is trained after the head; None leaves it as it was published.
    embedding : FeatureConfig or None
        The features that the head takes, with the front as their encoder; None until an encoder is chosen.
    """

    kind: ClassVar[str] = "transfer"

    layers: tuple[int, ...] = (2,)
    pooling: Pooling = "mean"
    l2: float = 0.3
    speaker_l2: float = 0.1
    copies: int = 2
    bits: WeightBits = 16
    tuning: TuningConfig | None = None
    embedding: FeatureConfig | None = None
