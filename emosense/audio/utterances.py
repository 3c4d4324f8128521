"""One recording -> its utterances and the pauses between them: cut where nobody speaks, in bounded memory.

The speech detector looks at 10 s at a time, with half a second more on both sides, so that its decisions do not depend
on where a block begins. An utterance ends at a pause of `PAUSE_S` or more, once it has the least length; one that
reaches the longest is cut at the longest pause in its second half, or at its quietest frame.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

import numpy as np

from emosense.arrays import Float32
from emosense.audio.reader import RecordingReader
from emosense.audio.segment import Segment
from emosense.audio.speech import MIN_SPEECH_S, Listened, Speech, listen
from emosense.audio.speech_detector import FRAME_S, frame_length

PAUSE_S: Final = 0.32
# A half of the shortest pause stays at each end of an utterance. All of these are numbers of frames.
_MARGIN: Final = round(PAUSE_S / 2 / FRAME_S)
_CORE: Final = 320
_CONTEXT: Final = 16
_LEAST_SPEECH: Final = -int(-MIN_SPEECH_S // FRAME_S)


def utterances(reader: RecordingReader, least_s: float, longest_s: float) -> Iterator[tuple[Segment, Speech | None]]:
    """Yield a recording, or each of its channels, in pieces, which follow each other without a gap.

    Parameters
    ----------
    reader : RecordingReader
        Not read yet.
    least_s, longest_s : float
        Length of an utterance in seconds. Only the last one of a recording can be shorter.

    Yields
    ------
    segment : Segment
        An utterance or a pause. Pauses are cut like everything else: at `longest_s` or before.
    speech : Speech or None
        Of the utterance; None for a pause.

    Raises
    ------
    RecordingError
        As `RecordingReader.segments` does.
    """
    frame = frame_length(reader.sample_rate)
    least = math.ceil(least_s * reader.sample_rate / frame)
    longest = int(longest_s * reader.sample_rate / frame)
    tapes = {channel: _Tape(reader.sample_rate, frame, channel) for channel in reader.channels}
    for channel, raw, listened in _blocks(reader, frame):
        tape = tapes[channel]
        tape.append(raw, listened)
        while n_frames := _next_cut(tape.listened, least, longest, is_end=False):
            yield tape.take(n_frames)
    for tape in tapes.values():
        while n_frames := _next_cut(tape.listened, least, longest, is_end=True):
            yield tape.take(n_frames)


def _blocks(reader: RecordingReader, frame: int) -> Iterator[tuple[int | None, Float32, Listened]]:
    """Yield channel, waveform and decisions of 10 s at a time, each decided with what surrounds it."""
    window_s, hop_s = ((_CORE + extra) * frame / reader.sample_rate for extra in (2 * _CONTEXT, 0))
    last: dict[int | None, tuple[Float32, Listened]] = {}
    n_before = dict.fromkeys(reader.channels, 0)
    for segment in reader.segments(window_s, hop_s):
        channel = segment.channel
        if channel in last:
            raw, listened = last[channel]
            first, end = n_before[channel], _CONTEXT + _CORE
            yield channel, raw[first * frame : end * frame], listened.part(first, end)
            n_before[channel] = _CONTEXT
        last[channel] = segment.waveform, listen(segment.waveform, reader.sample_rate)
    for channel, (raw, listened) in last.items():
        yield channel, raw[n_before[channel] * frame :], listened.part(n_before[channel], None)


def _next_cut(listened: Listened, least: int, longest: int, *, is_end: bool) -> int:
    """Return where the next piece ends, in frames; 0 if what follows decides that, or nothing is left."""
    n = len(listened.is_speech)
    speech = np.flatnonzero(listened.is_speech)
    first = int(speech[0]) if len(speech) else n if is_end else max(0, n - _MARGIN)
    if first > _MARGIN or not len(speech):
        # A pause, without what belongs to the utterance after it.
        return min(longest, first - _MARGIN if len(speech) else first)
    next_speech = np.append(speech[1:], np.iinfo(np.int64).max if is_end else n)
    ends = np.maximum(speech + 1 + _MARGIN, least)
    can_end = (next_speech - speech > 2 * _MARGIN) & (next_speech - _MARGIN >= ends) & (ends <= longest)
    if can_end.any():
        return min(int(ends[np.argmax(can_end)]), n)
    if n > longest and (is_end or n >= longest + 2 * _MARGIN):
        return _forced_cut(listened, max(least, longest // 2), longest)
    return n if is_end else 0


def _forced_cut(listened: Listened, low: int, high: int) -> int:
    """Return the middle of the longest pause between two frames, or the quietest frame where nobody pauses."""
    edges = np.flatnonzero(np.diff(np.concatenate(([True], listened.is_speech[low:high], [True]))))
    if len(edges):
        starts, ends = edges[::2], edges[1::2]
        which = int(np.argmax(ends - starts))
        return low + int(starts[which] + ends[which]) // 2
    return low + int(np.argmin(listened.level_db[low:high]))


class _Tape:
    """What was read and is not given yet."""

    def __init__(self, sample_rate: int, frame: int, channel: int | None) -> None:
        self._sample_rate, self._frame, self._channel = sample_rate, frame, channel
        self._raw = np.empty(0, np.float32)
        self._n_given = 0
        self.listened = Listened(self._raw, np.empty(0, bool), self._raw, frame)

    def append(self, raw: Float32, listened: Listened) -> None:
        self._raw = np.concatenate((self._raw, raw))
        self.listened = self.listened.followed_by(listened)

    def take(self, n_frames: int) -> tuple[Segment, Speech | None]:
        """Give the first frames, and forget them."""
        n, start = n_frames * self._frame, self._n_given
        raw, piece = self._raw[:n], self.listened.part(0, n_frames)
        self._raw, self.listened = self._raw[n:], self.listened.part(n_frames, None)
        self._n_given += len(raw)
        is_speech = np.count_nonzero(piece.is_speech) >= _LEAST_SPEECH
        segment = Segment(start / self._sample_rate, self._n_given / self._sample_rate, raw, self._channel)
        return segment, piece.speech(self._sample_rate) if is_speech else None
