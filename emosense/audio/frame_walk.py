"""Streams of frames without a container: where frames are, and the walk along them.

A stream has no length: it ends where its frames end. Frames that go on after bytes which are none have damage between
them.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import Final

from emosense.audio.content import Content
from emosense.audio.frame_lengths import (
    ac3_frame_bytes,
    adts_frame_bytes,
    loas_frame_bytes,
    pes_packet_bytes,
    wavpack_block_bytes,
)
from emosense.audio.mpeg_audio import mpeg_frame_bytes

# A day of frames of 10 ms has fewer.
MOST_FRAMES: Final = 1 << 24
_BLOCK_BYTES: Final = 1 << 20
_NEAR_BYTES: Final = 1 << 16
_MOST_KNOWN: Final = 1 << 12
# That of five packets of a transport stream.
_LONGEST_SYNC: Final = 4 * 188 + 1


@dataclasses.dataclass(frozen=True, slots=True)
class FrameKind:
    """Frames of one format.

    Parameters
    ----------
    length_of : callable
        Takes the first bytes of a frame, and gives its length; 0 for what is no frame.
    n_header : int
        How many bytes it takes.
    sync : bytes
        Pattern of the first bytes of a frame; empty for frames that cannot be searched for.
    n_sure : int
        How many frames in a row are no chance.
    longest : int
        How long a frame may be, in bytes.
    """

    length_of: Callable[[bytes], int]
    n_header: int
    sync: bytes = b""
    n_sure: int = 3
    longest: int = 1 << 13

    def end(self, content: Content, start: int, most: int = MOST_FRAMES) -> int:
        """Walk frames that follow each other.

        Parameters
        ----------
        content : Content
            The open file.
        start : int
            Position of the first frame.
        most : int
            How many frames to walk.

        Returns
        -------
        int
            Position after the last frame.
        """
        place, block, block_start = start, b"", 0
        known: dict[bytes, int] = {}
        for _ in range(most):
            if not block_start <= place <= block_start + len(block) - self.n_header:
                block, block_start = content.at(place, _BLOCK_BYTES), place
            header = block[place - block_start : place - block_start + self.n_header]
            length = known.get(header)
            if length is None:
                length = self.length_of(header)
                if len(known) < _MOST_KNOWN:
                    known[header] = length
            if not length:
                break
            place += length
        return place

    def first(self, content: Content, start: int, n_bytes: int, *, is_same: bool = False) -> int | None:
        """Find frames in a row.

        Parameters
        ----------
        content : Content
            The open file.
        start, n_bytes : int
            Where to search, and how far.
        is_same : bool
            Whether there were such frames before: two that end with the file are then enough.

        Returns
        -------
        int or None
            Position of the first of them; None if there are none.
        """
        near = content.part(0, min(content.size, start + n_bytes))
        block = content.at(start, min(n_bytes, _NEAR_BYTES))

        def header_at(place: int) -> bytes:
            # Most of what looks like a frame is none, so headers come from memory where they can.
            header = block[place - start : place - start + self.n_header]
            return header if len(header) == self.n_header else content.at(place, self.n_header)

        for match in near.find(re.compile(self.sync, re.DOTALL), _LONGEST_SYNC, start):
            n_frames, end = self.row(header_at, match)
            if n_frames == self.n_sure or (is_same and n_frames == 2 and end == content.size):
                return match
        return None

    def row(self, header_at: Callable[[int], bytes], start: int = 0) -> tuple[int, int]:
        """Walk frames that follow each other, until there are enough to be sure.

        Parameters
        ----------
        header_at : callable
            Takes a position, and gives the first bytes of the frame there.
        start : int
            Position of the first frame.

        Returns
        -------
        n_frames : int
            At most `n_sure`.
        end : int
            Position after the last of them.
        """
        place, n_frames = start, 0
        while n_frames < self.n_sure and (length := self.length_of(header_at(place))):
            place, n_frames = place + length, n_frames + 1
        return n_frames, place


def one_of(is_meant: Callable[[int], bool]) -> bytes:
    """Return the pattern of one byte.

    Parameters
    ----------
    is_meant : callable
        Whether a byte, from 0 to 255, matches.

    Returns
    -------
    bytes
        A set of a regular expression.
    """
    return b"[" + re.escape(bytes(byte for byte in range(256) if is_meant(byte))) + b"]"


# What `mpeg_frame_bytes` says of version and layer, and of bit rate and sample rate: two of five such bytes in noise.
MPEG: Final = FrameKind(
    mpeg_frame_bytes,
    4,
    rb"\xff"
    + one_of(lambda byte: byte >= 0xE2 and (byte >> 3) & 3 != 1 and (byte >> 1) & 3 != 0)
    + one_of(lambda byte: byte >> 4 not in (0, 15) and (byte >> 2) & 3 != 3),
)
ADTS: Final = FrameKind(adts_frame_bytes, 6, rb"\xff[\xf0\xf1\xf8\xf9]")
AC3: Final = FrameKind(ac3_frame_bytes, 6, rb"\x0b\x77")
LOAS: Final = FrameKind(loas_frame_bytes, 3, rb"\x56[\xe0-\xff]")
PROGRAM_STREAM: Final = FrameKind(pes_packet_bytes, 14, rb"\0\0\x01\xba", longest=1 << 16)
# A block that is the first of those of its channels.
WAVPACK: Final = FrameKind(
    wavpack_block_bytes,
    8,
    rb"wvpk.{5}\x04.{15}" + one_of(lambda byte: bool(byte & 8)),
    1,
    1 << 20,
)
TRANSPORT: Final = FrameKind(lambda header: 188 if header[:1] == b"G" else 0, 1, rb"G.{187}G.{187}G.{187}G.{187}G")
