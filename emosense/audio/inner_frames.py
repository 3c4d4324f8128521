"""Recordings that begin in the middle of a frame or packet, as streams do that are recorded from some moment on."""

from __future__ import annotations

from typing import Final

from emosense.audio.content import Content
from emosense.audio.frame_walk import AC3, ADTS, MPEG, PROGRAM_STREAM, TRANSPORT, FrameKind

_KINDS: Final = (MPEG, ADTS, AC3, PROGRAM_STREAM, TRANSPORT)
# Frames after something else are a recording if they fill most of the rest of the file. Many breaks are those of a
# database, which keeps its content in pages of 4 to 64 KiB.
_LEAST_SHARE, _BYTES_A_BREAK, _LONGEST_LEAD_BYTES = 0.5, 1 << 18, 1 << 16
_BLOCK_BYTES: Final = 1 << 20


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
    place, n_frame_bytes, n_breaks, end = start, 0, 0, content.size
    block, block_start = b"", 0
    while place < end and n_breaks <= 1 + (place - start) // _BYTES_A_BREAK:
        if not block_start <= place <= block_start + len(block) - kind.n_header:
            block, block_start = content.at(place, _BLOCK_BYTES), place
            if len(block) < kind.n_header:
                return n_frame_bytes >= _LEAST_SHARE * (end - start)
        length = kind.length_of(block[place - block_start : place - block_start + kind.n_header])
        if length:
            n_frame_bytes += length
        else:
            n_breaks += 1
            again = kind.first(content, place, _LONGEST_LEAD_BYTES)
            length = _LONGEST_LEAD_BYTES if again is None else max(again - place, 1)
        place += length
    return place >= end and n_frame_bytes >= _LEAST_SHARE * (end - start)
