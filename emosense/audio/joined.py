"""Recordings that were joined into one file, end to end: where each begins.

Decoders read the first and ignore the rest. Where the first ends (`emosense.audio.ends`), another one is looked for, of
any format; where its container does not say, all of the file is searched for another header like its own.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from typing import Final

from emosense.audio import container_headers
from emosense.audio.content import Content
from emosense.audio.ends import end_of_first, unsized_frames
from emosense.audio.file_type import is_audio_start
from emosense.audio.frame_walk import AC3, ADTS, ADTS_AFTER_FLAC, MPEG, FrameKind
from emosense.audio.inner_frames import first_frame
from emosense.audio.mpeg_audio import after_id3, after_tags
from emosense.audio.ogg import MARK, OggStream, ogg_streams
from emosense.audio.transport_stream import begins_anew, is_transport_stream, lacks_packets, program_starts

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
_NO_PADDING: Final = re.compile(rb"[^\0\xff]")
_LONGEST_ALIKE_BYTES: Final = 4
# Fewer frames than these after the end of an MP3 are its own: its header may be off by some.
_LEAST_FRAMES_BYTES: Final = 1 << 10
# In the samples of a FLAC, three frames of MPEG audio in a row were found in 6 of 100 recordings.
_FRAMES_AFTER_FLAC: Final = 8
# The last frame that a walk takes may be the header of what follows.
_LONGEST_STEP_BYTES: Final = 1 << 9
# A file of headers alone may hold millions. More than this are left out, and the whole is damaged.
_MOST_PARTS: Final = 1 << 14
# A stream that was damaged in more places is not followed further.
_MOST_GAPS: Final = 1 << 10


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """One of the recordings in a file.

    Parameters
    ----------
    whole : Content
        The open file.
    start, end : int
        Place of its first byte, and of that after its last.
    stream : OggStream or None
        What its pages say, if it is Ogg.
    has_gaps : bool
        Whether bytes between its frames are none of them.
    """

    whole: Content
    start: int
    end: int
    stream: OggStream | None = None
    has_gaps: bool = False

    def content(self) -> Content:
        """Return its bytes.

        Returns
        -------
        Content
            Those of the file if it is all of it.
        """
        is_all = (self.start, self.end) == (0, self.whole.size)
        return self.whole if is_all else self.whole.part(self.start, self.end)

    def is_damaged(self) -> bool:
        """Return whether something is missing in it that its decoder may not notice.

        Returns
        -------
        bool
        """
        content = self.content()
        return self.has_gaps or (is_transport_stream(content.head) and lacks_packets(content))


def recordings(content: Content) -> list[Part]:
    """Find the recordings of a file.

    Parameters
    ----------
    content : Content
        The open file.

    Returns
    -------
    list of Part
        In their order, together all of the file but what precedes the first frame, and padding after packets.
    """
    start = 0 if is_audio_start(content.head) else first_frame(content) or 0
    streams: dict[int, OggStream | None] = {}
    damaged: set[int] = set()
    while True:
        start += _n_tag_bytes(content, start)
        streams[start] = None
        rest = content.part(start, content.size) if start else content
        if rest.head[:5] == MARK:
            found = ogg_streams(rest) or [OggStream(0, rest.size)]
            streams |= {start + stream.start: stream for stream in found}
            following, is_damaged = begins_after(rest, found[-1].end), False
        else:
            places = _changes(rest)
            streams |= dict.fromkeys(start + place for place in places)
            following, is_damaged = _following(rest)
            following = None if places else following
        if is_damaged:
            damaged.add(start)
        if following is None or len(streams) > _MOST_PARTS:
            break
        start += following
    starts = [*streams]
    if len(starts) > _MOST_PARTS:
        damaged.add(starts[_MOST_PARTS - 1])
    each = itertools.islice(zip(starts, [*starts[1:], content.size], strict=True), _MOST_PARTS)
    return [Part(content, at, _end(content, at, stop), streams[at], at in damaged) for at, stop in each]


def _end(content: Content, start: int, stop: int) -> int:
    """Return where a recording ends, without padding after a transport stream, which FFmpeg takes for damage."""
    rest = content.part(start, stop) if start or stop < content.size else content
    end = end_of_first(rest) if is_transport_stream(rest.head) else None
    return start + end if end is not None and _after_padding(rest, end) == rest.size else stop


def _after_padding(content: Content, start: int) -> int:
    """Return where zeros and bytes of 255 end, or where the search for their end does."""
    near = content.part(0, min(content.size, start + _FARTHEST_BYTES))
    return next(near.find(_NO_PADDING, 1, start), near.size)


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
        return _all(content, _ANY)
    if end_of_first(content) is None:
        for header in _LIKE:
            if header.match(content.head):
                return _all(content, header)
    return []


def _all(content: Content, header: re.Pattern[bytes]) -> list[int]:
    return [*itertools.islice(content.find(header, _HEADER_BYTES, 1), _MOST_PARTS)]


def _following(content: Content) -> tuple[int | None, bool]:
    """Return where another recording begins after the end of the first, and whether the first is damaged.

    The frames of a stream may go on after bytes that are none: it is damaged there, and its decoder goes on.
    """
    end = end_of_first(content)
    if end is None or not 0 < end < content.size:
        return None, False
    if is_transport_stream(content.head):
        following = begins_after(content, end)
        return following, following is not None and _goes_on(content, end, following)
    kind, n_gaps = unsized_frames(content), 0
    while kind is not None and (again := kind.first(content, end, _FARTHEST_BYTES, is_same=True)) is not None:
        other = begins_after(content, end, before=again, without=kind)
        if other is not None:
            return other, n_gaps > 0
        n_gaps += after_tags(content, end) != again
        if n_gaps > _MOST_GAPS:
            return None, True
        end = kind.end(content, again)
    following = begins_after(content, end)
    # Frames of AMR cannot be searched for: all of the file consists of them.
    is_cut_amr = content.head.startswith(b"#!AMR") and following is None
    return following, n_gaps > 0 or is_cut_amr


def _goes_on(content: Content, end: int, following: int) -> bool:
    """Return whether a transport stream goes on after bytes that are no packets, and not another after padding."""
    second = content.part(following, content.size)
    if _transport_start(second.head) != 0:
        return False
    is_padded = _after_padding(content, end) == following
    return not (is_padded and is_transport_stream(second.head) and begins_anew(content.part(0, end), second))


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
    if _ANY.match(content.at(end, _HEADER_BYTES)):
        return end
    # Padding may be long, and what follows may begin with the same bytes.
    end = max(end, _after_padding(content, end) - _LONGEST_ALIKE_BYTES)
    limit = content.size if before is None else before + _LONGEST_STEP_BYTES
    near = content.part(0, min(content.size, limit, end + _FARTHEST_BYTES))
    places = [*itertools.islice(near.find(_ANY, _HEADER_BYTES, max(1, end - _LONGEST_STEP_BYTES)), 1)]
    kinds = [kind for kind in (MPEG, ADTS_AFTER_FLAC if is_flac else ADTS, AC3) if kind is not without]
    least = _FRAMES_AFTER_FLAC if is_flac else 3
    starts = [kind.first(near, end, _SEARCH_BYTES, least=least) for kind in kinds]
    transport = _transport_start(near.at(end, _SEARCH_BYTES))
    starts.append(None if transport is None else end + transport)
    places += [start for start in starts if start is not None and content.size - start >= _LEAST_FRAMES_BYTES]
    return min((place for place in places if before is None or place < before), default=None)


def _transport_start(data: bytes) -> int | None:
    match = re.search(rb"G[\0-\x5f].{186}G.{187}G.{187}G.{187}G", data, re.DOTALL)
    return match.start() if match else None
