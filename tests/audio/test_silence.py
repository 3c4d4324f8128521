"""The look at a recording without any sound is bounded."""

from __future__ import annotations

import numpy as np
from made_sounds import voice

from emosense.audio.silence import SilenceLimit
from emosense.errors import RecordingError

RATE = 8_000
LIMIT = 100 * RATE


def seconds_read(*parts: np.ndarray, n_silent_s: int = 200) -> float:
    """How much of some parts and of the silence after them is read, in blocks of 1 s."""
    limit, n_frames = SilenceLimit(RATE, LIMIT), 0
    silence = [np.repeat(parts[-1][-1:], RATE, axis=0)] * n_silent_s
    for block in (*parts, *silence):
        n_frames += len(block)
        try:
            limit.add(block, float(block.max() - block.min()))
        except RecordingError:
            return n_frames / RATE
    return float("inf")


def column(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32)[:, np.newaxis]


def test_silence_is_read_to_the_limit_and_channels_count() -> None:
    assert seconds_read(np.zeros((RATE, 1), np.float32)) == 101
    assert seconds_read(np.zeros((RATE, 4), np.float32)) == 26


def test_a_click_and_a_constant_on_each_channel_are_silence() -> None:
    click = np.zeros(RATE)
    click[100:104] = 0.5
    assert seconds_read(column(click)) == 101
    assert seconds_read(np.tile(np.float32([0.5, -0.25]), (RATE, 1))) == 51


def test_a_recording_with_sound_is_read_to_its_end() -> None:
    assert seconds_read(column(voice(1.0, 150.0, RATE))) == float("inf")
    # One step of 16 bits is the faintest sound that there is.
    steps = np.arange(RATE) % 2 / 32_768
    assert seconds_read(column(steps)) == float("inf")
