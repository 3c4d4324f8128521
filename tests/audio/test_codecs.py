"""Codecs give back the speech, as well as they can, where and as long as it was."""

from __future__ import annotations

import numpy as np
import pytest
from made_sounds import voice

from emosense.audio.codecs import CODECS
from emosense.audio.effects import EFFECTS
from emosense.audio.resampling import resample

# What each leaves of a steady voice: above the noise of its own coding.
LEAST_SNR_DB = {"mp3-": 10.0, "opus": 5.0, "vorbis": 5.0, "ulaw": 25.0, "gsm": 5.0}


@pytest.mark.parametrize(("effect", "strength"), CODECS)
def test_speech_comes_back_in_its_place(effect: str, strength: float) -> None:
    waveform = voice(2.0)
    found, rate = EFFECTS[effect](waveform, 16_000, strength)
    assert found.dtype == np.float32
    expected = resample(waveform, 16_000, rate)
    # An encoder of frames adds some; MP3's delay is known to its file.
    assert len(found) == pytest.approx(len(expected), rel=0.02)
    inner = slice(rate // 4, rate)
    error = found[inner] - expected[inner]
    snr_db = 10 * np.log10((expected[inner] ** 2).mean() / (error**2).mean())
    assert snr_db > LEAST_SNR_DB[effect]


@pytest.mark.parametrize("effect", ["ulaw", "gsm", "opus", "vorbis"])
def test_a_codec_is_the_same_whenever_it_is_applied(effect: str) -> None:
    waveform = voice(0.5)
    first, second = (EFFECTS[effect](waveform, 16_000, 0.9)[0] for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("effect", ["ulaw", "gsm", "opus", "vorbis"])
def test_what_lies_beyond_full_scale_does_not_wrap(effect: str) -> None:
    t = np.arange(16_000) / 16_000
    found, rate = EFFECTS[effect]((3 * np.sin(2 * np.pi * 100 * t)).astype(np.float32), 16_000, 0.5)
    peak = found[rate // 400 :: rate // 100][10:90]
    assert (peak > 0.5).all()
