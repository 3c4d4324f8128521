"""The CNN's settings: its features, how wide it is, and how it is trained."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from emosense.training.settings import NetworkConfig


@dataclasses.dataclass(frozen=True, slots=True)
class AugmentConfig:
    """How strong each augmentation is; zero turns it off.

    Parameters
    ----------
    tempo : float
        Largest relative change of the speed of speech.
    pitch, formant : float
        Largest relative change of the frequencies of the harmonics, and of those of the spectrum's envelope.
    f_min_hz, f_max_hz : float
        Range of the mel bank that made the bands, in Hz.
    silence_frames : int
        Longest silence put before and after `noise_share` of the recordings, in frames: noisy silence is not trimmed.
    eq_db : float
        Standard deviation of the spectral tilt and of each of two broad bumps over all bands, in dB.
    noise_share, noise_db : float, tuple of float
        Share of recordings with an added noise floor, and the range of its level relative to the peak, in dB.
    reverb_share, lowpass_share, highpass_share : float
        Shares of recordings with an exponential tail, with the upper bands cut off, and with the lowest ones cut off as
        by a telephone line.
    n_masks, mask_frames, mask_bands : int
        SpecAugment (Park et al. 2019): masks on each axis and the largest width of one.
    """

    tempo: float = 0.2
    pitch: float = 0.2
    formant: float = 0.12
    f_min_hz: float = 50.0
    f_max_hz: float = 8000.0
    silence_frames: int = 12
    eq_db: float = 3.0
    noise_share: float = 0.3
    noise_db: tuple[float, float] = (-80.0, -35.0)
    reverb_share: float = 0.1
    lowpass_share: float = 0.1
    highpass_share: float = 0.0
    n_masks: int = 1
    mask_frames: int = 12
    mask_bands: int = 8


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
