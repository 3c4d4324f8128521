"""The first bytes of a file -> what it is: a recording, something else, or a recording with an unusable header.

Names and extensions do not matter here. libsndfile and FFmpeg detect the formats that they read; this module says why
they refused a file, and keeps FFmpeg away from files that are not recordings.
"""

from __future__ import annotations

import re
import struct
from typing import Final

from emosense.audio.container_headers import MAX_CHANNELS, Content, chunks
from emosense.errors import RecordingError

_SNDFILE_STARTS: Final = (
    b"RIFF", b"RIFX", b"RF64", b"FORM", b"fLaC", b"OggS", b"ID3", b"caff", b".snd", b"riff", b"NIST", b"2BIT", b" paf",
    b"Creative Voice File", b"MATLAB",
)  # fmt: skip
# AAC in ADTS, AC-3, AMR, APE, WavPack, TTA, FLV, ASF (WMA) and Matroska (WebM). MP4 is marked at byte 4.
_FFMPEG_STARTS: Final = (
    b"\xff\xf1", b"\xff\xf9", b"\x0b\x77", b"#!AMR", b"MAC ", b"wvpk", b"TTA1", b"FLV\x01", b"0&\xb2u",
    b"\x1aE\xdf\xa3",
)  # fmt: skip
# First atoms of MP4 and QuickTime; empty ones may precede the one that says more.
_MP4_ATOMS: Final = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot")
# What may be in the place of a recording, and what to do about it.
_LOOKALIKES: Final[tuple[tuple[bytes, str], ...]] = (
    (b"version https://git-lfs", "a git-lfs pointer, not the recording: run git lfs pull"),
    (b"<", "an HTML or XML page, as a failed download leaves behind"),
    (b"{", "a JSON document, as a failed download leaves behind"),
    (b"\x1f\x8b", "gzip data: unpack it first"),
    (b"PK\x03\x04", "a zip archive: unpack it first"),
    (b"\0\0\0\0", "zeros, as an unfinished download leaves behind"),
)
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
    is_mp4 = head[4:8] in _MP4_ATOMS
    return is_mp4 or head.startswith((*_SNDFILE_STARTS, *_FFMPEG_STARTS)) or mpeg_start(head) == 0


def lookalike(content: Content) -> str | None:
    """Return what a file is instead of audio.

    Parameters
    ----------
    content : Content
        The open file.

    Returns
    -------
    str or None
        What it is, and what to do about it; None if it may be audio. A RIFF header or MPEG frames after something else
        count as audio, though damaged.
    """
    head = content.head
    if is_audio_start(head):
        return None
    if re.search(rb"RIFF....WAVE|fLaC\0\0\0\x22", head, re.DOTALL) or mpeg_start(content.at(0, 1 << 16)) is not None:
        return None
    for start, what in _LOOKALIKES:
        if head.lstrip(b" \t\r\n\xef\xbb\xbf").startswith(start):
            return what
    return "no known audio format"


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
    what = lookalike(content)
    if what is not None:
        return RecordingError("not_audio", f"the content is not audio: {what}")
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
            length = _mpeg_frame_bytes(data[place : place + 4])
            if not length:
                break
            place += length
        else:
            return start
    return None


def _mpeg_frame_bytes(header: bytes) -> int:
    """Return the length of an MPEG audio frame, 0 if this is not a header of one (ISO 11172-3, 2.4.2.3)."""
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
