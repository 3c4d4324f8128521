"""How long the frames and packets of streams without a container are, by their headers.

Those of MPEG audio are in `emosense.audio.mpeg_audio`, those of AMR in `emosense.audio.amr`.
"""

from __future__ import annotations

from typing import Final

_ADTS_RATES: Final = 13
# Words of 16 bits in a frame of AC-3 at 48 kHz, by its code of bit rates (ATSC A/52, table 5.18): kbit/s times 2.
_AC3_KBPS: Final = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)


def adts_frame_bytes(header: bytes) -> int:
    """Return the length of a frame of AAC with an ADTS header (ISO 13818-7, 6.2).

    Parameters
    ----------
    header : bytes
        Six bytes or more.

    Returns
    -------
    int
        In bytes, 0 if this is not a header of a frame.
    """
    if len(header) < 6 or header[0] != 0xFF or header[1] & 0xF6 != 0xF0 or (header[2] >> 2) & 15 >= _ADTS_RATES:
        return 0
    length = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
    return length if length >= 7 else 0


def loas_frame_bytes(header: bytes) -> int:
    """Return the length of a frame of AAC in LATM with a LOAS header (ISO 14496-3, 1.7.2).

    Parameters
    ----------
    header : bytes
        Three bytes or more.

    Returns
    -------
    int
        In bytes, 0 if this is not a header of a frame.
    """
    if len(header) < 3 or header[0] != 0x56 or header[1] & 0xE0 != 0xE0:
        return 0
    n_bytes = (header[1] & 0x1F) << 8 | header[2]
    return 3 + n_bytes if n_bytes else 0


def ac3_frame_bytes(header: bytes) -> int:
    """Return the length of a frame of AC-3 or E-AC-3 (ATSC A/52, 5.4.1 and E.2.3).

    Parameters
    ----------
    header : bytes
        Six bytes or more.

    Returns
    -------
    int
        In bytes, 0 if this is not a header of a frame.
    """
    if len(header) < 6 or header[:2] != b"\x0b\x77":
        return 0
    if header[5] >> 3 > 10:
        return 2 * ((header[2] & 7) << 8 | header[3]) + 2
    rate, code = header[4] >> 6, header[4] & 63
    if rate == 3 or code // 2 >= len(_AC3_KBPS):
        return 0
    kbps = _AC3_KBPS[code // 2]
    return 2 * (2 * kbps, 320 * kbps // 147 + code % 2, 3 * kbps)[rate]


def wavpack_block_bytes(header: bytes) -> int:
    """Return the length of a block of WavPack.

    Parameters
    ----------
    header : bytes
        Eight bytes.

    Returns
    -------
    int
        In bytes, 0 if this is not a header of a block.
    """
    return 8 + int.from_bytes(header[4:8], "little") if header[:4] == b"wvpk" else 0


def pes_packet_bytes(header: bytes) -> int:
    """Return the length of a pack header or packet of an MPEG program stream (ISO 13818-1, 2.5).

    Parameters
    ----------
    header : bytes
        Fourteen bytes.

    Returns
    -------
    int
        In bytes, 0 if this is neither.
    """
    if len(header) < 6 or header[:3] != b"\0\0\1" or header[3] < 0xB9:
        return 0
    if header[3] == 0xB9:
        return 4
    if header[3] == 0xBA:
        return 12 if header[4] >> 4 == 2 else 14 + (header[13] & 7) if len(header) == 14 else 0
    return 6 + int.from_bytes(header[4:6], "big")
