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
from emosense.audio.frame_walk import LOAS
from emosense.audio.inner_frames import first_frame
from emosense.audio.mpeg_audio import mpeg_frame_bytes, mpeg_start
from emosense.audio.other_files import disguised_kind, other_kind
from emosense.audio.transport_stream import is_transport_stream
from emosense.errors import RecordingError

# First atoms of MP4 and QuickTime; empty ones may precede the one that says more.
_MP4_ATOMS: Final = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp")
_CONTROL: Final = re.compile(rb"[\0-\x08\x0e-\x1a]")
_UNREAD_STARTS: Final = re.compile(
    b"|".join(b"(?P<f%d>%b)" % (place, each.start) for place, each in enumerate(UNREAD_FORMATS) if each.start),
    re.DOTALL,
)
_IMA_ADPCM: Final = 0x11
_OGG_PAGE: Final = re.compile(rb"OggS\0[\0-\7]")
_LONGEST_PAGE_BYTES: Final = 1 << 16


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
    return _starts_with_mpeg_frames(head) or is_transport_stream(head) or _starts_with_loas_frames(head)


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


def _starts_with_loas_frames(head: bytes) -> bool:
    n_frames, end = LOAS.row(lambda place: head[place : place + LOAS.n_header])
    # The first bytes may hold fewer.
    return n_frames == LOAS.n_sure or (n_frames > 1 and end >= len(head))


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
        None if it may be a recording. A RIFF header or the frames of a stream after something unknown count as one,
        though damaged.
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
        if (
            is_htk(content)
            or re.search(rb"RIFF....WAVE|fLaC\0\0\0\x22", head, re.DOTALL)
            or first_frame(content) is not None
        ):
            return None
        if _lacks_start_of_ogg(content):
            return RecordingError(
                "corrupt", "the start of this Ogg file is missing, without which nothing can be decoded"
            )
        named = unread_by_name(name)
        if named and head.strip(b"\0"):
            return RecordingError("unsupported_encoding", named)
        what = "no known audio format" if head.strip(b"\0") else "zeros, as an unfinished download leaves behind"
    return RecordingError("not_audio", f"the content is not audio: {what}")


def _lacks_start_of_ogg(content: Content) -> bool:
    """Return whether the first page in a file is none that begins a recording, as the first of a whole one is."""
    page = next(content.part(0, min(content.size, _LONGEST_PAGE_BYTES)).find(_OGG_PAGE, 6), None)
    return page is not None and not content.at(page, 6)[5] & 2


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
