"""Where the first recording in a container ends, by the sizes in it.

Each function takes the file and gives a position, or None if the container does not say. Sizes that lead beyond the end
of the file are those of a recording that is cut off.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import Final

from emosense.audio import container_headers
from emosense.audio.content import Content

# A day of fragments of a quarter of a second has fewer boxes.
_MOST_STEPS: Final = 1 << 20
_UNKNOWN_SIZES: Final = (0, 0xFFFF_FFFF)
# What a film that is cut off may end in.
_LAST_BOXES: Final = (b"mdat", b"moov", b"moof", b"free", b"skip", b"uuid")
# The first bytes of the GUIDs of what an ASF file consists of: header, data, and four kinds of index.
_ASF_OBJECTS: Final = (
    b"0&\xb2u",
    b"6&\xb2u",
    b"\x90\x08\0\x33",
    b"\xd3\x29\xe2\xd6",
    b"\xf8\x03\xb1\xfe",
    b"\xd0\x3f\xb7\x3c",
)


def _riff(content: Content) -> int | None:
    order = ">" if content.head[:4] == b"RIFX" else "<"
    long_length = 0
    for name, length, body in container_headers.chunks(content, order):
        if name == b"ds64":
            long_length = int.from_bytes(content.at(body + 8, 8), "little")
        elif name == b"data" and content.head[8:12] == b"WAVE":
            if length == 0xFFFF_FFFF and long_length:
                length = long_length
            return None if container_headers.is_pipe_size(length) else body + length
    return _by_size(4, 4, "little", 8)(content)


def _by_size(place: int, n_bytes: int, order: str, more: int = 0) -> Callable[[Content], int | None]:
    """Return the function of a container that states its size at a place, without the first bytes."""

    def find(content: Content) -> int | None:
        size = int.from_bytes(content.head[place : place + n_bytes], order)  # type: ignore[arg-type]
        return None if size in _UNKNOWN_SIZES else size + more

    return find


def _au(content: Content) -> int | None:
    start, size = (int.from_bytes(content.head[at : at + 4], "big") for at in (4, 8))
    return None if size in _UNKNOWN_SIZES else start + size


def _caf(content: Content) -> int | None:
    place = 8
    for _ in range(_MOST_STEPS):
        name, length = content.at(place, 4), int.from_bytes(content.at(place + 4, 8), "big", signed=True)
        if not re.fullmatch(rb"[ -~]{4}", name) or length < 0 or place + 12 + length > content.size:
            # The samples last to the end of the file, or are cut off there.
            return None if name == b"data" else place
        place += 12 + length
    return None


def _mp4(content: Content) -> int | None:
    place, has_type = 0, False
    for _ in range(_MOST_STEPS):
        header = content.at(place, 16)
        length = int.from_bytes(header[:4], "big")
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        is_second = has_type and header[4:8] == b"ftyp"
        has_type |= header[4:8] == b"ftyp"
        is_other = place + length > content.size and header[4:8] not in _LAST_BOXES
        if len(header) < 8 or length < 8 or is_second or is_other:
            # A box of length 0 lasts to the end of the file.
            return content.size if length == 0 and header[4:8] in (b"mdat", b"moov", b"free") else place
        place += length
    return None


def _matroska(content: Content) -> int | None:
    place = 0
    for mark in (b"\x1aE\xdf\xa3", b"\x18S\x80\x67"):
        header = content.at(place, 12)
        if header[:4] != mark or not header[4:5].strip(b"\0"):
            return None
        n_size = 9 - header[4].bit_length()
        size = int.from_bytes(header[4 : 4 + n_size], "big") & ((1 << 7 * n_size) - 1)
        if size == (1 << 7 * n_size) - 1:
            return None
        place += 4 + n_size + size
    return place


def _asf(content: Content) -> int | None:
    place = 0
    for _ in range(_MOST_STEPS):
        header = content.at(place, 24)
        length = int.from_bytes(header[16:24], "little")
        if header[:4] not in _ASF_OBJECTS or (place and header[:4] == _ASF_OBJECTS[0]):
            return place
        if length < 24:
            return None
        place += length
    return None


def _flv(content: Content) -> int | None:
    place = 13
    for _ in range(_MOST_STEPS):
        header = content.at(place, 11)
        # Sound, picture, or data, of stream 0.
        if len(header) < 11 or header[0] & 0x1F not in (8, 9, 18) or header[8:11] != b"\0\0\0":
            return place
        place += 15 + int.from_bytes(header[1:4], "big")
    return None


def _nist(content: Content) -> int | None:
    fields = {}
    for name in (b"channel_count", b"sample_count", b"sample_n_bytes"):
        match = re.search(rb"\n%b -i (\d{1,15})\n" % name, content.head)
        if match is None:
            return None
        fields[name] = int(match[1])
    length = re.match(rb"NIST_1A\n +(\d{1,9})\n", content.head)
    n_bytes = fields[b"channel_count"] * fields[b"sample_count"] * fields[b"sample_n_bytes"]
    return int(length[1]) + n_bytes if length else None


def _voc(content: Content) -> int | None:
    place = int.from_bytes(content.head[20:22], "little")
    for _ in range(_MOST_STEPS):
        header = content.at(place, 4)
        if len(header) < 4 or not 1 <= header[0] <= 9:
            return place + 1
        place += 4 + int.from_bytes(header[1:], "little")
    return None


def _tta(content: Content) -> int | None:
    rate, n_samples = struct.unpack_from("<2I", content.head.ljust(22, b"\0"), 10)
    samples_a_frame = 256 * rate // 245
    if not samples_a_frame or not n_samples:
        return None
    n_frames = -(-n_samples // samples_a_frame)
    table = content.at(22, 4 * n_frames)
    n_bytes = sum(int.from_bytes(table[i : i + 4], "little") for i in range(0, len(table), 4))
    return 26 + len(table) + n_bytes


def _ape(content: Content) -> int | None:
    if int.from_bytes(content.head[4:6], "little") < 3980:
        return None
    sizes: tuple[int, ...] = struct.unpack_from("<7I", content.head.ljust(36, b"\0"), 8)
    return sum(sizes[:5]) + (sizes[5] << 32) + sizes[6]


# What a container starts with, and who finds the end of the first recording in it.
CONTAINER_ENDS: Final[tuple[tuple[re.Pattern[bytes], Callable[[Content], int | None]], ...]] = tuple(
    (re.compile(start, re.DOTALL), find)
    for start, find in (
        (rb"RIF[FX]|RF64", _riff),
        (rb"FORM", _by_size(4, 4, "big", 8)),
        (rb"riff\x2e", _by_size(16, 8, "little")),
        (rb"\.snd", _au),
        (rb"caff", _caf),
        (rb"....(?:ftyp|moov|mdat|free|skip|wide|pnot|styp)", _mp4),
        (rb"\x1aE\xdf\xa3", _matroska),
        (rb"0&\xb2u", _asf),
        (rb"FLV\x01", _flv),
        (rb"NIST", _nist),
        (rb"Creative Voice File", _voc),
        (rb"TTA1", _tta),
        (rb"MAC ", _ape),
    )
)
