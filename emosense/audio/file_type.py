"""The first bytes of a file -> what it is: a recording, something else, or a recording with an unusable header.

Names and extensions do not matter here. libsndfile and FFmpeg detect the formats that they read; this module says why
they refused a file, and keeps FFmpeg away from files that are not recordings.
"""

from __future__ import annotations

import codecs
import re
import struct
from typing import Final

from emosense.audio.container_headers import MAX_CHANNELS, chunks
from emosense.audio.content import Content
from emosense.audio.formats import STARTS, UNREAD_FORMATS, unread_by_name
from emosense.audio.other_files import disguised_kind, other_kind
from emosense.errors import RecordingError

# First atoms of MP4 and QuickTime; empty ones may precede the one that says more.
_MP4_ATOMS: Final = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp")
_CONTROL: Final = re.compile(rb"[\0-\x08\x0e-\x1a]")
# Packets of a transport stream have 188 bytes, and 4 more before each on Blu-ray discs, or 16 after each.
TRANSPORT_PACKETS: Final = ((0, 188), (4, 192), (0, 204))
_UNREAD_STARTS: Final = re.compile(
    b"|".join(b"(?P<f%d>%b)" % (place, each.start) for place, each in enumerate(UNREAD_FORMATS) if each.start),
    re.DOTALL,
)
# Frames after something else are a recording if they fill most of the rest of the file. Many breaks are those of a
# database, which keeps its content in pages of 4 to 64 KiB.
_LEAST_SHARE, _BYTES_A_BREAK, _LONGEST_LEAD_BYTES = 0.5, 1 << 18, 1 << 16
_IMA_ADPCM: Final = 0x11
# kbit/s by the four bits of a frame's header (ISO 11172-3 and 13818-3), one row per layer.
_MPEG1_KBPS: Final = (
    (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
)
_MPEG2_KBPS: Final = (
    (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
)


def is_audio_start(head: bytes) -> bool:
    """Return whether a file starts like a recording that one of the decoders reads.

    Parameters
    ----------
    head : bytes
        The first bytes of the file.

    Returns
    -------
    bool
        Whether a decoder may open it.
    """
    if head.startswith(STARTS) or head[4:8] in _MP4_ATOMS:
        return disguised_kind(head) is None
    return _starts_with_mpeg_frames(head) or is_transport_stream(head)


def _starts_with_mpeg_frames(head: bytes) -> bool:
    if head[:1] != b"\xff":
        return False
    if mpeg_start(head) == 0:
        return True
    # Fewer than three frames are a recording if nothing follows them. Frames of free format do not say their length.
    first = mpeg_frame_bytes(head)
    second = mpeg_frame_bytes(head[first:]) if first else 0
    is_free_format = head[1:2] in (b"\xfa", b"\xfb", b"\xf2", b"\xf3", b"\xe2", b"\xe3") and head[2] >> 4 == 0
    return is_free_format or len(head) in (first, first + second)


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


def is_only_text(head: bytes) -> bool:
    """Return whether a file is text, such as a program, and no recording: some of these begin with text, too.

    Parameters
    ----------
    head : bytes
        The first bytes of the file.

    Returns
    -------
    bool
        Whether they are UTF-8 without control characters; False if there are none.
    """
    if not head or _CONTROL.search(head) or is_audio_start(head) or unread_format(head):
        return False
    try:
        # The last character may be cut.
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True


def unread_format(head: bytes) -> str | None:
    """Return the name of a format of recordings that no decoder here reads.

    Parameters
    ----------
    head : bytes
        The first bytes of the file.

    Returns
    -------
    str or None
        None if it is none of these.
    """
    match = _UNREAD_STARTS.match(head)
    return UNREAD_FORMATS[int(str(match.lastgroup)[1:])].name if match else None


def start_fault(content: Content, name: str = "") -> RecordingError | None:
    """Return why a file is not given to any decoder, by its first bytes.

    Parameters
    ----------
    content : Content
        The open file.
    name : str
        Its name, which is all that tells raw samples from anything else.

    Returns
    -------
    RecordingError or None
        None if it may be a recording. A RIFF header or MPEG frames after something unknown count as one, though
        damaged.
    """
    head = content.head
    # Some of the formats that are not read start like others that are.
    unread = None if head[:4] == b"RIFF" and head[8:12] == b"WAVE" else unread_format(head)
    if unread is None and is_audio_start(head):
        return None
    if unread is not None:
        return RecordingError("unsupported_encoding", f"no decoder for this format: {unread}")
    what = disguised_kind(head) or other_kind(content)
    if what is None:
        if is_htk(content) or re.search(rb"RIFF....WAVE|fLaC\0\0\0\x22", head, re.DOTALL) or _is_mpeg_inside(content):
            return None
        named = unread_by_name(name)
        if named and head.strip(b"\0"):
            return RecordingError("unsupported_encoding", named)
        what = "no known audio format" if head.strip(b"\0") else "zeros, as an unfinished download leaves behind"
    return RecordingError("not_audio", f"the content is not audio: {what}")


def is_htk(content: Content) -> bool:
    """Return whether a file is a waveform of HTK, which has no mark: its header fits the size of the file.

    Parameters
    ----------
    content : Content
        The open file.

    Returns
    -------
    bool
        Whether its samples have 16 bits and fill the file.
    """
    if len(content.head) < 12:
        return False
    n_samples, period, n_bytes, kind = struct.unpack_from(">iihh", content.head)
    return period > 0 and (n_bytes, kind) == (2, 0) and content.size == 12 + 2 * n_samples


def _is_mpeg_inside(content: Content) -> bool:
    """Whether MPEG frames begin in the first 64 KiB and fill most of the rest."""
    start = mpeg_start(content.at(0, _LONGEST_LEAD_BYTES))
    if start is None:
        return False
    place, n_frame_bytes, n_breaks, end = start, 0, 0, content.size
    block, block_start = b"", 0
    while place < end and n_breaks <= 1 + (place - start) // _BYTES_A_BREAK:
        if not block_start <= place <= block_start + len(block) - 4:
            block, block_start = content.at(place, 1 << 20), place
            if len(block) < 4:
                return n_frame_bytes >= _LEAST_SHARE * (end - start)
        length = mpeg_frame_bytes(block[place - block_start : place - block_start + 4])
        if length:
            n_frame_bytes += length
        else:
            n_breaks += 1
            length = mpeg_start(content.at(place, _LONGEST_LEAD_BYTES)) or _LONGEST_LEAD_BYTES
        place += length
    return place >= end and n_frame_bytes >= _LEAST_SHARE * (end - start)


def header_fault(content: Content) -> RecordingError | None:
    """Return why a file that libsndfile refused is not given to FFmpeg either.

    Parameters
    ----------
    content : Content
        The open file.

    Returns
    -------
    RecordingError or None
        None if FFmpeg may try.
    """
    if content.head[:4] not in (b"RIFF", b"RIFX") or content.head[8:12] != b"WAVE":
        return None
    order = ">" if content.head[:4] == b"RIFX" else "<"
    bodies = {name: (length, body) for name, length, body in chunks(content, order)}
    length, body = bodies.get(b"fmt ", (0, content.size))
    fields = content.at(body, 20)
    if len(fields) < 20 or not 16 <= length <= 1 << 16:
        return RecordingError("corrupt", f"the format chunk is cut off, or claims to have {length} bytes")
    if b"data" not in bodies:
        # FFmpeg would trust the chunk that leads beyond the end, and allocate as much memory as it claims to need.
        return RecordingError("corrupt", "there is no data chunk in the file")
    tag, n_channels, sample_rate, _, block_align, _, _, block_frames = struct.unpack(order + "HHIIHHHH", fields)
    if n_channels == 0 or not 0 < sample_rate < 1 << 31:
        return RecordingError("bad_header", f"the header says {n_channels} channels at {sample_rate} Hz")
    if n_channels > MAX_CHANNELS:
        return RecordingError("too_many_channels", f"the header says {n_channels} channels")
    # IMA ADPCM: 4 bytes of state and one sample per channel, then 4 bits per sample. More overflows decoders
    # (CVE-2026-37555).
    if tag == _IMA_ADPCM and block_frames > 1 + 2 * max(0, block_align // n_channels - 4):
        return RecordingError("corrupt", f"a block of {block_align} bytes cannot hold {block_frames} samples")
    return None


def mpeg_start(data: bytes) -> int | None:
    """Find three MPEG audio frames (layer I to III) in a row.

    Parameters
    ----------
    data : bytes
        Part of a file.

    Returns
    -------
    int or None
        Position of the first of them; None if there are none.
    """
    for match in re.finditer(rb"\xff[\xe2-\xff]", data):
        start = place = match.start()
        for _ in range(3):
            length = mpeg_frame_bytes(data[place : place + 4])
            if not length:
                break
            place += length
        else:
            return start
    return None


def mpeg_frame_bytes(header: bytes) -> int:
    """Return the length of an MPEG audio frame (ISO 11172-3, 2.4.2.3).

    Parameters
    ----------
    header : bytes
        Four bytes or more.

    Returns
    -------
    int
        In bytes, 0 if this is not a header of a frame.
    """
    if len(header) < 4 or header[0] != 0xFF or header[1] < 0xE2:
        return 0
    version, layer = (header[1] >> 3) & 3, 4 - ((header[1] >> 1) & 3)
    bit_rate, rate = header[2] >> 4, (header[2] >> 2) & 3
    if version == 1 or layer == 4 or bit_rate in (0, 15) or rate == 3:
        return 0
    # Version 3 is MPEG-1, 2 is MPEG-2 at half the rates, 0 the extension MPEG-2.5 at a quarter.
    table = _MPEG1_KBPS[layer - 1] if version == 3 else _MPEG2_KBPS[min(layer, 2) - 1]
    sample_rate = (44_100, 48_000, 32_000)[rate] >> {3: 0, 2: 1, 0: 2}[version]
    padding = (header[2] >> 1) & 1
    if layer == 1:
        return (12_000 * table[bit_rate] // sample_rate + padding) * 4
    samples = 72_000 if layer == 3 and version != 3 else 144_000
    return samples * table[bit_rate] // sample_rate + padding
