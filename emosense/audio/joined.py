"""Recordings that were joined into one file, end to end: where each begins, and all of them as one.

Decoders read the first and ignore the rest. Where the first ends (`emosense.audio.ends`), another one is looked for, of
any format; where its container does not say, all of the file is searched for another header like its own.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Callable
from typing import Final

from emosense.audio import container_headers
from emosense.audio.content import Content
from emosense.audio.ends import end_of_first
from emosense.audio.frame_lengths import ac3_frame_bytes, adts_frame_bytes
from emosense.audio.mpeg_audio import after_id3, mp3_frame_count, mpeg_frame_bytes, mpeg_start
from emosense.audio.ogg import MARK, OggStream, ogg_streams
from emosense.audio.transport_stream import is_transport_stream, program_starts

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
    rb"wvpk.{5}\x04.{6}\0{4}.{5}[" + re.escape(bytes(byte for byte in range(256) if byte & 8)) + b"]",
    rb"#!AMR(?:-WB)?\n",
    rb"\0\0\x01\xba[\x21\x44-\x47]",
)
_LIKE: Final = tuple(re.compile(pattern, re.DOTALL) for pattern in _HEADERS)
_ANY: Final = re.compile(b"|".join(_HEADERS), re.DOTALL)
_HEADER_BYTES: Final = 80
_SEARCH_BYTES: Final = 1 << 16
# A search takes 6 ms a megabyte, and gigabytes of zeros may follow.
_FARTHEST_BYTES: Final = 1 << 24
# Fewer frames than these after the end of an MP3 are its own: its header may be off by some.
_LEAST_FRAMES_BYTES: Final = 1 << 10
# The last frame that a walk takes may be the header of what follows.
_LONGEST_STEP_BYTES: Final = 1 << 9


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """One of the recordings in a file.

    Parameters
    ----------
    content : Content
        Its bytes.
    stream : OggStream or None
        What its pages say, if it is Ogg.
    """

    content: Content
    stream: OggStream | None = None


def recordings(content: Content) -> list[Part]:
    """Find the recordings of a file.

    Parameters
    ----------
    content : Content
        The open file.

    Returns
    -------
    list of Part
        In their order, together all of the file.
    """
    start = 0
    streams: dict[int, OggStream | None] = {}
    while True:
        start += _n_tag_bytes(content, start)
        streams[start] = None
        rest = content.part(start, content.size) if start else content
        if rest.head[:5] == MARK:
            found = ogg_streams(rest) or [OggStream(0, rest.size)]
            streams |= {start + stream.start: stream for stream in found}
            following = begins_after(rest, found[-1].end)
        else:
            places = _changes(rest)
            streams |= dict.fromkeys(start + place for place in places)
            following = None if places else _following(rest)
        if following is None:
            break
        start += following
    starts = [*streams]
    if starts == [0]:
        return [Part(content, streams[0])]
    ends = [*starts[1:], content.size]
    return [Part(content.part(at, end), streams[at]) for at, end in zip(starts, ends, strict=True)]


def _n_tag_bytes(content: Content, start: int) -> int:
    """Return the length of ID3 tags before anything but MPEG frames, where decoders do not expect them."""
    if content.at(start, 3) != b"ID3":
        return 0
    n_bytes = after_id3(content.part(start, content.size))
    return n_bytes if _ANY.match(content.at(start + n_bytes, _HEADER_BYTES)) else 0


def _changes(content: Content) -> list[int]:
    """Return where recordings begin that are found by a search of the whole file."""
    if is_transport_stream(content.head):
        return program_starts(content)
    if container_headers.is_flac_without_total(content.head):
        return [*content.find(_ANY, _HEADER_BYTES, 1)]
    if end_of_first(content) is None:
        for header in _LIKE:
            if header.match(content.head):
                return [*content.find(header, _HEADER_BYTES, 1)]
    return []


def _following(content: Content) -> int | None:
    """Return where another recording begins after the end of the first, None if there is no other."""
    end = end_of_first(content)
    if end is None or not 0 < end < content.size:
        return None
    is_mpeg = mpeg_frame_bytes(content.at(after_id3(content), 4)) > 0
    # MPEG frames end where they are damaged, too, and the decoder goes on after that.
    return begins_after(content, end, has_frames=not is_mpeg or mp3_frame_count(content) > 0)


def begins_after(content: Content, end: int, *, has_frames: bool = True, is_flac: bool = False) -> int | None:
    """Find another recording after the end of one, which may be padded or have tags.

    Parameters
    ----------
    content : Content
        The open file.
    end : int
        Where the first ends.
    has_frames : bool
        Whether MPEG frames count, which have no header; they are looked for near the end only.
    is_flac : bool
        Whether the first is a FLAC, whose frames begin as those of AAC in MPEG-2 do.

    Returns
    -------
    int or None
        Its position; None if there is none.
    """
    near = content.part(0, min(content.size, end + _FARTHEST_BYTES))
    places = [*itertools.islice(near.find(_ANY, _HEADER_BYTES, max(1, end - _LONGEST_STEP_BYTES)), 1)]
    after = content.at(end, _SEARCH_BYTES)
    finders = (mpeg_start,) * has_frames + (
        _adts_start_after_flac if is_flac else _adts_start,
        _ac3_start,
        _transport_start,
    )
    starts = [find(after) for find in finders]
    places += [
        end + start for start in starts if start is not None and content.size - end - start >= _LEAST_FRAMES_BYTES
    ]
    return min(places, default=None)


def _adts_start(data: bytes) -> int | None:
    return _frames_start(data, rb"\xff[\xf0\xf1\xf8\xf9]", adts_frame_bytes)


def _adts_start_after_flac(data: bytes) -> int | None:
    return _frames_start(data, rb"\xff[\xf0\xf1]", adts_frame_bytes)


def _ac3_start(data: bytes) -> int | None:
    return _frames_start(data, rb"\x0b\x77", ac3_frame_bytes)


def _transport_start(data: bytes) -> int | None:
    match = re.search(rb"G[\0-\x5f].{186}G.{187}G.{187}G.{187}G", data, re.DOTALL)
    return match.start() if match else None


def _frames_start(data: bytes, sync: bytes, length_of: Callable[[bytes], int]) -> int | None:
    """Find three frames in a row."""
    for match in re.finditer(sync, data):
        place = match.start()
        for _ in range(3):
            length = length_of(data[place : place + 6])
            if not length:
                break
            place += length
        else:
            return match.start()
    return None
