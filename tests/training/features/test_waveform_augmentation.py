"""Changed copies are the same on every run, differ from each other, and still hold the speech."""

from __future__ import annotations

import numpy as np
import pytest
from made_sounds import voice

from emosense.arrays import Float32
from emosense.training.features.waveform_augmentation import RandomCopy, equalised

WAVEFORM = voice(1.0)


def test_a_copy_depends_on_the_samples_and_its_number_only() -> None:
    first, rate = RandomCopy(0).apply(WAVEFORM, 16_000)
    again, same_rate = RandomCopy(0).apply(WAVEFORM.copy(), 16_000)
    assert rate == same_rate
    np.testing.assert_array_equal(first, again)
    assert len({RandomCopy(number).apply(WAVEFORM, 16_000)[1] for number in range(20)}) > 10
    assert RandomCopy(0).key != RandomCopy(1).key


def changes(waveform: Float32) -> list[tuple[Float32, int]]:
    return [RandomCopy(number).apply(waveform, 16_000) for number in range(60)]


def test_copies_are_finite_and_at_most_an_eighth_faster_or_slower() -> None:
    for changed, rate in changes(WAVEFORM):
        assert changed.dtype == np.float32
        assert np.isfinite(changed).all()
        assert len(changed) / rate == pytest.approx(1.0, rel=0.13)


def test_some_copies_are_changed_beyond_their_speed_and_some_are_not() -> None:
    untouched = [changed for changed, _ in changes(WAVEFORM) if np.array_equal(changed, WAVEFORM)]
    assert 2 <= len(untouched) <= 30


def test_another_microphone_changes_the_spectrum_smoothly() -> None:
    rng = np.random.default_rng(0)
    noise = np.random.default_rng(1).normal(0, 0.1, 16_384).astype(np.float32)
    gain_db = 20 * np.log10(np.abs(np.fft.rfft(equalised(noise, rng))[1:-1]) / np.abs(np.fft.rfft(noise)[1:-1]))
    assert np.ptp(gain_db) > 1
    # A band of an octave is some 1,000 bins wide at the top.
    assert np.abs(np.diff(gain_db[100:])).max() < 0.5
