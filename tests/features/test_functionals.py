"""Functionals of made signals against theory."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from made_sounds import harmonic_tone as voice

from emosense.features.config import default_config
from emosense.features.functionals import functional_names
from emosense.features.pitch import pitch_contour
from emosense.features.sets import extract

CONFIG = default_config("functionals")
RATE = CONFIG.sample_rate


def named(waveform: np.ndarray) -> dict[str, float]:
    return dict(zip(functional_names(CONFIG), extract(waveform, CONFIG).tolist(), strict=True))


def glide(low_hz: float, high_hz: float, duration_s: float) -> np.ndarray:
    """Ten equal harmonics of a pitch that moves at a constant rate in semitones."""
    time_s = np.arange(round(duration_s * RATE)) / RATE
    rate = np.log(high_hz / low_hz) / duration_s
    phase = 2 * np.pi * low_hz * (np.expm1(rate * time_s) / rate if rate else time_s)
    return (0.05 * sum(np.sin(n * phase) for n in range(1, 11))).astype(np.float32)


def semitones(hz: float) -> float:
    return 12 * np.log2(hz / 60)


def test_names_are_unique_and_as_many_as_values() -> None:
    names = functional_names(CONFIG)
    assert len(set(names)) == len(names) == len(extract(voice(1.0), CONFIG)) == 600


def test_more_bands_have_names_for_all_values() -> None:
    config = dataclasses.replace(CONFIG, n_mels=40)
    assert len(functional_names(config)) == len(extract(voice(1.0), config))


@pytest.mark.parametrize("pitch_hz", [90.0, 150.0, 233.0, 400.0])
def test_a_steady_voice_has_its_pitch_and_does_not_move(pitch_hz: float) -> None:
    values = named(voice(2.0, pitch_hz))
    assert values["pitch_p50"] == pytest.approx(semitones(pitch_hz), abs=0.25)
    assert values["pitch_range"] < 0.3
    assert values["pitch_slope"] == pytest.approx(0, abs=0.05)
    assert values["pitch_voiced"] > 0.9


@pytest.mark.parametrize(("first_hz", "last_hz"), [(100.0, 200.0), (300.0, 150.0)])
def test_a_glide_has_the_pitch_of_its_middle_and_the_slope_of_its_interval(first_hz: float, last_hz: float) -> None:
    values = named(glide(first_hz, last_hz, 2.0))
    assert values["pitch_p50"] == pytest.approx(semitones(np.sqrt(first_hz * last_hz)), abs=0.25)
    # Time runs from -1 to 1 over the recording.
    assert values["pitch_slope"] == pytest.approx(12 * np.log2(last_hz / first_hz) / 2, abs=0.25)
    assert values["pitch_range"] == pytest.approx(0.8 * 12, abs=0.5)


def test_a_rising_pitch_has_only_upward_steps_and_a_falling_one_none() -> None:
    rising, falling = named(glide(100, 200, 2.0)), named(glide(200, 100, 2.0))
    assert rising["pitch_step_up"] > 20 * abs(falling["pitch_step_up"])
    # 12 semitones in 2 s, a frame every 16 ms.
    assert rising["pitch_step"] == pytest.approx(12 / 2 * CONFIG.hop / RATE, rel=0.1)


def test_histogram_of_pitch_sums_to_one_and_peaks_at_the_pitch() -> None:
    values = named(voice(2.0, 233.0))
    shares = np.array([values[f"pitch_share_{i}"] for i in range(13)])
    assert shares.sum() == pytest.approx(1)
    assert shares.argmax() == int(semitones(233.0) // 3)


def test_noise_is_less_periodic_than_a_voice() -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(2 * RATE).astype(np.float32)
    assert named(noise)["pitch_strength_p50"] < 0.5 * named(voice(2.0))["pitch_strength_p50"]


def test_the_pitch_of_a_frame_does_not_depend_on_its_neighbours() -> None:
    power = np.random.default_rng(0).random((9, 65), np.float32)
    pitch, strength = pitch_contour(power, RATE, CONFIG.n_fft)
    single, single_strength = pitch_contour(power[4:5], RATE, CONFIG.n_fft)
    np.testing.assert_allclose((pitch[4], strength[4]), (single[0], single_strength[0]), rtol=1e-5)


@pytest.mark.parametrize(("rate_hz", "at"), [(1.5, "1_2hz"), (4.0, "3.5_6hz"), (8.0, "6_10hz")])
def test_amplitude_modulation_shows_at_its_rate_with_its_power(rate_hz: float, at: str) -> None:
    depth, time_s = 0.5, np.arange(6 * RATE) / RATE
    swell = 1 + depth * np.sin(2 * np.pi * rate_hz * time_s)
    values = named((0.5 * swell * np.sin(2 * np.pi * 1000 * time_s)).astype(np.float32))
    ranges = ("0.25_1hz", "1_2hz", "2_3.5hz", "3.5_6hz", "6_10hz", "10_16hz", "16_28hz")
    found = {name: values[f"modulation_energy_{name}"] for name in ranges}
    assert max(found, key=found.__getitem__) == at
    # First Fourier coefficient of 20 log10(1 + m sin x), spread evenly over the range by Parseval.
    amplitude_db = 20 / np.log(10) * 2 * (1 - np.sqrt(1 - depth**2)) / depth
    low_hz, high_hz = (float(edge) for edge in at.removesuffix("hz").split("_"))
    power = amplitude_db**2 / 4 / ((high_hz - low_hz) * CONFIG.hop / RATE)
    assert found[at] == pytest.approx(10 * np.log10(power), abs=1)


def test_bursts_are_counted_and_timed() -> None:
    time_s = np.arange(2 * RATE) / RATE
    is_on = (time_s % 0.5) < 0.25
    values = named((0.5 * is_on * np.sin(2 * np.pi * 300 * time_s)).astype(np.float32))
    frame_s = CONFIG.hop / RATE
    # The last burst ends at 1.75 s; the silence after it is cut off.
    assert values["rhythm_duration_s"] == pytest.approx(1.75, abs=2 * frame_s)
    assert values["rhythm_bursts_per_s"] == pytest.approx(4 / 1.75, rel=0.05)
    assert values["rhythm_burst_mean_s"] == pytest.approx(0.25, abs=2 * frame_s)


def test_an_energy_that_falls_evenly_is_a_straight_line() -> None:
    time_s = np.arange(2 * RATE) / RATE
    decay = 10 ** (-24 * (time_s / 2) / 20)
    values = named((0.9 * decay * np.sin(2 * np.pi * 500 * time_s)).astype(np.float32))
    # 24 dB while time runs from -1 to 1.
    assert values["rhythm_slope"] == pytest.approx(-12, abs=0.6)
    assert values["rhythm_curvature"] == pytest.approx(0, abs=0.6)
    quarters = np.array([values[f"energy_quarter_{i}"] for i in range(4)])
    np.testing.assert_allclose(np.diff(quarters), -6, atol=0.6)


@pytest.mark.parametrize("gain", [1e-3, 0.05, 2.0])
def test_the_gain_of_the_recording_cancels(gain: float) -> None:
    noise = 0.01 * np.random.default_rng(0).standard_normal(RATE).astype(np.float32)
    signal = voice(1.0) + noise
    np.testing.assert_allclose(
        extract(signal * np.float32(gain), CONFIG), extract(signal, CONFIG), rtol=1e-4, atol=2e-3
    )


def test_silence_around_the_speech_changes_nothing() -> None:
    # Whole hops of silence, and more than a block of them: the frames are the same, in other places.
    signal = voice(1.024, 140.0)[: 64 * CONFIG.hop]
    before, after = np.zeros(70 * CONFIG.hop, np.float32), np.zeros(33 * CONFIG.hop, np.float32)
    padded = np.concatenate((before, signal, after))
    np.testing.assert_allclose(extract(padded, CONFIG), extract(signal, CONFIG), rtol=1e-4, atol=2e-3)


@pytest.mark.parametrize(
    "waveform",
    [
        np.zeros(RATE, np.float32),
        np.full(1, 0.3, np.float32),
        np.full(2, -0.3, np.float32),
        np.full(RATE, 0.5, np.float32),
        np.full(RATE, 1e-30, np.float32),
        np.clip(9 * np.random.default_rng(0).standard_normal(RATE), -1, 1).astype(np.float32),
        voice(60.0),
        np.eye(1, RATE, 5000, dtype=np.float32)[0],
    ],
    ids=["silence", "one sample", "two samples", "constant", "denormal", "clipped noise", "a minute", "click"],
)
def test_values_are_finite(waveform: np.ndarray) -> None:
    values = extract(waveform, CONFIG)
    assert values.shape == (600,)
    assert values.dtype == np.float32
    assert np.isfinite(values).all()


def test_nothing_is_cut_where_trimming_is_off() -> None:
    config = dataclasses.replace(CONFIG, trim_db=0.0)
    noise = np.random.default_rng(0).normal(0, 0.1, 3 * config.sample_rate).astype(np.float32)
    assert extract(noise, config)[functional_names(config).index("rhythm_duration_s")] == pytest.approx(3.0, abs=0.05)
