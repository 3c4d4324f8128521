"""Where the first recording in a file ends: by the sizes in its container, or by walking its frames.

A decoder reads the first recording and ignores what follows it. What lies after its end is looked at by
`emosense.audio.joined`.
"""

from __future__ import annotations

import functools
import re
from typing import Final

from emosense.audio import amr
from emosense.audio.container_ends import CONTAINER_ENDS
from emosense.audio.content import Content
from emosense.audio.frame_walk import AC3, ADTS, LOAS, MOST_FRAMES, MPEG, PROGRAM_STREAM, WAVPACK, FrameKind
from emosense.audio.mpeg_audio import after_id3, mp3_end, mp3_frame_count
from emosense.audio.transport_stream import TRANSPORT_PACKETS

_BLOCK_BYTES: Final = 1 << 20
_LONGEST_PADDING_BYTES: Final = 1 << 16


def end_of_first(content: Content) -> int | None:
    """Return where the first recording of a file ends.

    Parameters
    ----------
    content : Content
        The open file.

    Returns
    -------
    int or None
        Position after its last byte, at most the size of the file; None if its container does not say.
    """
    for start, find in _ENDS:
        if start.match(content.head):
            end = find(content)
            return None if end is None else min(end, content.size)
    return None


def _transport(content: Content) -> int | None:
    """Return where the packets of a transport stream lose their sync bytes."""
    found = next(((at, size) for at, size in TRANSPORT_PACKETS if not content.head[at::size].strip(b"G")), None)
    if found is None:
        # It is damaged near its start.
        return None
    first, size = found
    step = _BLOCK_BYTES // size * size
    for start in range(first, content.size, step):
        marks = content.at(start, step)[::size]
        if marks.strip(b"G"):
            return start + size * (len(marks) - len(marks.lstrip(b"G")))
    return content.size


def _amr(content: Content) -> int | None:
    codec, start = ("amrwb", 9) if content.head.startswith(b"#!AMR-WB\n") else ("amrnb", 6)
    return FrameKind(functools.partial(amr.frame_bytes, codec), 1).end(content, start)


def _mpeg(content: Content) -> int | None:
    start = after_id3(content)
    if ADTS.length_of(content.at(start, 6)):
        return ADTS.end(content, start)
    if MPEG.first(content, start, MPEG.n_header, is_same=True) != start:
        # Padding after the tag, a tag of another kind, or bytes that look like a frame.
        first = MPEG.first(content, start, _LONGEST_PADDING_BYTES)
        return None if first is None else MPEG.end(content, first)
    end = mp3_end(content)
    if end is not None:
        return end
    count = mp3_frame_count(content)
    return MPEG.end(content, start, count + 1 if count else MOST_FRAMES)


def unsized_frames(content: Content) -> FrameKind | None:
    """Return the frames of a file that consists of frames and says nowhere how many there are.

    Parameters
    ----------
    content : Content
        The open file.

    Returns
    -------
    FrameKind or None
        None for other files.
    """
    start = after_id3(content)
    for kind in (AC3, PROGRAM_STREAM, ADTS, LOAS, MPEG):
        # One that looks like a frame may be chance.
        if kind.first(content, start, kind.n_header, is_same=True) == start:
            return None if kind is MPEG and (mp3_end(content) or mp3_frame_count(content)) else kind
    is_mpeg = content.head.startswith((b"ID3", b"\xff")) and MPEG.first(content, start, _LONGEST_PADDING_BYTES)
    return MPEG if is_mpeg else None


# What a file starts with, and who finds the end of its first recording: containers, then streams of frames.
_ENDS: Final = (
    *CONTAINER_ENDS,
    (re.compile(rb"wvpk"), lambda content: WAVPACK.end(content, 0)),
    (re.compile(rb"#!AMR"), _amr),
    (re.compile(rb"\x0b\x77"), lambda content: AC3.end(content, 0)),
    (re.compile(rb"\x56[\xe0-\xff]"), lambda content: LOAS.end(content, 0)),
    (re.compile(rb"\xff[\xf0\xf1\xf8\xf9]"), lambda content: ADTS.end(content, 0)),
    (re.compile(rb"\0\0\x01\xba"), lambda content: PROGRAM_STREAM.end(content, 0)),
    (re.compile(rb"G.{187}G.{187}G|.{4}G.{191}G.{191}G|G.{203}G.{203}G", re.DOTALL), _transport),
    (re.compile(rb"ID3|\xff[\xe2-\xff]"), _mpeg),
)
