"""MPEG audio, such as MP3: the tags before it, the header that states its length, and its frames."""

from __future__ import annotations

import re
from typing import Final

from emosense.audio.content import Content

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
# Lyrics3: text between a mark and the one of its version; the second version states its size, in six digits.
_LYRICS: Final = re.compile(rb"LYRICSBEGIN.*?(?:LYRICSEND|[0-9]{6}LYRICS200)", re.DOTALL)
_LONGEST_LYRICS_BYTES: Final = 1 << 20


def after_id3(content: Content) -> int:
    """Return where the ID3 tags at the start of a file end.

    Parameters
    ----------
    content : Content
        The open file.

    Returns
    -------
    int
        0 if there are none.
    """
    start = 0
    while (tag := content.at(start, 10))[:3] == b"ID3" and len(tag) == 10:
        start += 10 + sum((byte & 0x7F) << shift for byte, shift in zip(tag[6:], (21, 14, 7, 0), strict=True))
    return start


def after_tags(content: Content, start: int) -> int:
    """Return where the tags at a place end, as players write them around frames: ID3, APE and Lyrics3.

    Parameters
    ----------
    content : Content
        The open file.
    start : int
        Position of the first.

    Returns
    -------
    int
        `start` if there are none.
    """
    while tag := content.at(start, 32):
        if tag[:3] == b"ID3" and len(tag) >= 10:
            start += 10 + sum((byte & 0x7F) << shift for byte, shift in zip(tag[6:10], (21, 14, 7, 0), strict=True))
        elif tag[:3] == b"TAG":
            start += 128
        elif tag[:8] == b"APETAGEX" and len(tag) == 32:
            start += 32 + int.from_bytes(tag[12:16], "little")
        elif tag[:11] == b"LYRICSBEGIN" and (lyrics := _LYRICS.match(content.at(start, _LONGEST_LYRICS_BYTES))):
            start += lyrics.end()
        else:
            break
    return start


def mp3_frame_count(content: Content) -> int:
    """Return how many frames an MP3 file has after its first, by a Xing, Info or VBRI header.

    Parameters
    ----------
    content : Content
        The open file.

    Returns
    -------
    int
        0 if it does not say.
    """
    first, place, is_vbri = _mp3_header(content)
    if is_vbri:
        return int.from_bytes(first[place + 14 : place + 18], "big")
    return int.from_bytes(first[place + 8 : place + 12], "big") if _xing_flags(first, place) & 1 else 0


def mp3_end(content: Content) -> int | None:
    """Return where the frames of an MP3 file end, by its Xing, Info or VBRI header.

    Parameters
    ----------
    content : Content
        The open file.

    Returns
    -------
    int or None
        None if the header does not say.
    """
    start = after_id3(content)
    first, place, is_vbri = _mp3_header(content)
    n_bytes = 0
    if is_vbri:
        n_bytes = int.from_bytes(first[place + 10 : place + 14], "big")
    elif _xing_flags(first, place) & 2:
        at = place + 8 + 4 * (first[place + 7] & 1)
        n_bytes = int.from_bytes(first[at : at + 4], "big")
    return start + n_bytes if n_bytes else None


def _mp3_header(content: Content) -> tuple[bytes, int, bool]:
    """Return the first bytes after tags, the place of the header in them, below 0 for none, and whether it is VBRI."""
    first = content.at(after_id3(content), 256)
    vbri = first.find(b"VBRI")
    return (first, vbri, True) if vbri >= 0 else (first, max(first.find(b"Xing"), first.find(b"Info")), False)


def _xing_flags(first: bytes, place: int) -> int:
    return first[place + 7] if 0 <= place < len(first) - 16 else 0


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
