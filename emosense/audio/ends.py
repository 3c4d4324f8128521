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
from emosense.audio.frame_lengths import (
    MOST_FRAMES,
    ac3_frame_bytes,
    adts_frame_bytes,
    frames_end,
    pes_packet_bytes,
    wavpack_block_bytes,
)
from emosense.audio.mpeg_audio import after_id3, mp3_end, mp3_frame_count, mpeg_frame_bytes
from emosense.audio.transport_stream import TRANSPORT_PACKETS

_BLOCK_BYTES: Final = 1 << 20


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
    return frames_end(content, start, functools.partial(amr.frame_bytes, codec), 1)


def _mpeg(content: Content) -> int | None:
    start = after_id3(content)
    if adts_frame_bytes(content.at(start, 6)):
        return frames_end(content, start, adts_frame_bytes, 6)
    if not mpeg_frame_bytes(content.at(start, 4)):
        # Padding after the tag, or a tag of another kind: the end is not known.
        return None
    end = mp3_end(content)
    if end is not None:
        return end
    count = mp3_frame_count(content)
    return frames_end(content, start, mpeg_frame_bytes, 4, count + 1 if count else MOST_FRAMES)


# What a file starts with, and who finds the end of its first recording: containers, then streams of frames.
_ENDS: Final = (
    *CONTAINER_ENDS,
    (re.compile(rb"wvpk"), lambda content: frames_end(content, 0, wavpack_block_bytes, 8)),
    (re.compile(rb"#!AMR"), _amr),
    (re.compile(rb"\x0b\x77"), lambda content: frames_end(content, 0, ac3_frame_bytes, 6)),
    (re.compile(rb"\xff[\xf0\xf1\xf8\xf9]"), lambda content: frames_end(content, 0, adts_frame_bytes, 6)),
    (re.compile(rb"\0\0\x01\xba"), lambda content: frames_end(content, 0, pes_packet_bytes, 14)),
    (re.compile(rb"G.{187}G.{187}G|.{4}G.{191}G.{191}G|G.{203}G.{203}G", re.DOTALL), _transport),
    (re.compile(rb"ID3|\xff[\xe2-\xff]"), _mpeg),
)
