"""Recordings that were joined into one file, end to end: where each begins, and all of them as one.

Decoders read the first and ignore the rest. Where a container says how long it is, the next one is looked for at its
end; where it does not, all of the file is searched for another header. MPEG frames, ADTS, AC-3 and MPEG streams are
read on by their decoders.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from emosense.arrays import Float32
from emosense.audio import container_headers
from emosense.audio.content import Content
from emosense.audio.file_type import mpeg_start
from emosense.audio.ogg import MARK, OggStream, ogg_streams
from emosense.errors import RecordingError

if TYPE_CHECKING:
    from emosense.audio.decoder import Decoder

# What files start with, in full: so much is in no recording by chance. Files of these formats are searched.
_SEARCHED: Final = tuple(
    (start, re.compile(pattern, re.DOTALL))
    for start, pattern in (
        (b"fLaC", rb"fLaC[\0\x80]\0\0\x22"),
        (b"\x1aE\xdf\xa3", rb"\x1aE\xdf\xa3.{1,60}(?:webm|matroska)"),
        (b"0&\xb2u", rb"0&\xb2u\x8ef\xcf\x11\xa6\xd9\0\xaa\0b\xcel"),
        (b"FLV\x01", rb"FLV\x01[\0-\x0f]\0\0\0\x09\0\0\0\0"),
        (b"TTA1", rb"TTA1[\x01\x02]\0[\1-\xff]\0"),
        (b"MAC ", rb"MAC [\x78-\x9f]\x0f"),
        (b"caff", rb"caff\0\x01\0\0desc"),
        (b"NIST", rb"NIST_1A\n {3}\d{4}\n"),
        (b"Creative Voice File", rb"Creative Voice File\x1a"),
        # A first block: at sample 0, and the first of those of its channels.
        (b"wvpk", rb"wvpk.{5}\x04.{6}\0{4}.{5}[" + re.escape(bytes(byte for byte in range(256) if byte & 8)) + b"]"),
        (b"#!AMR", rb"#!AMR(?:-WB)?\n"),
    )
)
# Those of these say where they end.
_SIZED: Final = re.compile(
    rb"(?:RIFF|RIFX|RF64)....(?:WAVE|AVI )|FORM....(?:AIF[FC]|8SVX|16SV)|riff\x2e\x91\xcf\x11|\.snd\0\0..|OggS\0\x02|"
    rb"\0\0..ftyp",
    re.DOTALL,
)
_HEADER_BYTES: Final = 80
_SEARCH_BYTES: Final = 1 << 16
# Fewer frames than these after the end of an MP3 are its own: its header may be off by some.
_LEAST_FRAMES_BYTES: Final = 1 << 10
# What follows the samples of a WAV is text and marks; where it is not chunks at all, the walk ends here.
_MOST_CHUNKS_AFTER: Final = 16
# A day of fragments of a quarter of a second has fewer.
_MOST_BOXES: Final = 1 << 20


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
            following = _begin_near(rest, found[-1].end)
        else:
            places = _others_like(rest)
            streams |= dict.fromkeys(start + place for place in places)
            following = None if places else _end(rest)
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
    n_bytes = container_headers.after_id3(content.part(start, content.size))
    has_other = _SIZED.match(following := content.at(start + n_bytes, _HEADER_BYTES)) or following.startswith(b"fLaC")
    return n_bytes if has_other else 0


def _others_like(content: Content) -> list[int]:
    """Return where recordings of the same format begin, if files of this format are searched."""
    for start, header in _SEARCHED:
        if content.head.startswith(start):
            return [*content.find(header, _HEADER_BYTES, 1)]
    return []


def _end(content: Content) -> int | None:
    """Return the end of the first recording, None if there is no other after it."""
    head = content.head
    if head[:4] in (b"RIFF", b"RIFX", b"RF64"):
        return _riff_end(content)
    if head[:4] == b"FORM":
        return _begin_near(content, 8 + int.from_bytes(head[4:8], "big"))
    if head[:4] == b"riff":
        return _begin_near(content, int.from_bytes(head[16:24], "little"))
    if head[:4] == b".snd":
        return _begin_near(content, int.from_bytes(head[4:8], "big") + int.from_bytes(head[8:12], "big"))
    if head[4:8] == b"ftyp":
        return _mp4_end(content)
    if head[:3] == b"ID3" or head[:1] == b"\xff":
        return _mp3_end(content)
    return None


def _begin_near(content: Content, end: int) -> int | None:
    """Return where a recording begins after the end of another one, which may be padded."""
    if not 0 < end < content.size:
        return None
    if _begins(content, end):
        return end
    match = _SIZED.search(content.at(end, _SEARCH_BYTES))
    return end + match.start() if match else None


def _begins(content: Content, place: int) -> bool:
    start = content.at(place, _HEADER_BYTES) if 0 < place < content.size else b""
    if len(start) < _HEADER_BYTES:
        return False
    if _SIZED.match(start) or any(header.match(start) for _, header in _SEARCHED):
        return True
    if start[:3] == b"ID3":
        tags = container_headers.after_id3(content.part(place, content.size))
        return _begins(content, place + tags)
    if start[:1] != b"\xff":
        return False
    return content.size - place >= _LEAST_FRAMES_BYTES and mpeg_start(content.at(place, _SEARCH_BYTES)) == 0


def _riff_end(content: Content) -> int | None:
    order = ">" if content.head[:4] == b"RIFX" else "<"
    long_length, n_after = 0, 0
    for name, length, body in container_headers.chunks(content, order):
        if name == b"ds64":
            long_length = int.from_bytes(content.at(body + 8, 8), "little")
        # After the last chunk, another file looks like a chunk. RIFF....AVIX continues an AVI.
        elif name in (b"RIFF", b"RIFX", b"RF64") and _begins(content, body - 8):
            return body - 8
        elif name == b"data":
            end = _begin_near(content, body + (long_length if length == 0xFFFF_FFFF else length))
            if end is not None:
                return end
            n_after = 1
        elif n_after:
            n_after += 1
            if n_after > _MOST_CHUNKS_AFTER:
                break
    return _begin_near(content, 8 + int.from_bytes(content.head[4:8], "big" if order == ">" else "little"))


def _mp4_end(content: Content) -> int | None:
    """Walk the boxes up to one that begins another file."""
    place = 0
    for _ in range(_MOST_BOXES):
        header = content.at(place, 16)
        length = int.from_bytes(header[:4], "big")
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        if place and _begins(content, place):
            return place
        if len(header) < 8 or length < 8:
            return None
        place += length
    return None


def _mp3_end(content: Content) -> int | None:
    """Return where a recording follows the last frame that the header counts, perhaps after tags."""
    end = container_headers.mp3_end(content)
    if end is None or _begins(content, end):
        return end
    place = mpeg_start(content.at(end, _SEARCH_BYTES))
    return None if place is None or content.size - end - place < _LEAST_FRAMES_BYTES else end + place


class JoinedDecoder:
    """Reads recordings one after the other, as one.

    One that has another sample rate or other channels than the first is left out, as is one that cannot be read: the
    whole is then broken.

    Parameters
    ----------
    openers : sequence of callable
        Each opens one of the recordings.

    Attributes
    ----------
    sample_rate, n_channels : int
        Those of the first recording.
    tolerance_s : float
        As in `Decoder`.
    is_broken : bool
        As in `Decoder`.
    n_lost : int
        As in `Decoder`.
    declared_frames : int or None
        Frames of the recordings so far.
    """

    def __init__(self, openers: Sequence[Callable[[], Decoder]]) -> None:
        self._first, self._others = openers[0](), openers[1:]
        self.sample_rate, self.n_channels = self._first.sample_rate, self._first.n_channels
        self.tolerance_s = self._first.tolerance_s
        self.is_broken = False
        self.n_lost = 0
        self.declared_frames: int | None = 0

    def blocks(self) -> Iterator[Float32]:
        """Yield the blocks of all recordings.

        Yields
        ------
        ndarray, shape (n_frames, n_channels), float32
            As the decoders of the recordings give them.
        """
        yield from self._part(self._first)
        for opener in self._others:
            try:
                decoder = opener()
                if (decoder.sample_rate, decoder.n_channels) == (self.sample_rate, self.n_channels):
                    yield from self._part(decoder)
                    continue
                self._declare((decoder.declared_frames or 0) * self.sample_rate // decoder.sample_rate)
            except RecordingError:
                # What was decoded before is worth a label.
                pass
            self.is_broken = True

    def _part(self, decoder: Decoder) -> Iterator[Float32]:
        n_frames, n_lost = 0, self.n_lost
        for block in decoder.blocks():
            n_frames += len(block)
            self.n_lost = n_lost + decoder.n_lost
            yield block
        self.n_lost = n_lost + decoder.n_lost
        declared = decoder.declared_frames or 0
        is_short = declared - n_frames > decoder.tolerance_s * self.sample_rate
        self._declare(declared if is_short or decoder.is_broken else n_frames)
        self.is_broken |= decoder.is_broken

    def _declare(self, n_frames: int) -> None:
        self.declared_frames = (self.declared_frames or 0) + n_frames
