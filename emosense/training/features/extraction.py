"""Recordings -> features, for training: reading and extracting in one stage, so that no waveform is ever passed on."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any, BinaryIO

import numpy as np

from emosense.arrays import Float32
from emosense.audio.disturbances import Disturbance
from emosense.audio.resampling import resample
from emosense.audio.silence import SILENCE_PEAK
from emosense.audio.speech import speech_of
from emosense.audio.waveform import read_native, read_waveform
from emosense.errors import RECORDING_FAULTS, RecordingError, as_recording_error
from emosense.features.config import FeatureConfig
from emosense.features.sets import extract
from emosense.inputs.recording import Recording, open_recording
from emosense.training.features.waveform_augmentation import RandomCopy

MAX_TRAINING_CLIP_S = 120.0


@dataclasses.dataclass(frozen=True, slots=True)
class Speed:
    """Recordings played `factor` times as fast, tempo and pitch alike, to make copies to train on.

    Source: Ko et al. 2015, Interspeech, 'Audio augmentation for speech recognition'.
    """

    factor: float

    @property
    def name(self) -> str:
        """What is said of it."""
        return f"{self.factor:g} x speed"

    @property
    def key(self) -> str:
        """What tells it apart from all others, as part of a file's name."""
        return f"x{self.factor:g}"


Variant = Speed | Disturbance | RandomCopy


@dataclasses.dataclass(frozen=True, slots=True)
class Copy:
    """Further features of the recordings that a network is trained on, besides those that it takes.

    Parameters
    ----------
    config : FeatureConfig
        Which features.
    variant : Speed, Disturbance, RandomCopy or None
        What is done to the recordings first; None leaves them as they are.
    """

    config: FeatureConfig
    variant: Variant | None


def extract_recordings(
    recordings: Iterable[Recording], config: FeatureConfig, variant: Variant | None = None
) -> list[dict[str, Any]]:
    """Extract the features of a batch of recordings.

    Parameters
    ----------
    recordings : iterable of Recording
        Recordings to read.
    config : FeatureConfig
        Settings of the features.
    variant : Speed, Disturbance, RandomCopy or None
        What is done to the recordings first; None leaves them as they are.

    Returns
    -------
    list of dict, one per recording, in order
        ``features`` (flat float32 array), ``n_frames`` (0 for a vector), ``error_code`` and ``error`` (empty where the
        recording could be read).

    Raises
    ------
    UsageError, ModelError
        If the variant or the encoder cannot work on this machine.
    StorageError
        If storage does not answer.
    """
    results = []
    for recording in recordings:
        try:
            with open_recording(recording) as file:
                waveform = _waveform(file, config.sample_rate, variant)
            values = recording_features(waveform, config)
        except RECORDING_FAULTS as fault:
            err = as_recording_error(fault)
            results.append({"features": [], "n_frames": 0, "error_code": err.code, "error": str(err)})
            continue
        n_frames = len(values) if values.ndim == 2 else 0
        results.append({"features": values.ravel(), "n_frames": n_frames, "error_code": "", "error": ""})
    return results


def recording_features(waveform: Float32, config: FeatureConfig) -> Float32:
    """Extract the features of a whole recording: of its speech where the configuration asks for that.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float32 in [-1, 1]
        Mono, at the configuration's sample rate.
    config : FeatureConfig
        Which features.

    Returns
    -------
    ndarray, float32
        Shape (n_values,) or (n_frames, n_bands), depending on the set.

    Raises
    ------
    RecordingError
        ``no_speech`` where speech is asked for and there is none.
    """
    return extract(speech_of(waveform, config.sample_rate) if config.speech_only else waveform, config)


def _waveform(file: BinaryIO, sample_rate: int, variant: Variant | None) -> Float32:
    """Read a variant of a recording at the rate of the features."""
    if variant is None or isinstance(variant, Speed):
        speed = 1.0 if variant is None else variant.factor
        return read_waveform(file, round(sample_rate / speed), MAX_TRAINING_CLIP_S)
    disturbed, source_hz = variant.apply(*read_native(file, MAX_TRAINING_CLIP_S))
    waveform = resample(disturbed, source_hz, sample_rate)
    if np.abs(waveform).max(initial=0.0) < SILENCE_PEAK:
        raise RecordingError("no_speech", f"nothing is left of it after: {variant.name}")
    return waveform
