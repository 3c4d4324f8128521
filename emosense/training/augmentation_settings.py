"""How strongly log-mel examples are changed in training."""

from __future__ import annotations

import dataclasses


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
    wind_share, wind_db : float, tuple of float
        Share of recordings with noise that falls off from the lowest band on, as wind, traffic and handling make it,
        and the range of its level in that band relative to the peak, in dB.
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
    wind_share: float = 0.0
    wind_db: tuple[float, float] = (-70.0, -10.0)
    reverb_share: float = 0.1
    lowpass_share: float = 0.1
    highpass_share: float = 0.0
    n_masks: int = 1
    mask_frames: int = 12
    mask_bands: int = 8
