"""The timestamps of FFmpeg's frames -> how many samples lie between two frames, by the file's own clock.

Where packets are lost, or a track starts late, samples are missing; at the cuts of an edit list, frames overlap.
"""

from __future__ import annotations

from typing import Any, Final

# The containers whose timestamps are those of the clock that players show; others only count samples.
_TIMED_FORMATS: Final = ("mov", "matroska", "asf", "flv", "mpeg")
# Those whose clock starts at 0. Others, as broadcasts, start at any time, which players call 0.
_ZERO_BASED_FORMATS: Final = ("mov", "matroska")
# A track that starts later than this is a piece of a live stream, whose clock is not that of the file.
_LATEST_START_S: Final = 3600.0
# Timestamps are rounded, to 1 ms by Matroska, and jitter: only what deviates by more is lost or cut.
_JITTER_S: Final = 0.05
_LONGEST_OVERLAP_S: Final = 1.0
_LONGEST_JUMP_S: Final = 60.0


class FFmpegClock:
    """The clock of one audio track.

    Parameters
    ----------
    container : av.container.InputContainer
        Opened.
    stream : av.AudioStream
        The track.
    sample_rate : int
        Of its frames, in Hz.
    is_headerless : bool
        Whether the container is a stream without a header: recordings that are joined in it are one stream, whose clock
        jumps where they meet.
    """

    def __init__(self, container: Any, stream: Any, sample_rate: int, is_headerless: bool) -> None:
        self._sample_rate, self._is_headerless = sample_rate, is_headerless
        self._is_timed = container.format.name.startswith(_TIMED_FORMATS)
        self._start_s = _start_s(container, stream)

    def n_missing(self, frame: Any, n_before: int) -> int:
        """Return how many samples lie between those before and a frame, by its timestamp.

        FFmpeg plays whole packets at the cuts of an edit list, so that a part of the next one comes too late. Clocks
        that jump back by more, as in recordings that were joined, say nothing.

        Parameters
        ----------
        frame : av.AudioFrame
            Decoded.
        n_before : int
            Samples of a channel before it.

        Returns
        -------
        int
            Below 0 where the frame overlaps what is before it.
        """
        if frame.pts is None or not self._is_timed:
            return 0
        at_s = float(frame.pts * frame.time_base) - self._start_s
        n_missing = round(at_s * self._sample_rate) - n_before
        is_jitter = abs(n_missing) <= _JITTER_S * self._sample_rate
        if self._is_headerless:
            return n_missing if not is_jitter and 0 < n_missing <= _LONGEST_JUMP_S * self._sample_rate else 0
        return 0 if is_jitter or n_missing < -_LONGEST_OVERLAP_S * self._sample_rate else n_missing


def _start_s(container: Any, stream: Any) -> float:
    """Return the timestamp at which the clock of the file is 0."""
    # Imported by the decoder before.
    from av import time_base

    start_s = float(stream.start_time * stream.time_base) if stream.start_time else 0.0
    if container.format.name.startswith(_ZERO_BASED_FORMATS) and start_s <= _LATEST_START_S:
        return 0.0
    return (container.start_time or 0) / float(time_base)
