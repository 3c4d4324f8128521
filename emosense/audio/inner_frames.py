"""Recordings that begin in the middle of a frame or packet, as streams do that are recorded from some moment on."""

from __future__ import annotations

from typing import Final

from emosense.audio.content import Content
from emosense.audio.frame_walk import AC3, ADTS, MPEG, PROGRAM_STREAM, TRANSPORT, FrameKind

_KINDS: Final = (MPEG, ADTS, AC3, PROGRAM_STREAM, TRANSPORT)
# Frames after something else are a recording if they fill most of the rest of the file. Many breaks are those of a
# database, which keeps its content in pages of 4 to 64 KiB.
_LEAST_SHARE, _BYTES_A_BREAK, _LONGEST_LEAD_BYTES = 0.5, 1 << 18, 1 << 16


def first_frame(content: Content) -> int | None:
    """Find the frames of a file that starts with something else.

    Parameters
    ----------
    content : Content
        The open file.

    Returns
    -------
    int or None
        Position of the first, within the first 64 KiB; None unless frames fill most of the rest of the file.
    """
    for kind in _KINDS:
        start = kind.first(content, 0, _LONGEST_LEAD_BYTES)
        if start is not None and _fills_rest(content, start, kind):
            return start
    return None


def _fills_rest(content: Content, start: int, kind: FrameKind) -> bool:
    place, n_frame_bytes, n_breaks = start, 0, 0
    while place < content.size and n_breaks <= 1 + (place - start) // _BYTES_A_BREAK:
        end = kind.end(content, place)
        again = kind.first(content, end, _LONGEST_LEAD_BYTES)
        n_frame_bytes, n_breaks = n_frame_bytes + end - place, n_breaks + 1
        place = end + _LONGEST_LEAD_BYTES if again is None else again
    return place >= content.size and n_frame_bytes >= _LEAST_SHARE * (content.size - start)
