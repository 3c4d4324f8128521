"""The pages of an Ogg file (RFC 3533): which streams follow each other in it, and what of their sound is damaged.

libsndfile and FFmpeg skip damaged pages without an error. Each page has a checksum and a number, which tell.
"""

from __future__ import annotations

import dataclasses
import struct
import zlib
from collections.abc import Iterator
from typing import Final

from emosense.audio.content import Content

MARK: Final = b"OggS\0"
_HEADER: Final = struct.Struct("<5sBqIIIB")
_WINDOW_BYTES: Final = 1 << 18
_LONGEST_PAGE_BYTES: Final = 27 + 255 + 255 * 255
# Flags of a page: the first of its stream, and the last.
_FIRST, _LAST = 2, 4
# A damaged page is believed to be of a stream if its number is at most so much higher than the last.
_MOST_DAMAGED: Final = 1000
_AUDIO_STARTS: Final = (b"\x01vorbis", b"OpusHead", b"\x7fFLAC", b"Speex   ", b"fLaC")
# Ogg's checksum (polynomial 0x04C11DB7, high bit first) is zlib's with the bits of each byte reversed.
_REVERSED: Final = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclasses.dataclass(frozen=True, slots=True)
class _Page:
    """A page, perhaps a damaged one whose header can be read.

    Parameters
    ----------
    start, end : int
        Its place.
    flags, serial, number : int
        Of its header: bits, stream, and its number in the stream.
    position : int
        Samples of the stream up to its end; -1 if no packet ends in it.
    body : bytes
        Its first bytes.
    is_damaged : bool
        Whether its checksum is wrong, or it is cut off.
    """

    start: int
    end: int
    flags: int
    position: int
    serial: int
    number: int
    body: bytes
    is_damaged: bool


@dataclasses.dataclass(slots=True)
class OggStream:
    """The sound of an Ogg file, or of one of the recordings that follow each other in it.

    Parameters
    ----------
    start, end : int
        Position of its first byte, and of that after its last page.
    position : int
        Samples up to the end of its last page, without those that Opus leaves out; -1 if it has none.
    is_ended : bool
        Whether its last page is marked as the last.
    is_damaged : bool
        Whether pages are missing, cut off or altered.
    n_lost : int
        Samples in those pages, by the positions of the pages around them.
    """

    start: int
    end: int
    position: int = -1
    is_ended: bool = False
    is_damaged: bool = False
    n_lost: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether all of it is there."""
        return self.is_ended and not self.is_damaged


def ogg_streams(content: Content) -> list[OggStream]:
    """Find the recordings of an Ogg file: one, or those that follow each other in a chained file.

    Parameters
    ----------
    content : Content
        The open file.

    Returns
    -------
    list of OggStream
        In their order; empty if there is no undamaged page.
    """
    scans: list[_Scan] = []
    end = 0
    for page in _pages(content):
        if page.is_damaged:
            if scans:
                scans[-1].add_damaged(page)
            continue
        if not scans or (page.flags & _FIRST and scans[-1].has_content):
            end = page.start
            scans.append(_Scan(OggStream(page.start if scans else 0, page.end)))
        scans[-1].add(page, has_gap=page.start > end)
        end = page.end
    return [scan.finished() for scan in scans]


class _Scan:
    """Counts the pages of one recording."""

    def __init__(self, stream: OggStream) -> None:
        self._stream = stream
        self._serials: set[int] = set()
        # The stream of the sound, the number of its last page, its samples that are not played, and the position that
        # a damaged last page states.
        self._serial = self._number = -1
        self._n_skipped = self._stated = 0
        self.has_content = False

    def add(self, page: _Page, *, has_gap: bool) -> None:
        stream = self._stream
        stream.end = page.end
        if page.flags & _FIRST:
            is_audio = page.body.startswith(_AUDIO_STARTS)
            # Of a film, only the sound is watched.
            if is_audio or not self._serials:
                self._serial, self._number = page.serial, page.number
            if is_audio and page.body.startswith(b"OpusHead"):
                self._n_skipped = int.from_bytes(page.body[10:12], "little")
            self._serials.add(page.serial)
            return
        self.has_content = True
        # Pages of a stream that is not known belong to a recording whose first page is damaged.
        stream.is_damaged |= has_gap or page.serial not in self._serials
        if page.serial != self._serial:
            return
        n_missing = page.number - self._number - 1
        if n_missing > 0 and (has_gap or stream.position > 0):
            # Those who tune in late to a broadcast have its first pages, and then those from there on: no damage.
            stream.is_damaged = True
            if page.position >= 0:
                stream.n_lost += max(0, page.position - max(stream.position, 0)) * n_missing // (n_missing + 1)
        self._number, stream.is_ended = page.number, bool(page.flags & _LAST)
        stream.position = max(stream.position, page.position)

    def add_damaged(self, page: _Page) -> None:
        if page.serial == self._serial and 0 < page.number - self._number <= _MOST_DAMAGED:
            self._stream.is_damaged, self._stream.end = True, page.end
            self._stated = max(self._stated, page.position)

    def finished(self) -> OggStream:
        stream = self._stream
        if not stream.is_ended and self._stated > stream.position:
            stream.n_lost += self._stated - max(stream.position, 0)
            stream.position = self._stated
        stream.position -= self._n_skipped if stream.position >= self._n_skipped else 0
        return stream


def _pages(content: Content) -> Iterator[_Page]:
    """Yield the pages; of those that are damaged, some have headers that make no sense."""
    start = 0
    while start < content.size:
        window = content.at(start, _WINDOW_BYTES)
        reversed_window = window.translate(_REVERSED)
        is_end = start + len(window) >= content.size
        place = 0
        while place >= 0 and (is_end or place + _LONGEST_PAGE_BYTES <= len(window)):
            page = _page(window, reversed_window, place, start)
            if page is not None:
                yield page
            is_whole = page is not None and not page.is_damaged
            if page is not None and is_whole:
                place = page.end - start
            # What follows is the next page, if nothing is damaged.
            if not is_whole or not window.startswith(MARK, place):
                place = window.find(MARK, place + (not is_whole))
        if place < 0:
            # A mark may lie across the end of the window.
            place = len(window) if is_end else len(window) - len(MARK) + 1
        start += place


def _page(window: bytes, reversed_window: bytes, place: int, start: int) -> _Page | None:
    """Return the page at a place of the window, None if there is no header of one."""
    if len(window) < place + _HEADER.size:
        return None
    mark, flags, position, serial, number, _, n_segments = _HEADER.unpack_from(window, place)
    if mark != MARK:
        return None
    body = place + _HEADER.size + n_segments
    end = body + sum(window[place + _HEADER.size : body])
    bits = memoryview(reversed_window)
    checksum = zlib.crc32(b"\0\0\0\0", zlib.crc32(bits[place : place + 22], 0xFFFF_FFFF))
    checksum = zlib.crc32(bits[place + 26 : end], checksum) ^ 0xFFFF_FFFF
    is_damaged = end > len(window) or checksum != int.from_bytes(bits[place + 22 : place + 26], "big")
    end = min(end, len(window))
    return _Page(start + place, start + end, flags, position, serial, number, window[body : body + 16], is_damaged)
