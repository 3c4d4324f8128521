"""Recordings are cut into utterances at pauses, wherever the blocks of the detector lie."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import soundfile
from made_sounds import hum, voice

from emosense.audio.reader import RecordingReader
from emosense.audio.segment import Segment
from emosense.audio.speech import Speech
from emosense.audio.utterances import PAUSE_S, utterances

RATE = 16_000
FRAME_S = 0.032


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    return 1e-3 * np.random.default_rng(seed).standard_normal(round(seconds * RATE))


def cut(
    tmp_path: Path, waveform: np.ndarray, least_s: float = 1.0, longest_s: float = 10.0
) -> list[tuple[Segment, Speech | None]]:
    path = tmp_path / "a.wav"
    soundfile.write(path, waveform, RATE, "PCM_16")
    with open(path, "rb") as file:
        return list(utterances(RecordingReader(file, RATE), least_s, longest_s))


def spoken(pieces: list[tuple[Segment, Speech | None]]) -> list[tuple[float, float]]:
    return [(segment.start_s, segment.end_s) for segment, speech in pieces if speech is not None]


@pytest.mark.parametrize("lead_s", [0.5, 7.3, 9.0, 18.4, 33.0])
def test_each_utterance_is_found_where_it_is(lead_s: float, tmp_path: Path) -> None:
    waveform = np.concatenate((noise(lead_s), voice(2.0, 150, RATE), noise(0.8), voice(3.0, 210, RATE), noise(4.0)))
    pieces = cut(tmp_path, waveform)
    found = spoken(pieces)
    expected = [(lead_s, lead_s + 2.0), (lead_s + 2.8, lead_s + 5.8)]
    assert len(found) == 2
    for (start_s, end_s), (first_s, last_s) in zip(found, expected, strict=True):
        # A margin of half a pause, a frame, and what the made voice fades in.
        assert first_s - PAUSE_S / 2 - 2 * FRAME_S <= start_s <= first_s
        assert last_s <= end_s <= last_s + PAUSE_S / 2 + 2 * FRAME_S


def test_pieces_follow_each_other_and_are_the_recording(tmp_path: Path) -> None:
    waveform = np.concatenate(
        [np.concatenate((voice(1.0 + i % 3, 120 + 20 * i, RATE), noise(i % 4, i))) for i in range(9)]
    )
    pieces = cut(tmp_path, waveform)
    assert pieces[0][0].start_s == 0
    assert all(before.end_s == after.start_s for (before, _), (after, _) in itertools.pairwise(pieces))
    joined = np.concatenate([segment.waveform for segment, _ in pieces])
    assert joined == pytest.approx(waveform, abs=1 / 32_768)


def test_long_speech_is_cut_within_the_longest_length(tmp_path: Path) -> None:
    # 30 s without a pause of PAUSE_S, but with a dip of 0.2 s at 8.5 s.
    waveform = np.concatenate((voice(8.5, 150, RATE), noise(0.2), voice(21.3, 150, RATE)))
    found = spoken(cut(tmp_path, waveform))
    assert max(end_s - start_s for start_s, end_s in found) <= 10.0
    assert found[0][1] == pytest.approx(8.6, abs=0.1)
    assert found[-1][1] == pytest.approx(30.0, abs=0.1)
    assert min(end_s - start_s for start_s, end_s in found) >= 1.0


def test_short_utterances_are_joined_or_get_more_of_the_pause(tmp_path: Path) -> None:
    word = voice(0.4, 180, RATE)
    close, far = (np.concatenate((noise(2.0), word, noise(gap_s), word, noise(3.0))) for gap_s in (0.45, 2.0))
    assert len(spoken(cut(tmp_path, close, least_s=1.2))) == 1
    assert len(spoken(cut(tmp_path, close, least_s=0.25))) == 2
    found = spoken(cut(tmp_path, far, least_s=1.2))
    assert len(found) == 2
    assert all(1.2 <= end_s - start_s < 1.3 for start_s, end_s in found)


def test_hum_is_removed_from_utterances_with_what_the_pauses_have(tmp_path: Path) -> None:
    speech = np.concatenate((noise(2.0), voice(3.0, 140, RATE), noise(2.0)))
    humming = speech + hum(len(speech), 50.0, -40.0, 8, np.random.default_rng(1))
    clean, cleaned = (
        next(speech.waveform for _, speech in cut(tmp_path, each) if speech is not None) for each in (speech, humming)
    )
    assert len(clean) == len(cleaned)
    assert np.sqrt(np.mean((clean - cleaned) ** 2)) < 0.1 * 10 ** (-40 / 20)


def test_a_recording_without_speech_has_only_pauses(tmp_path: Path) -> None:
    pieces = cut(tmp_path, noise(45.0))
    assert spoken(pieces) == []
    assert max(segment.end_s - segment.start_s for segment, _ in pieces) <= 10.0
