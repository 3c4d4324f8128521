"""MPEG transport streams (ISO 13818-1): which files are one, and where another recording begins in it.

A table of programs names the tables of streams, and these name the streams of sound and picture. A decoder that follows
one stream does not see that the file goes on with another.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from emosense.audio.content import Content

# Packets have 188 bytes, and 4 more before each on Blu-ray discs, or 16 after each.
TRANSPORT_PACKETS: Final = ((0, 188), (4, 192), (0, 204))
_BLOCK_PACKETS: Final = 4096
# Kinds of streams that are sound: MPEG, AAC, AC-3 and others, and private ones, which Opus and AC-3 may be as well.
_SOUND: Final = frozenset({0x03, 0x04, 0x06, 0x0F, 0x11, 0x1C, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87})
_PROGRAMS, _STREAMS = 0, 2


def program_starts(content: Content) -> list[int]:
    """Find where the streams of sound are all replaced by others.

    Parameters
    ----------
    content : Content
        The open file, a transport stream.

    Returns
    -------
    list of int
        Positions of the packets with the tables of programs.
    """
    before, size = next((at, size) for at, size in TRANSPORT_PACKETS if not content.head[at::size].strip(b"G"))
    starts: list[int] = []
    programs: frozenset[int] = frozenset()
    sound: dict[int, frozenset[int]] = {}
    last_programs = 0
    for block_start in range(0, content.size, _BLOCK_PACKETS * size):
        block = content.at(block_start, _BLOCK_PACKETS * size)
        n_packets = len(block) // size
        packets = np.frombuffer(block, np.uint8, n_packets * size).reshape(n_packets, size)[:, before:]
        for place in np.flatnonzero(_has_table(packets)):
            packet = packets[place].tobytes()
            stream, section = (packet[1] & 0x1F) << 8 | packet[2], _section(packet)
            if stream == 0 and section[0] == _PROGRAMS:
                last_programs = block_start + int(place) * size
                found = frozenset(_number(section, at + 2) for at in range(8, len(section) - 4, 4))
                if programs and not programs & found:
                    starts.append(last_programs)
                    sound = {}
                programs = found
            elif stream in programs and section[0] == _STREAMS:
                found, known = _sound_streams(section), sound.get(stream)
                if found and known and not found & known and last_programs > max(starts, default=0):
                    starts.append(last_programs)
                if found:
                    sound[stream] = found
    return starts


def _has_table(packets: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Tell which packets begin with a table: a payload that starts with no gap, and not with a piece of sound."""
    begins = (packets[:, 0] == ord("G")) & (packets[:, 1] & 0x40 > 0) & (packets[:, 3] & 0x30 == 0x10)
    is_table = (packets[:, 4] == 0) & ((packets[:, 5] == _PROGRAMS) | (packets[:, 5] == _STREAMS))
    return np.asarray(begins & is_table & (packets[:, 6] & 0xC0 == 0x80))


def _section(packet: bytes) -> bytes:
    """Return the table in a packet, without what lies in the next one."""
    return packet[5 : min(188, 8 + _number(packet, 6, 0xFFF))]


def _sound_streams(section: bytes) -> frozenset[int]:
    place, found = 12 + _number(section, 10, 0xFFF), set()
    while place + 5 <= len(section) - 4:
        if section[place] in _SOUND:
            found.add(_number(section, place + 1))
        place += 5 + _number(section, place + 3, 0xFFF)
    return frozenset(found)


def _number(data: bytes, place: int, mask: int = 0x1FFF) -> int:
    return int.from_bytes(data[place : place + 2], "big") & mask


def is_transport_stream(head: bytes) -> bool:
    """Return whether a file is an MPEG transport stream.

    Parameters
    ----------
    head : bytes
        The first bytes of the file.

    Returns
    -------
    bool
        Whether all packets in them, three or more, have their sync byte.
    """
    return any(len(marks := head[at::size]) >= 3 and not marks.strip(b"G") for at, size in TRANSPORT_PACKETS)
