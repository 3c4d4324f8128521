"""What the header of a container says about its samples and libsndfile does not report.

libsndfile shortens a truncated recording to what is there, without an error. Only the header, or the end of an Ogg
stream, tells that something is missing. All functions look at the first 4 KiB and read more only if a header points
further.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import Final

from emosense.audio.content import Content

# Of both decoders.
MAX_CHANNELS: Final = 64
# A header may state a little more than there is: encoders pad, and writers round to blocks.
TOLERANCE_S: Final = 0.05

# A test file has 10 000 chunks before the samples; a file with ten times as many is not a recording.
_MAX_CHUNKS: Final = 100_000
# Sizes of the data that writers to a pipe leave: 0 (crashed recorders, GStreamer), 0x7FFFF000 to 0x80000000 (SoX,
# arecord), 0xFFFFFFFF (FFmpeg, and with the size of the header subtracted).
_PIPE_SIZES: Final = (range(1), range(0x7FFF_F000, 0x8000_0001), range(0xFFFF_FF00, 1 << 32))


def is_pipe_size(n_bytes: int) -> bool:
    """Return whether a size in a header only says that it was not known when the header was written.

    Parameters
    ----------
    n_bytes : int
        The size.

    Returns
    -------
    bool
    """
    return any(n_bytes in sizes for sizes in _PIPE_SIZES)


def declared_bytes(content: Content) -> tuple[int, int]:
    """Return how many bytes of samples the header declares and how many are present.

    Parameters
    ----------
    content : Content
        The open file.

    Returns
    -------
    declared, present : int
        (1, 1) if nothing is missing, or if the container does not say.
    """
    head = content.head
    declared, start = 1, 0
    if head[:4] in (b"RIFF", b"RIFX", b"RF64"):
        declared, start = _riff_data(content)
    elif head[:4] == b"FORM":
        for name, length, body in chunks(content, ">"):
            if name in (b"SSND", b"BODY"):
                before = 8 if name == b"SSND" else 0
                declared, start = length - before, body + before
                break
    elif head[:4] == b"caff":
        declared, start = _caf_data(content)
    elif head[:4] == b"riff":
        declared, start = _w64_data(content)
    elif head[:19] == b"Creative Voice File":
        declared, start = _voc_data(content)
    elif head[:10] == b"MATLAB 5.0":
        declared, start = _matlab_data(content)
    elif head[:4] == b"2BIT" and len(head) >= 128:
        is_stereo, n_bits, n_frames = struct.unpack_from(">2H10xI", head, 12)
        start, declared = 128, n_frames * (2 if is_stereo else 1) * n_bits // 8
    elif head[:15] == b"ALawSoundFile**":
        start, declared = 32, int.from_bytes(head[18:22], "big")
    elif head[:4] == b".snd" and len(head) >= 12:
        start, declared = struct.unpack_from(">2I", head, 4)
    present = content.size - start
    is_known = start and present > 0 and not is_pipe_size(declared)
    return (declared, present) if is_known and declared > present else (1, 1)


def is_cut_riff(content: Content) -> bool:
    """Return whether a RIFF file, as an AVI, ends before its header says.

    Parameters
    ----------
    content : Content
        The open file.

    Returns
    -------
    bool
        False if the header does not say.
    """
    declared = int.from_bytes(content.head[4:8], "little")
    return content.size < declared + 8 and not is_pipe_size(declared)


def is_flac_without_total(head: bytes) -> bool:
    """Return whether a FLAC does not say how many samples it has, which is valid (RFC 9639, 8.2).

    Parameters
    ----------
    head : bytes
        The first bytes of the file.

    Returns
    -------
    bool
        False for other containers.
    """
    return head[:4] == b"fLaC" and int.from_bytes(head[21:26], "big") & ((1 << 36) - 1) == 0


def nist_frames(content: Content) -> int:
    """Return the number of frames by a NIST SPHERE header.

    Parameters
    ----------
    content : Content
        The open file.

    Returns
    -------
    int
        0 if the header does not say.
    """
    match = re.search(rb"\nsample_count -i (\d{1,15})\n", content.head[:1024])
    return int(match[1]) if match else 0


def chunks(content: Content, order: str, start: int = 12) -> Iterator[tuple[bytes, int, int]]:
    """Yield the chunks of a RIFF or FORM file.

    Parameters
    ----------
    content : Content
        The open file.
    order : str
        Byte order: ``<`` or ``>``.
    start : int
        Position of the first chunk.

    Yields
    ------
    name : bytes
        Four bytes.
    length : int
        Bytes of the body by the chunk's header.
    body : int
        Position of the body.
    """
    for _ in range(_MAX_CHUNKS):
        header = content.at(start, 8)
        if len(header) < 8:
            return
        length = struct.unpack(order + "I", header[4:])[0]
        yield header[:4], length, start + 8
        start += 8 + length + (length & 1)


def _riff_data(content: Content) -> tuple[int, int]:
    """Return length and position of the data chunk, (0, 0) if there is none."""
    order = ">" if content.head[:4] == b"RIFX" else "<"
    long_length = 0
    for name, length, body in chunks(content, order):
        if name == b"ds64":
            long_length = int.from_bytes(content.at(body + 8, 8), "little")
        if name == b"data":
            return (long_length if long_length and length == 0xFFFF_FFFF else length), body
    return 0, 0


def _caf_data(content: Content) -> tuple[int, int]:
    """Return length and position of the data chunk of a Core Audio file, (0, 0) if it has none or no length."""
    start = 8
    for _ in range(_MAX_CHUNKS):
        name, length = content.at(start, 4), int.from_bytes(content.at(start + 4, 8), "big", signed=True)
        if length < 0 or not name:
            break
        if name == b"data":
            return length - 4, start + 16
        start += 12 + length
    return 0, 0


def _w64_data(content: Content) -> tuple[int, int]:
    """Return length and position of the data chunk of Sony Wave64: names have 16 bytes, lengths 64 bits."""
    start = 40
    for _ in range(_MAX_CHUNKS):
        header = content.at(start, 24)
        length = int.from_bytes(header[16:], "little")
        if len(header) < 24 or length < 24:
            break
        if header[:4] == b"data":
            return length - 24, start + 24
        start += (length + 7) & ~7
    return 0, 0


def _voc_data(content: Content) -> tuple[int, int]:
    """Return length of the blocks of a Creative Voice file, and position of the first."""
    start = place = int.from_bytes(content.head[20:22], "little")
    for _ in range(_MAX_CHUNKS):
        header = content.at(place, 4)
        if len(header) < 4 or not header[0]:
            break
        place += 4 + int.from_bytes(header[1:], "little")
    return place - start, start


def _matlab_data(content: Content) -> tuple[int, int]:
    """Return length of the matrices of a MATLAB file, and position of the first."""
    start = place = 128
    order = ">" if content.head[126:128] == b"MI" else "<"
    for _ in range(_MAX_CHUNKS):
        header = content.at(place, 8)
        if len(header) < 8:
            break
        place += 8 + int(struct.unpack(order + "4xI", header)[0])
    return place - start, start


def has_unsized_data(content: Content) -> bool:
    """Return whether a WAV says that it has no samples although data follow, as after a crash of the recorder.

    Chunks that fill the rest of the file exactly are chunks, not samples.

    Parameters
    ----------
    content : Content
        The open file.

    Returns
    -------
    bool
        False for other containers.
    """
    if content.head[:4] not in (b"RIFF", b"RIFX"):
        return False
    order = ">" if content.head[:4] == b"RIFX" else "<"
    end = 0
    for name, length, body in chunks(content, order):
        if name == b"data" and length == 0:
            end = body
        elif end:
            if not re.fullmatch(rb"[ -~]{4}", name) or body + length > content.size:
                return True
            end = body + length + (length & 1)
    return 0 < end < content.size - 1
