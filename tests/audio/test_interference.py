"""Interference has the level and the band that its name says."""

from __future__ import annotations

import numpy as np
import pytest
from made_sounds import voice

from emosense.audio.interference import hum_50_hz, hum_60_hz, offset, rumble, trailing_noise, wind

RATE = 16_000
SPOKEN = voice(2.0)


def dbfs(samples: np.ndarray) -> float:
    return float(20 * np.log10(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))))


@pytest.mark.parametrize(("effect", "hz"), [(hum_50_hz, 50), (hum_60_hz, 60)])
def test_hum_is_lines_at_multiples_of_the_mains_frequency(effect: object, hz: int) -> None:
    humming, rate = effect(SPOKEN, RATE, -40.0)
    assert rate == RATE
    added = humming - SPOKEN
    assert dbfs(added) == pytest.approx(-40, abs=0.1)
    # Two seconds: bins of half a hertz, so that every line falls on one.
    power = np.abs(np.fft.rfft(added)) ** 2
    lines = power[2 * hz * np.arange(1, 13)]
    assert lines.sum() == pytest.approx(power.sum(), rel=1e-4)
    np.testing.assert_allclose(lines / lines[0], 1 / np.arange(1, 13) ** 2, rtol=1e-2)


def test_rumble_lies_below_the_voice() -> None:
    added = rumble(SPOKEN, RATE, -30.0)[0] - SPOKEN
    assert dbfs(added) == pytest.approx(-30, abs=0.1)
    power = np.abs(np.fft.rfft(added)) ** 2
    assert power[: 2 * 40 + 1].sum() == pytest.approx(power.sum(), rel=1e-6)


def test_wind_reaches_into_the_voice() -> None:
    added = wind(SPOKEN, RATE, -30.0)[0] - SPOKEN
    assert dbfs(added) == pytest.approx(-30, abs=0.1)
    # Bins of half a hertz.
    power = np.abs(np.fft.rfft(added * np.hanning(len(added)))) ** 2
    octaves_db = [10 * np.log10(power[2 * hz : 4 * hz].sum()) for hz in (80, 160, 320)]
    # An octave is twice as wide as the one below: 3 dB more of what falls by 24 dB.
    assert np.diff(octaves_db) == pytest.approx([-21, -21], abs=2)


def test_an_offset_is_a_constant() -> None:
    np.testing.assert_allclose(offset(SPOKEN, RATE, 0.02)[0] - SPOKEN, 0.02, atol=1e-6)


def test_noise_follows_the_recording() -> None:
    longer = trailing_noise(SPOKEN, RATE, -60.0)[0]
    np.testing.assert_array_equal(longer[: len(SPOKEN)], SPOKEN)
    assert len(longer) == len(SPOKEN) + 30 * RATE
    assert dbfs(longer[len(SPOKEN) :]) == pytest.approx(-60, abs=0.1)
