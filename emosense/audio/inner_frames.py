"""Recordings that begin in the middle of a frame or packet, as streams do that are recorded from some moment on."""

from __future__ import annotations

from typing import Final

from emosense.audio.content import Content
from emosense.audio.frame_walk import AC3, ADTS, LOAS, MPEG, PROGRAM_STREAM, TRANSPORT, WAVPACK, FrameKind
from emosense.audio.mpeg_audio import after_tags
from emosense.audio.recording_starts import after_padding, begins_after

_KINDS: Final = (MPEG, ADTS, AC3, LOAS, WAVPACK, PROGRAM_STREAM, TRANSPORT)
# Frames after something else are a recording if they fill most of the rest of the file. Many breaks are those of a
# database, which keeps its content in pages of 4 to 64 KiB.
# More than this before the first is not the rest of a frame: those of AAC have up to 8 KiB.
_LONGEST_REST_BYTES: Final = 1 << 13
_LEAST_SHARE, _BYTES_A_BREAK, _SEARCH_BYTES = 0.5, 1 << 18, 1 << 16


def first_frame(content: Content) -> tuple[int, bool] | None:
    """Find the frames of a file that starts with something else.

    Parameters
    ----------
    content : Content
        The open file.

    Returns
    -------
    (int, bool) or None
        Position of the first, within the first 64 KiB, and whether what precedes it is no more than the rest of another
        one; None unless frames fill most of the rest of the file, or most of what precedes another recording.
    """
    found = [(kind.first(content, 0, max(_SEARCH_BYTES, kind.longest)), kind) for kind in _KINDS]
    starts = [(start, kind) for start, kind in found if start is not None]
    # Frames of another kind may be those of a recording that follows.
    for start, kind in sorted(starts, key=lambda each: each[0]):
        if _fills_rest(content, start, kind):
            return start, start <= _LONGEST_REST_BYTES
    return None


def _fills_rest(content: Content, start: int, kind: FrameKind) -> bool:
    place, n_frame_bytes, n_breaks = start, 0, 0
    while place < content.size and n_breaks <= 1 + (place - start) // _BYTES_A_BREAK:
        end = kind.end(content, place)
        n_frame_bytes, n_breaks = n_frame_bytes + end - place, n_breaks + 1
        if start <= kind.longest and _is_followed(content, end, kind):
            return n_frame_bytes >= _LEAST_SHARE * (end - start)
        again = kind.first(content, end, _SEARCH_BYTES)
        place = end + _SEARCH_BYTES if again is None else again
    return place >= content.size and n_frame_bytes >= _LEAST_SHARE * (content.size - start)


def _is_followed(content: Content, end: int, kind: FrameKind) -> bool:
    """Return whether another recording begins where frames end, behind nothing but tags and padding."""
    after = after_padding(content, after_tags(content, end))
    return begins_after(content, end, before=after + 1, without=kind) is not None
