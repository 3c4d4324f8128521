"""Channels are mixed by their speech: opposite phase, gains, silence, hum and noise beside a voice."""

from __future__ import annotations

import numpy as np
import pytest
from made_sounds import NON_SPEECH, at_level, hum, voice

from emosense.audio.channels import channel_setting
from emosense.audio.mono import mixed
from emosense.errors import UsageError

RATE = 16_000
SPEECH = voice(3.0)


def noise(level_dbfs: float, seed: int, n: int = len(SPEECH)) -> np.ndarray:
    return at_level(np.random.default_rng(seed).standard_normal(n), level_dbfs).astype(np.float32)


def mix(*channels: np.ndarray) -> np.ndarray:
    return mixed(np.stack(channels, 1).astype(np.float32), RATE)


def likeness(found: np.ndarray, expected: np.ndarray) -> float:
    """Correlation without its sign, which is inaudible."""
    return abs(float(np.corrcoef(found, expected)[0, 1]))


def test_one_channel_is_given_as_it_is() -> None:
    np.testing.assert_array_equal(mix(SPEECH), SPEECH)


def test_equal_channels_give_their_sound() -> None:
    np.testing.assert_allclose(mix(SPEECH, SPEECH, SPEECH), SPEECH, atol=1e-6)


@pytest.mark.parametrize("gain", [1.0, 1.0005, 0.9, 0.5, 0.1, 3.0])
@pytest.mark.parametrize("hiss_dbfs", [-120.0, -70.0, -50.0])
def test_opposite_phase_is_turned_round_with_hiss_and_other_gains(gain: float, hiss_dbfs: float) -> None:
    found = mix(SPEECH + noise(hiss_dbfs, 1), -gain * SPEECH + noise(hiss_dbfs, 2))
    assert likeness(found, SPEECH) > 0.995
    assert np.std(found) > 0.4 * np.std(SPEECH)


def test_opposite_phase_is_recognised_under_an_offset_and_hum_that_both_channels_have() -> None:
    common = 0.1 + hum(len(SPEECH), 50, -20, 5, np.random.default_rng(0))
    assert likeness(np.diff(mix(SPEECH + common, common - SPEECH)), np.diff(SPEECH)) > 0.95


@pytest.mark.parametrize("lead_dbfs", [-120.0, -40.0, -10.0])
def test_what_comes_before_the_speech_does_not_decide(lead_dbfs: float) -> None:
    n_lead = 2 * RATE
    left, right = (
        np.concatenate((noise(lead_dbfs, seed, n_lead), phase * SPEECH)) for seed, phase in ((1, 1), (2, -1))
    )
    assert likeness(mix(left, right)[n_lead:], SPEECH) > 0.999
    left, right = (np.concatenate((noise(lead_dbfs, 1, n_lead), phase * SPEECH)) for phase in (1, -1))
    assert likeness(mix(left, right)[n_lead:], SPEECH) > 0.999


@pytest.mark.parametrize("kind", ["hum of 50 Hz", "hum of 60 Hz", "white noise", "brown noise", "tone", "step", "buzz"])
@pytest.mark.parametrize("level_dbfs", [-60.0, -25.0, -12.0])
def test_a_channel_without_speech_does_not_take_part(kind: str, level_dbfs: float) -> None:
    sound = at_level(NON_SPEECH[kind](np.random.default_rng(3), len(SPEECH)), level_dbfs)
    np.testing.assert_array_equal(mix(SPEECH, sound), SPEECH)
    np.testing.assert_array_equal(mix(sound, np.zeros_like(SPEECH), SPEECH), SPEECH)


def test_two_people_on_two_channels_are_both_in_the_mix() -> None:
    other = voice(3.0, 220.0, seed=1)
    found = mix(SPEECH, other)
    assert likeness(found, SPEECH + other) > 0.99 or likeness(found, SPEECH - other) > 0.99


def test_people_who_speak_in_turn_are_both_in_the_mix() -> None:
    silence = np.zeros_like(SPEECH)
    left, right = np.concatenate((SPEECH, silence)), np.concatenate((silence, 0.3 * SPEECH))
    np.testing.assert_allclose(mix(left, right), (left + right) / 2, atol=1e-7)


def test_what_a_microphone_picks_up_of_a_far_louder_channel_does_not_take_part() -> None:
    faint = 0.01 * SPEECH + noise(-70.0, 1)
    np.testing.assert_array_equal(mix(SPEECH, faint), SPEECH)


def test_the_order_of_the_channels_does_not_matter() -> None:
    other = 0.7 * voice(3.0, 220.0, seed=1)
    np.testing.assert_allclose(mix(SPEECH, other), mix(other, SPEECH), atol=1e-7)


@pytest.mark.parametrize("rate", [1_000, 4_000, 8_000, 48_000, 192_000])
def test_any_sample_rate_can_be_mixed(rate: int) -> None:
    left, right = (voice(1.0, pitch_hz, rate) for pitch_hz in (120.0, 220.0))
    found = mixed(np.stack((left, right), 1), rate)
    assert found.shape == left.shape
    assert np.std(found) > 0


@pytest.mark.parametrize(
    ("given", "expected"), [("mix", "mix"), ("split", "split"), ("first", "1"), ("1", "1"), (2, "2"), ("064", "64")]
)
def test_a_choice_of_channels_is_written_in_one_way(given: str | int, expected: str) -> None:
    assert channel_setting(given) == expected


@pytest.mark.parametrize("given", ["", "0", "-1", "65", "left", "1.5", "²", "9" * 5000, 0])
def test_another_choice_of_channels_is_refused(given: str | int) -> None:
    with pytest.raises(UsageError, match="from 1 to 64"):
        channel_setting(given)


@pytest.mark.parametrize("delay_s", [0.00025, 0.0005, 0.001, 0.003, 0.015])
@pytest.mark.parametrize("gain", [1.0, 0.3, -1.0, -0.3])
@pytest.mark.parametrize("is_later", [True, False])
def test_a_voice_that_one_microphone_hears_later_is_not_mixed_with_its_delayed_copy(
    delay_s: float, gain: float, is_later: bool
) -> None:
    n = round(delay_s * RATE)
    near, far = np.append(SPEECH, np.zeros(n)), gain * np.append(np.zeros(n), SPEECH)
    found = mix(near + noise(-70.0, 1, len(near)), far + noise(-70.0, 2, len(near)))
    if not is_later:
        found = mix(far + noise(-70.0, 1, len(near)), near + noise(-70.0, 2, len(near)))
    # Differences weigh high frequencies, which a comb filter takes first.
    best = max(likeness(np.diff(found[lag : lag + len(SPEECH)]), np.diff(SPEECH)) for lag in (0, n))
    assert best > 0.99
    assert np.std(found) > 0.4 * np.std(SPEECH)


def mix_clipped(clean: np.ndarray, clipped: np.ndarray) -> np.ndarray:
    window = np.stack((clean, clipped), 1).astype(np.float32)
    return mixed(window, RATE, [0.0, float(np.mean(np.abs(clipped) >= 0.999))])


@pytest.mark.parametrize("gain", [6.0, 30.0, -30.0])
def test_a_clipped_channel_does_not_spoil_the_same_speech_in_another_one(gain: float) -> None:
    clean = SPEECH / np.abs(SPEECH).max()
    np.testing.assert_array_equal(mix_clipped(0.5 * clean, np.clip(gain * clean, -1, 1)), np.float32(0.5 * clean))


def test_a_clipped_channel_takes_part_if_somebody_else_speaks_on_it() -> None:
    other = voice(3.0, 220.0, seed=1)
    clipped = np.clip(30 * other / np.abs(other).max(), -1, 1)
    assert likeness(mix_clipped(SPEECH, clipped), clipped) > 0.5
