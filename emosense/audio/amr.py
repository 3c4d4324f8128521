"""AMR with pauses: phones send nothing, or a few bytes that describe the noise, while nobody speaks (DTX).

FFmpeg refuses these frames as damaged; they are 20 ms of silence each. Frame types are those of 3GPP TS 26.101
(narrow-band) and 26.201 (wide-band), sizes those of RFC 4867, 5.3.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

# Bytes of a frame, its header included, by type. Types without an entry have no content.
_SIZES: Final = {
    "amrnb": (13, 14, 16, 18, 20, 21, 27, 32, 6),
    "amrwb": (18, 24, 33, 37, 41, 47, 51, 59, 61, 6),
}
# The first type that is not speech; then samples of a frame, and their rate in Hz.
_FIRST_PAUSE: Final = {"amrnb": 8, "amrwb": 9}
FRAME_SAMPLES: Final = {"amrnb": 160, "amrwb": 320}
SAMPLE_RATE: Final = {"amrnb": 8_000, "amrwb": 16_000}
FRAME_S: Final = 0.02


def frame_bytes(codec: str, header: bytes) -> int:
    """Return the length of a frame.

    Parameters
    ----------
    codec : str
        ``amrnb`` or ``amrwb``.
    header : bytes
        Its first byte.

    Returns
    -------
    int
        In bytes, its header included; 0 if this is not a header of a frame.
    """
    if not header or header[0] & 0x83:
        return 0
    frame_type = header[0] >> 3
    return _SIZES[codec][frame_type] if frame_type < len(_SIZES[codec]) else 1


def frames(codec: str, packet: bytes) -> Iterator[tuple[bytes, bool]]:
    """Split a packet into its frames.

    Parameters
    ----------
    codec : str
        ``amrnb`` or ``amrwb``.
    packet : bytes
        One or more frames.

    Yields
    ------
    frame : bytes
        With its header.
    is_pause : bool
        Whether it holds no speech.
    """
    place = 0
    while place < len(packet):
        frame_type = (packet[place] >> 3) & 15
        size = _SIZES[codec][frame_type] if frame_type < len(_SIZES[codec]) else 1
        yield packet[place : place + size], frame_type >= _FIRST_PAUSE[codec]
        place += size
