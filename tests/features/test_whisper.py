"""Whisper's log-mel: the published definition, at one level for all recordings."""

from __future__ import annotations

import dataclasses

import librosa
import numpy as np
import pytest

from emosense.arrays import Float32
from emosense.features.config import default_config
from emosense.features.sets import extract

CONFIG = default_config("whisper")


def noise(n_samples: int, seed: int = 0) -> Float32:
    return np.random.default_rng(seed).normal(0, 0.1, n_samples).astype(np.float32)


def published(waveform: Float32) -> Float32:
    """The release's `log_mel_spectrogram`, in librosa's terms, before its level."""
    power = np.abs(librosa.stft(waveform, n_fft=400, hop_length=160, pad_mode="reflect")[:, :-1]) ** 2
    return np.log10(np.maximum(librosa.filters.mel(sr=16_000, n_fft=400, n_mels=80) @ power, 1e-10)).T


@pytest.mark.parametrize("n_samples", [3_200, 16_000, 16_159])
def test_values_are_those_of_whisper_at_one_level(n_samples: int) -> None:
    waveform = noise(n_samples)
    log = published(waveform)
    log = np.maximum(log - log.max(), -8) + 1.5
    found = extract(waveform, CONFIG)
    assert found.shape == (n_samples // 160, 80)
    np.testing.assert_allclose(found, ((log + 4) / 4)[: len(found)], atol=2e-5)


def test_the_level_cancels() -> None:
    waveform = noise(8_000)
    np.testing.assert_allclose(extract(waveform / 100, CONFIG), extract(waveform, CONFIG), atol=2e-5)


def test_the_level_of_a_quiet_recording_cancels_in_its_weakest_bands() -> None:
    waveform = np.cumsum(noise(8_000)).astype(np.float32) / 10
    assert (published(waveform / 1_000) < -9.9999).any()
    np.testing.assert_allclose(extract(waveform / 1_000, CONFIG), extract(waveform, CONFIG), atol=2e-5)


def test_a_long_recording_gives_its_first_ten_seconds() -> None:
    waveform = noise(16_000 * 12)
    found = extract(waveform, CONFIG)
    assert found.shape == (1_000, 80)
    np.testing.assert_array_equal(found, extract(waveform[: 16_000 * 10], CONFIG))
    assert len(extract(waveform, dataclasses.replace(CONFIG, segment_s=0.0))) == 1_200


@pytest.mark.parametrize("waveform", [np.zeros(4_000, np.float32), np.ones(1, np.float32), noise(90)])
def test_silence_and_single_samples_have_finite_values(waveform: Float32) -> None:
    found = extract(waveform, CONFIG)
    assert np.isfinite(found).all()
    assert found.max() == pytest.approx(1.375)
