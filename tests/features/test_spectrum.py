"""Log-mel: gain and trimming."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from made_sounds import harmonic_tone as voice

from emosense.features.config import default_config
from emosense.features.sets import extract
from emosense.features.spectrum import loud_span, mel_spectrogram


def test_logmel_does_not_depend_on_the_gain() -> None:
    config = default_config("logmel")
    signal = voice(1.0)
    np.testing.assert_allclose(extract(signal * 0.01, config), extract(signal, config), atol=1e-3)


def test_logmel_trims_silence_at_both_ends() -> None:
    config = default_config("logmel")
    signal = voice(1.0)
    padded = np.concatenate([np.zeros(16_000, np.float32), signal, np.zeros(8_000, np.float32)])
    n_frames = len(extract(padded, config))
    assert abs(n_frames - len(extract(signal, config))) <= config.n_fft // config.hop


@pytest.mark.parametrize("name", ["logmel", "functionals"])
@pytest.mark.parametrize("gain", [1.0, 1e-5, 1e-18])
def test_frames_that_need_no_fft_are_those_that_trimming_cuts(name: str, gain: float) -> None:
    config = default_config(name)
    # A low tone, where the bound is tight, that fades in to -20 dB and out again.
    ramp = 10 ** (np.linspace(-110, -20, 24_000) / 20)
    tone = np.sin(2 * np.pi * 94 / config.sample_rate * np.arange(24_000))
    parts = [tone * ramp, voice(0.7), np.zeros(5000), voice(0.3, 90.0), tone * ramp[::-1]]
    signal = (gain * np.concatenate(parts)).astype(np.float32)
    every = mel_spectrogram(signal, dataclasses.replace(config, trim_db=0.0))
    fewer = mel_spectrogram(signal, config)
    assert len(fewer) < 0.7 * len(every)
    kept, found = (mel[loud_span(mel.sum(axis=1), config.trim_db)] for mel in (every, fewer))
    np.testing.assert_allclose(found, kept, rtol=1e-5, atol=1e-44)
