"""The summary against librosa, which defines it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import librosa
import numpy as np
import pytest
from ravdess_speech import ravdess_speech

from emosense.features.config import FeatureConfig, default_config
from emosense.features.mel import hz_to_mel, mel_to_hz
from emosense.features.sets import extract
from emosense.features.summary import estimate_tuning, summary_names


def librosa_summary(waveform: np.ndarray, config: FeatureConfig) -> np.ndarray:
    rate, tuning = config.sample_rate, config.tuning
    mfcc = librosa.feature.mfcc(y=waveform, sr=rate, n_mfcc=40)
    chroma = librosa.feature.chroma_stft(y=waveform, sr=rate, tuning=tuning)
    mel = librosa.feature.melspectrogram(y=waveform, sr=rate)
    return np.concatenate([part.mean(axis=1) for part in (mfcc, chroma, mel)])


def test_a_tone_lies_in_its_mel_band_and_its_chroma() -> None:
    config = default_config("summary")
    time_s = np.arange(config.sample_rate) / config.sample_rate
    values = extract(np.sin(2 * np.pi * 440 * time_s).astype(np.float32), config)
    names = summary_names(config)
    chroma = values[[names.index(f"chroma_{i}") for i in range(12)]]
    assert np.argmax(chroma) == 9  # A is the tenth pitch class from C
    centres_hz = mel_to_hz(np.linspace(0, hz_to_mel(24_000), 130))[1:-1]
    mel = values[[names.index(f"mel_{i}") for i in range(128)]]
    assert abs(centres_hz[np.argmax(mel)] - 440) < 50


@pytest.mark.ravdess
@pytest.mark.parametrize(("rate", "step"), [(48_000, 5), (22_050, 20), (16_000, 20)])
def test_summary_is_librosas_on_real_speech(ravdess: Path, rate: int, step: int) -> None:
    config = dataclasses.replace(default_config("summary"), sample_rate=rate)
    signals = ravdess_speech(ravdess, rate, step)
    theirs = np.array([librosa_summary(signal, config) for signal in signals])
    ours = np.array([extract(signal, config) for signal in signals])
    deviation = np.abs(ours - theirs)
    in_sd = deviation / theirs.std(axis=0)
    assert len(signals) >= 20
    assert in_sd[:, :40].max() < 1e-3
    assert in_sd[:, 52:].max() < 1e-3
    assert deviation[:, 40:52].max() < 1e-4


@pytest.mark.ravdess
def test_tuning_estimate_is_librosas_on_real_speech(ravdess: Path) -> None:
    config = dataclasses.replace(default_config("summary"), tuning=None)
    signals = ravdess_speech(ravdess, config.sample_rate, 60)
    differ = 0
    for signal in signals:
        power = np.abs(librosa.stft(signal)) ** 2
        theirs = librosa.estimate_tuning(S=power, sr=config.sample_rate, bins_per_octave=12)
        differ += abs(estimate_tuning(signal, config) - theirs) > 1e-9
    # The estimate is a histogram's maximum: float32 rounding changes it in about 1 of 100 recordings of speech.
    assert differ <= 1
