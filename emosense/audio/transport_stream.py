"""MPEG transport streams (ISO 13818-1): where another recording begins, and whether packets of sound are missing.

A table of programs names the tables of streams, and these name the streams of sound and picture. A decoder that follows
one stream does not see that the file goes on with another, and none tells that packets are missing, which their
counters do.
"""

from __future__ import annotations

from collections.abc import Iterator
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
    starts: list[int] = []
    programs: frozenset[int] = frozenset()
    sound: dict[int, frozenset[tuple[int, int]]] = {}
    last_programs = 0
    for place, stream, section in _tables(content):
        if stream == 0 and section[0] == _PROGRAMS:
            last_programs = place
            listed = frozenset(_number(section, at + 2) for at in range(8, len(section) - 4, 4))
            if programs and not programs & listed:
                starts.append(last_programs)
                sound = {}
            programs = listed
        elif stream in programs and section[0] == _STREAMS:
            found, known = _sound_streams(section), sound.get(stream)
            if found and known and not found & known and last_programs > max(starts, default=0):
                starts.append(last_programs)
            if found:
                sound[stream] = found
    return starts


def lacks_packets(content: Content) -> bool:
    """Return whether packets of sound are missing or damaged between the first and the last.

    The counter of a stream goes up by one from packet to packet. Where a recording is joined to another, it may begin
    anew, after a table of programs and with the start of a piece of sound.

    Parameters
    ----------
    content : Content
        The open file, a transport stream.

    Returns
    -------
    bool
    """
    tables = [section for _, _, section in _tables(content) if section[0] == _STREAMS]
    sound = {number for table in tables for _, number in _sound_streams(table)}
    before: dict[int, tuple[int, int]] = {}
    n_tables, has_gap = 0, False
    for _, packets in _blocks(content):
        is_packet = packets[:, 0] == ord("G")
        good = np.flatnonzero(is_packet)
        if len(good) and (has_gap or not is_packet[: good[-1]].all()):
            return True
        has_gap |= not is_packet.all()
        streams = (packets[:, 1].astype(int) & 0x1F) << 8 | packets[:, 2]
        n_before = n_tables + np.cumsum(is_packet & (streams == 0))
        n_tables = int(n_before[-1])
        has_payload = is_packet & (packets[:, 3] & 0x10 > 0)
        for stream in sound:
            places = np.flatnonzero(has_payload & (streams == stream))
            if len(places) and _is_interrupted(packets[places], n_before[places], before.get(stream)):
                return True
            if len(places):
                before[stream] = int(packets[places[-1], 3]) & 15, int(n_before[places[-1]])
    return False


def _is_interrupted(packets: NDArray[np.uint8], tables: NDArray[np.int_], before: tuple[int, int] | None) -> bool:
    """Tell whether the counters of a stream's packets jump; given the last counter, and the tables before it."""
    counters = packets[:, 3].astype(int) & 15
    last, n_tables = before or ((counters[0] - 1) & 15, tables[0])
    steps = np.diff(counters, prepend=last) & 15
    # A packet may be sent twice.
    jumps = steps > 1
    is_allowed = (packets[:, 3] & 0x20 > 0) & (packets[:, 4] > 0) & (packets[:, 5] & 0x80 > 0)
    is_seam = (np.diff(tables, prepend=n_tables) > 0) & (packets[:, 1] & 0x40 > 0)
    return bool((packets[:, 1] & 0x80).any() or (jumps & ~is_allowed & ~is_seam).any())


def _packets(content: Content) -> tuple[int, int]:
    """Return how many bytes precede each packet, and how far apart they begin."""
    return next((at, size) for at, size in TRANSPORT_PACKETS if not content.head[at::size].strip(b"G"))


def _blocks(content: Content) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Yield the position of packets, and their bytes from the sync byte on, of shape (n_packets, 188 or more)."""
    before, size = _packets(content)
    for start in range(0, content.size, _BLOCK_PACKETS * size):
        block = content.at(start, _BLOCK_PACKETS * size)
        n_packets = len(block) // size
        if n_packets:
            yield start, np.frombuffer(block, np.uint8, n_packets * size).reshape(n_packets, size)[:, before:]


def _tables(content: Content) -> Iterator[tuple[int, int, bytes]]:
    """Yield position, stream and content of each table of programs or streams."""
    _, size = _packets(content)
    for start, packets in _blocks(content):
        for place in np.flatnonzero(_has_table(packets)):
            packet = packets[place].tobytes()
            yield start + int(place) * size, (packet[1] & 0x1F) << 8 | packet[2], _section(packet)


def _has_table(packets: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Tell which packets begin with a table: a payload that starts with no gap, and not with a piece of sound."""
    begins = (packets[:, 0] == ord("G")) & (packets[:, 1] & 0x40 > 0) & (packets[:, 3] & 0x30 == 0x10)
    is_table = (packets[:, 4] == 0) & ((packets[:, 5] == _PROGRAMS) | (packets[:, 5] == _STREAMS))
    return np.asarray(begins & is_table & (packets[:, 6] & 0xC0 == 0x80))


def _section(packet: bytes) -> bytes:
    """Return the table in a packet, without what lies in the next one."""
    return packet[5 : min(188, 8 + _number(packet, 6, 0xFFF))]


def _sound_streams(section: bytes) -> frozenset[tuple[int, int]]:
    """Return the kind and the number of each stream of sound."""
    place, found = 12 + _number(section, 10, 0xFFF), set()
    while place + 5 <= len(section) - 4:
        if section[place] in _SOUND:
            found.add((section[place], _number(section, place + 1)))
        place += 5 + _number(section, place + 3, 0xFFF)
    return frozenset(found)


def _number(data: bytes, place: int, mask: int = 0x1FFF) -> int:
    return int.from_bytes(data[place : place + 2], "big") & mask


def begins_anew(first: Content, second: Content) -> bool:
    """Return whether the clock of a transport stream goes back where another one follows: it is another recording.

    Parameters
    ----------
    first, second : Content
        The two, each from its first packet on.

    Returns
    -------
    bool
        False too if one of them has no clock.
    """
    _, size = _packets(first)
    last = first.part(max(0, first.size // size - _BLOCK_PACKETS) * size, first.size)
    before, after = _clock(last), _clock(second.part(0, min(second.size, _BLOCK_PACKETS * size)))
    return bool(before and after and after[0] < before[-1])


def _clock(content: Content) -> list[int]:
    """Return the times of packets that have one, in ticks of 1/90,000 s."""
    times: list[int] = []
    for _, packets in _blocks(content):
        has_time = (packets[:, 3] & 0x20 > 0) & (packets[:, 4] >= 7) & (packets[:, 5] & 0x10 > 0)
        clocks = packets[has_time & (packets[:, 0] == ord("G")), 6:11]
        times += [int.from_bytes(clock.tobytes(), "big") >> 7 for clock in clocks]
    return times


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
