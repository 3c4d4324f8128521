"""Hum is measured in the pauses and subtracted everywhere."""

from __future__ import annotations

import numpy as np
import pytest
from made_sounds import hum, voice

from emosense.audio.hum import without_hum

RATE = 16_000


def spoken_with_pauses() -> tuple[np.ndarray, np.ndarray]:
    """One second of silence, two of voice, one of silence; and which samples are silence."""
    spoken = np.concatenate((np.zeros(RATE), voice(2.0), np.zeros(RATE))).astype(np.float32)
    is_pause = np.ones(len(spoken), bool)
    is_pause[RATE : 3 * RATE] = False
    return spoken, is_pause


@pytest.mark.parametrize("hz", [50.0, 60.0, 49.96, 60.03])
@pytest.mark.parametrize("dbfs", [-50, -30])
def test_hum_and_its_harmonics_are_removed_under_the_voice_too(hz: float, dbfs: float) -> None:
    rng = np.random.default_rng(0)
    spoken, is_pause = spoken_with_pauses()
    noise = (1e-4 * rng.standard_normal(len(spoken))).astype(np.float32)
    humming = hum(len(spoken), hz, dbfs, 12, rng).astype(np.float32)
    cleaned = without_hum(spoken + noise + humming, is_pause, RATE)
    left = cleaned - spoken - noise
    assert 20 * np.log10(np.std(left[RATE:-RATE]) / np.std(humming)) < -15


def test_a_recording_without_hum_stays_as_it_is() -> None:
    spoken, is_pause = spoken_with_pauses()
    noisy = spoken + (1e-3 * np.random.default_rng(1).standard_normal(len(spoken))).astype(np.float32)
    assert without_hum(noisy, is_pause, RATE) is noisy
    assert without_hum(spoken, is_pause, RATE) is spoken


def test_without_pauses_nothing_is_known_of_the_hum() -> None:
    spoken = voice(2.0)
    assert without_hum(spoken, np.zeros(len(spoken), bool), RATE) is spoken
