"""Trust columns: values from theory."""

from __future__ import annotations

import numpy as np
import pytest
from made_sounds import harmonic_tone as voice

from emosense.audio.reader import Segment
from emosense.labelling.trust import QualityMeter
from emosense.models.statistics import FeatureStatistics
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


def test_a_recording_like_the_training_is_near_and_another_is_far() -> None:
    rng = np.random.default_rng(0)
    training = [rng.normal(0, 1, (50, 8)).astype(np.float32) + rng.normal(0, 1, 8) for _ in range(200)]
    statistics = FeatureStatistics.of(training)
    near = [statistics.distance(values) for values in training]
    assert np.mean(np.array(near) > 1) == pytest.approx(0.01, abs=0.006)
    assert statistics.distance(training[0] + 10) > 3
    assert figures(tone(0.5), distance=2.5)["distance"] == 2.5
    assert figures(tone(0.5))["distance"] is None


@pytest.mark.parametrize("scale", [1e-7, 1.0])
def test_a_distance_does_not_depend_on_the_scale_of_the_features(scale: float) -> None:
    rng = np.random.default_rng(0)
    training = list(rng.standard_normal((200, 8)).astype(np.float32) * np.float32(scale))
    statistics = FeatureStatistics.of(training)
    far = training[0] + np.float32(10 * scale)
    assert min(statistics.sd) > 0
    of_one = FeatureStatistics.of([values / scale for values in training])
    assert statistics.distance(far) == pytest.approx(of_one.distance(far / scale), rel=1e-3)


def test_a_band_that_never_changes_does_not_count_in_a_distance() -> None:
    training = list(np.random.default_rng(0).standard_normal((100, 4)).astype(np.float32))
    for values in training:
        values[3] = 0.5
    statistics = FeatureStatistics.of(training)
    assert statistics.sd[3] == 0
    odd = training[0].copy()
    odd[3] = 0.7
    assert statistics.distance(odd) == statistics.distance(training[0]) < 3
    assert FeatureStatistics.of([training[0], training[0]]).distance(odd) == 0


@pytest.mark.parametrize(
    "wrong",
    [{"sd": [-1.0]}, {"sd": [1.0, 1.0]}, {"distance_p99": 0.0}, {"mean": [float("nan")]}, {"sd": [float("inf")]}],
)
def test_statistics_that_give_no_distance_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"mean and sd must be|sd must not be negative"):
        FeatureStatistics.from_dict({"mean": [0.0], "sd": [1.0], "distance_p99": 1.0} | wrong)


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
