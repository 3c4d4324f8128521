"""The settings of transfer models: which layers of which encoder, how they are pooled, and how the head is trained."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Final, Literal

from emosense.features.config import FeatureConfig
from emosense.training.settings import NetworkConfig

# How frames become one vector: their mean over speech, with their deviation too, or the mean over all frames.
Pooling = Literal["mean", "mean-sd", "mean-all-frames"]
POOLINGS: Final[tuple[Pooling, ...]] = ("mean", "mean-sd", "mean-all-frames")


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
        See `emosense.training.whisper_front.build_front`.
    l2 : float
        Regularisation of the head, see `emosense.training.head_training.train_head`.
    copies : int
        Number of randomly changed copies of each recording that the head is trained on, besides the recording itself.
    embedding : FeatureConfig or None
        The features that the head takes, with the front as their encoder; None until an encoder is chosen.
    """

    kind: ClassVar[str] = "transfer"

    layers: tuple[int, ...] = (2,)
    pooling: Pooling = "mean"
    l2: float = 0.01
    copies: int = 2
    embedding: FeatureConfig | None = None
