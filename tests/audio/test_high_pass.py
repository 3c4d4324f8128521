"""The high-pass lets the voice through and nothing that lies below it."""

from __future__ import annotations

import numpy as np
import pytest
from made_sounds import voice

from emosense.audio.high_pass import high_pass


def gain_db(hz: float, sample_rate: int) -> float:
    time_s = np.arange(2 * sample_rate) / sample_rate
    tone = np.sin(2 * np.pi * hz * time_s).astype(np.float32)
    middle = slice(sample_rate // 2, -sample_rate // 2)
    return float(20 * np.log10(np.std(high_pass(tone, sample_rate)[middle]) / np.std(tone[middle])))


@pytest.mark.parametrize("sample_rate", [8_000, 16_000, 22_050, 48_000])
def test_the_voice_passes_and_hum_does_not(sample_rate: int) -> None:
    assert max(gain_db(hz, sample_rate) for hz in (20, 40, 50, 60)) < -55
    assert min(gain_db(hz, sample_rate) for hz in (90, 100, 150, 1000, 3000)) > -0.5


def test_a_constant_is_silence_from_the_first_sample_on() -> None:
    assert np.abs(high_pass(np.full(16_000, 0.5, np.float32), 16_000)).max() < 1e-6


def test_a_constant_under_a_voice_changes_nothing() -> None:
    spoken = voice(2.0)
    np.testing.assert_allclose(high_pass(spoken + np.float32(0.3), 16_000), high_pass(spoken, 16_000), atol=2e-6)


def test_one_sample_is_enough() -> None:
    assert high_pass(np.array([0.5], np.float32), 16_000).shape == (1,)
