"""MFCC against librosa, and the segment that they are taken from."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import librosa
import numpy as np
import pytest
from ravdess_speech import ravdess_speech

from emosense.features.config import default_config
from emosense.features.sets import extract


@pytest.mark.ravdess
def test_mfcc_is_librosas_on_real_speech(ravdess: Path) -> None:
    config = default_config("mfcc")
    for signal in ravdess_speech(ravdess, config.sample_rate, 120):
        segment = signal[config.sample_rate // 2 :][: 3 * config.sample_rate]
        segment = np.pad(segment, (0, 3 * config.sample_rate - len(segment)))
        theirs = librosa.feature.mfcc(y=segment, sr=config.sample_rate, n_mfcc=13).T
        ours = extract(signal, config)
        assert ours.shape == (130, 13)
        np.testing.assert_allclose(ours, theirs, atol=2e-3)


@pytest.mark.parametrize("duration_s", [0.25, 0.45, 0.6])
def test_a_segment_after_the_end_of_a_recording_is_taken_from_its_end(duration_s: float) -> None:
    config = default_config("mfcc")
    assert config.segment_start_s == 0.5
    n_samples = round(duration_s * config.sample_rate)
    noise = np.random.default_rng(0).normal(0, 0.1, n_samples).astype(np.float32)
    whole = np.pad(noise, (0, round(config.segment_s * config.sample_rate) - n_samples))
    expected = extract(whole, dataclasses.replace(config, segment_start_s=0.0))
    np.testing.assert_array_equal(extract(noise, config), expected)
