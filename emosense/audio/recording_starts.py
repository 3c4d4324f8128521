"""Where another recording begins in a file, after one or after bytes that are none.

Containers have headers that are in no recording by chance. Streams have none: their frames are looked for.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from typing import Final

from emosense.audio.content import Content
from emosense.audio.frame_walk import AC3, ADTS, LOAS, MPEG, FrameKind, one_of

# What files start with, in full: so much is in no recording by chance.
_HEADERS: Final = (
    rb"(?:RIFF|RIFX|RF64)....(?:WAVE|AVI )",
    rb"FORM....(?:AIF[FC]|8SVX|16SV)",
    rb"riff\x2e\x91\xcf\x11",
    rb"\.snd\0\0......\0\0\0[\1-\x1b]",
    rb"OggS\0\x02",
    rb"\0\0..ftyp",
    rb"fLaC[\0\x80]\0\0\x22",
    rb"\x1aE\xdf\xa3.{1,60}(?:webm|matroska)",
    rb"0&\xb2u\x8ef\xcf\x11\xa6\xd9\0\xaa\0b\xcel",
    rb"FLV\x01[\0-\x0f]\0\0\0\x09\0\0\0\0",
    rb"TTA1[\x01\x02]\0[\1-\xff]\0",
    rb"MAC [\x78-\x9f]\x0f",
    rb"caff\0\x01\0\0desc",
    rb"NIST_1A\n {3}\d{4}\n",
    rb"Creative Voice File\x1a",
    # A first block: at sample 0, and the first of those of its channels.
    rb"wvpk.{5}\x04.{6}\0{4}.{5}" + one_of(lambda byte: bool(byte & 8)),
    rb"#!AMR(?:-WB)?\n",
    rb"\0\0\x01\xba[\x21\x44-\x47]",
)
LIKE: Final = tuple(re.compile(pattern, re.DOTALL) for pattern in _HEADERS)
ANY: Final = re.compile(b"|".join(_HEADERS), re.DOTALL)
HEADER_BYTES: Final = 80
_SEARCH_BYTES: Final = 1 << 16
# Five packets of a transport stream.
_PACKETS_BYTES: Final = 5 * 188
# A search takes 6 ms a megabyte, and gigabytes of zeros may follow.
FARTHEST_BYTES: Final = 1 << 24
_NO_PADDING: Final = re.compile(rb"[^\0\xff]")
_LONGEST_ALIKE_BYTES: Final = 4
# Fewer frames than these after the end of an MP3 are its own: its header may be off by some.
_LEAST_FRAMES_BYTES: Final = 1 << 10
_STREAMS: Final = (MPEG, ADTS, AC3, LOAS)
# In the samples of a FLAC, three frames of MPEG audio in a row were found in 6 of 100 recordings; and its own frames
# begin as those of AAC in MPEG-2 do.
_AFTER_FLAC: Final = tuple(
    dataclasses.replace(kind, n_sure=8, sync=rb"\xff[\xf0\xf1]" if kind is ADTS else kind.sync) for kind in _STREAMS
)
# The last frame that a walk takes may be the header of what follows.
_LONGEST_STEP_BYTES: Final = 1 << 9


def after_padding(content: Content, start: int) -> int:
    """Return where padding ends.

    Parameters
    ----------
    content : Content
        The open file.
    start : int
        Where it begins.

    Returns
    -------
    int
        Position of the first byte that is not 0 or 255, or where the search for it ends.
    """
    near = content.part(0, min(content.size, start + FARTHEST_BYTES))
    return next(near.find(_NO_PADDING, 1, start), near.size)


def begins_after(
    content: Content, end: int, *, before: int | None = None, without: FrameKind | None = None, is_flac: bool = False
) -> int | None:
    """Find another recording after the end of one, which may be padded or have tags.

    Parameters
    ----------
    content : Content
        The open file.
    end : int
        Where the first ends.
    before : int or None
        Where another one begins at the latest; None if it may lie anywhere.
    without : FrameKind or None
        Frames that are not looked for.
    is_flac : bool
        Whether the first is a FLAC, whose end is not known, and whose frames begin as those of AAC in MPEG-2 do.

    Returns
    -------
    int or None
        Its position; None if there is none.
    """
    if ANY.match(content.at(end, HEADER_BYTES)):
        return end
    # Padding may be long, and what follows may begin with the same bytes.
    end = max(end, after_padding(content, end) - _LONGEST_ALIKE_BYTES)
    limit = content.size if before is None else before + _LONGEST_STEP_BYTES
    near = content.part(0, min(content.size, limit, end + FARTHEST_BYTES))
    places = [*itertools.islice(near.find(ANY, HEADER_BYTES, max(1, end - _LONGEST_STEP_BYTES)), 1)]
    kinds = [kind for kind in (_AFTER_FLAC if is_flac else _STREAMS) if kind is not without]
    starts = [kind.first(content, end, min(_SEARCH_BYTES, near.size - end)) for kind in kinds]
    transport = transport_start(content.at(end, min(_SEARCH_BYTES, near.size - end) + _PACKETS_BYTES))
    starts.append(None if transport is None else end + transport)
    places += [start for start in starts if start is not None and content.size - start >= _LEAST_FRAMES_BYTES]
    return min((place for place in places if before is None or place < before), default=None)


def transport_start(data: bytes) -> int | None:
    """Find five packets of a transport stream in a row.

    Parameters
    ----------
    data : bytes
        Part of a file.

    Returns
    -------
    int or None
        Position of the first; None if there are none.
    """
    match = re.search(rb"G[\0-\x5f].{186}G.{187}G.{187}G.{187}G", data, re.DOTALL)
    return match.start() if match else None
