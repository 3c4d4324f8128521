"""Speech is found where somebody speaks, cut to where it lies, and not found in sounds that nobody speaks."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import REPOSITORY
from made_sounds import NON_SPEECH, at_level, hum, non_speech, voice

from emosense.audio.speech import MARGIN_S, find_speech, speech_of
from emosense.audio.waveform import read_waveform
from emosense.errors import RecordingError

RATE = 16_000
N_EACH = 12


def test_sounds_that_nobody_speaks_have_no_speech(record_property: Callable[[str, object], None]) -> None:
    refused = {
        kind: sum(
            find_speech(non_speech(kind, np.random.default_rng([zlib.crc32(kind.encode()), n])), RATE) is None
            for n in range(N_EACH)
        )
        for kind in NON_SPEECH
    }
    share = sum(refused.values()) / (N_EACH * len(NON_SPEECH))
    record_property(f"of {N_EACH * len(NON_SPEECH)} sounds without speech refused", f"{100 * share:.1f} %")
    assert share >= 0.95, refused
    assert min(refused.values()) >= N_EACH // 2, refused


@pytest.mark.parametrize("path", sorted((REPOSITORY / "samples").glob("*.*v*")), ids=lambda path: path.name)
def test_the_samples_are_speech(path: Path) -> None:
    with open(path, "rb") as file:
        speech = find_speech(read_waveform(file, RATE), RATE)
    assert speech is not None
    assert speech.speech_s > 0.5


@pytest.mark.ravdess
def test_real_speech_is_not_refused(ravdess: Path, record_property: Callable[[str, object], None]) -> None:
    paths = sorted(ravdess.glob("Actor_*/*"))[::7]
    refused = []
    for path in paths:
        with open(path, "rb") as file:
            if find_speech(read_waveform(file, RATE), RATE) is None:
                refused.append(path.name)
    record_property(f"of {len(paths)} real recordings refused", len(refused))
    assert len(paths) > 100
    assert len(refused) <= 0.005 * len(paths), refused


@pytest.mark.parametrize("gain", [1e-4, 1e-2, 1.0])
def test_the_gain_of_the_recording_does_not_matter(gain: float) -> None:
    spoken = voice(2.0)
    plain, quiet = find_speech(spoken, RATE), find_speech(spoken * np.float32(gain), RATE)
    assert plain is not None
    assert quiet is not None
    assert quiet.speech_s == plain.speech_s
    np.testing.assert_allclose(quiet.waveform, plain.waveform * gain, atol=1e-5 * gain)
    assert quiet.level_db == pytest.approx(plain.level_db + 20 * np.log10(gain), abs=0.1)


@pytest.mark.parametrize("dbfs", [-80, -60, -50])
@pytest.mark.parametrize(("before_s", "after_s"), [(5, 0), (0, 5), (3, 3)])
def test_noise_before_and_after_the_speech_is_cut_off(dbfs: float, before_s: float, after_s: float) -> None:
    rng = np.random.default_rng(0)
    spoken = voice(3.0)
    noise = [
        at_level(rng.standard_normal(round(length_s * RATE)), dbfs) if length_s else np.zeros(0)
        for length_s in (before_s, after_s)
    ]
    speech = find_speech(np.concatenate((noise[0], spoken, noise[1])).astype(np.float32), RATE)
    assert speech is not None
    assert 2.4 <= speech.speech_s <= 3.1
    assert len(speech.waveform) / RATE <= 3.0 + 2 * (MARGIN_S + 0.2)


def test_hum_under_the_speech_is_gone() -> None:
    rng = np.random.default_rng(0)
    spoken = np.concatenate((np.zeros(RATE), voice(2.0), np.zeros(RATE))).astype(np.float32)
    plain = find_speech(spoken, RATE)
    humming = find_speech(spoken + hum(len(spoken), 50, -35, 10, rng).astype(np.float32), RATE)
    assert plain is not None
    assert humming is not None
    assert abs(len(plain.waveform) - len(humming.waveform)) <= 0.1 * RATE
    assert humming.speech_s == pytest.approx(plain.speech_s, abs=0.1)


def test_no_speech_is_an_error_with_a_code() -> None:
    with pytest.raises(RecordingError, match="speech was found") as caught:
        speech_of(np.zeros(RATE, np.float32), RATE)
    assert caught.value.code == "no_speech"


def test_the_shortest_recording_can_be_speech(tmp_path: Path) -> None:
    path = tmp_path / "short.wav"
    soundfile.write(path, voice(0.25), RATE)
    with open(path, "rb") as file:
        assert len(speech_of(read_waveform(file, RATE), RATE)) == 4000


@pytest.mark.parametrize("hz", [50, 60])
@pytest.mark.parametrize("dbfs", [-60, -33, -15])
def test_what_is_left_of_a_pure_hum_in_a_file_is_no_speech(hz: float, dbfs: float) -> None:
    for n_harmonics in (1, 3, 12):
        humming = hum(3 * RATE, hz, dbfs, n_harmonics, np.random.default_rng(n_harmonics))
        stored = np.round(np.clip(humming, -1, 1) * 32767) / 32768
        assert find_speech(stored.astype(np.float32), RATE) is None, n_harmonics
