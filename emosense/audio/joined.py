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
from emosense.audio.inner_frames import first_frame
from emosense.audio.mpeg_audio import after_id3, after_tags
from emosense.audio.ogg import MARK, OggStream, ogg_streams
from emosense.audio.recording_starts import (
    ANY,
    FARTHEST_BYTES,
    HEADER_BYTES,
    LIKE,
    after_padding,
    begins_after,
    transport_start,
)
from emosense.audio.transport_stream import begins_anew, is_transport_stream, lacks_packets, program_starts

# Containers of plain samples, among which no header of another container lies by chance.
_OF_SAMPLES: Final = re.compile(
    rb"(?:RIFF|RIFX|RF64)....(?:WAVE|AVI )|FORM....(?:AIF[FC]|8SVX|16SV)|riff\x2e\x91\xcf\x11|\.snd|caff|NIST_1A|"
    rb"Creative Voice File",
    re.DOTALL,
)
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
    start, is_cut = (0, True) if is_audio_start(content.head) else first_frame(content) or (0, True)
    streams: dict[int, OggStream | None] = {}
    # What is longer than the rest of a frame is something else, which is not read.
    damaged = set[int]() if is_cut else {start}
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
    return start + end if end is not None and after_padding(rest, end) == rest.size else stop


def _n_tag_bytes(content: Content, start: int) -> int:
    """Return the length of ID3 tags before anything but MPEG frames, where decoders do not expect them."""
    if content.at(start, 3) != b"ID3":
        return 0
    n_bytes = after_id3(content.part(start, content.size))
    return n_bytes if ANY.match(content.at(start + n_bytes, HEADER_BYTES)) else 0


def _changes(content: Content) -> list[int]:
    """Return where recordings begin that are found by a search of the whole file."""
    if is_transport_stream(content.head):
        return program_starts(content)
    if container_headers.is_flac_without_total(content.head):
        return _all(content, ANY)
    if end_of_first(content) is None:
        for header in LIKE:
            if header.match(content.head):
                return _all(content, header)
    return []


def _all(content: Content, header: re.Pattern[bytes]) -> list[int]:
    return [*itertools.islice(content.find(header, HEADER_BYTES, 1), _MOST_PARTS)]


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
    while kind is not None and (again := kind.first(content, end, FARTHEST_BYTES, is_same=True)) is not None:
        other = begins_after(content, end, before=again, without=kind)
        if other is not None:
            return other, n_gaps > 0
        n_gaps += after_tags(content, end) != again
        if n_gaps > _MOST_GAPS:
            return None, True
        end = kind.end(content, again)
    following = begins_after(content, end)
    if following is None and _OF_SAMPLES.match(content.head) and after_padding(content, end) < content.size:
        # The end that its header gives may lie in another recording: the first was cut before they were joined.
        following = next(content.part(0, end).find(ANY, HEADER_BYTES, max(1, end - FARTHEST_BYTES)), None)
        if following is not None:
            return following, True
    # Frames of AMR cannot be searched for: all of the file consists of them.
    is_cut_amr = content.head.startswith(b"#!AMR") and following is None
    return following, n_gaps > 0 or is_cut_amr


def _goes_on(content: Content, end: int, following: int) -> bool:
    """Return whether a transport stream goes on after bytes that are no packets, and not another after padding."""
    second = content.part(following, content.size)
    if transport_start(second.head) != 0:
        return False
    is_padded = after_padding(content, end) == following
    return not (is_padded and is_transport_stream(second.head) and begins_anew(content.part(0, end), second))
