"""Trust columns: values from theory."""

from __future__ import annotations

import numpy as np
import pytest
from made_sounds import harmonic_tone as voice

from emosense.audio.segment import Segment
from emosense.labelling.trust import QualityMeter
from emosense.tables.columns import QUALITY_COLUMNS

RATE = 16_000


def figures(*waveforms: np.ndarray, distance: float | None = None) -> dict[str, float | None]:
    meter = QualityMeter(RATE)
    start = 0
    for waveform in waveforms:
        end = start + len(waveform)
        meter.add(Segment(start / RATE, end / RATE, waveform.astype(np.float32)), distance)
        start = end
    return dict(zip(QUALITY_COLUMNS, meter.figures(clipping_ratio=0.0), strict=True))


def tone(amplitude: float, duration_s: float = 1.0) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * 500 * np.arange(round(duration_s * RATE)) / RATE)


@pytest.mark.parametrize("amplitude", [1.0, 0.1, 0.001])
def test_the_level_of_a_sine_is_its_rms(amplitude: float) -> None:
    assert figures(tone(amplitude))["level_dbfs"] == pytest.approx(20 * np.log10(amplitude / np.sqrt(2)), abs=0.02)


def test_the_speech_ratio_is_the_share_of_loud_frames() -> None:
    noise = np.random.default_rng(0).normal(0, 1e-4, 3 * RATE)
    noise[:RATE] += voice(1.0)
    assert figures(noise)["speech_ratio"] == pytest.approx(1 / 3, abs=0.03)


@pytest.mark.parametrize("snr_db", [10.0, 20.0, 40.0])
def test_the_snr_is_that_of_the_loud_over_the_quiet_tenth(snr_db: float) -> None:
    rng = np.random.default_rng(0)
    quiet, loud = rng.normal(0, 0.3 * 10 ** (-snr_db / 20), RATE), rng.normal(0, 0.3, RATE)
    assert figures(np.concatenate([quiet, loud]))["snr_db"] == pytest.approx(snr_db, abs=2)


def test_windows_add_up_to_the_whole() -> None:
    waveform = voice(2.0)
    assert figures(waveform) == figures(waveform[:RATE], waveform[RATE:])


def test_a_window_has_its_own_figures_and_what_it_shares_counts_once() -> None:
    waveform = voice(2.0)
    waveform[RATE:] *= 0.1
    meter = QualityMeter(RATE)
    meter.add(Segment(0.0, 1.5, waveform[: 3 * RATE // 2]), 1.0)
    second = meter.add(Segment(1.0, 2.0, waveform[RATE:]), 3.0)
    own, whole = figures(waveform[RATE:], distance=3.0), figures(waveform)
    assert dict(zip(QUALITY_COLUMNS, second.figures(0.0), strict=True)) == own
    together = dict(zip(QUALITY_COLUMNS, meter.figures(0.0), strict=True))
    assert together == {**whole, "distance": pytest.approx((1.5 * 1.0 + 1.0 * 3.0) / 2.5, abs=1e-4)}


def test_the_distance_is_that_of_the_model() -> None:
    assert figures(tone(0.5), distance=2.5)["distance"] == 2.5
    assert figures(tone(0.5))["distance"] is None


@pytest.mark.parametrize("duration_s", [1.0, 60.0])
def test_steady_noise_shows_in_its_snr_and_not_in_its_speech_ratio(duration_s: float) -> None:
    found = figures(np.random.default_rng(0).normal(0, 0.01, round(duration_s * RATE)))
    assert found["speech_ratio"] == 1
    assert found["snr_db"] < 3


def test_one_word_in_a_minute_is_little_speech_and_loud() -> None:
    silence = np.zeros(60 * RATE, np.float32)
    word = np.concatenate((tone(0.5), silence))
    assert figures(word)["speech_ratio"] == pytest.approx(1 / 61, abs=1e-3)
    assert figures(word)["snr_db"] == pytest.approx(120 - 9, abs=2)
    noise = np.random.default_rng(0).normal(0, 1e-3, len(word)).astype(np.float32)
    assert figures(word + noise)["speech_ratio"] == pytest.approx(1 / 61, abs=1e-3)


def test_a_meter_without_samples_has_no_figures() -> None:
    assert set(figures().values()) == {None}
