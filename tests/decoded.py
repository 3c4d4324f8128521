"""What the reader makes of a file: status, code and seconds, as in its row, without a model."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from emosense.audio.reader import RecordingReader
from emosense.errors import RecordingError


@dataclasses.dataclass(frozen=True)
class Decoded:
    """Status, error code and text, seconds, and the mono waveform at 16 kHz."""

    status: str
    code: str = ""
    error: str = ""
    decoded_s: float = 0.0
    duration_s: float = 0.0
    waveform: np.ndarray = dataclasses.field(default_factory=lambda: np.empty(0, np.float32))


def decoded(path: Path, track: int = 0) -> Decoded:
    """Read a file to its end."""
    with open(path, "rb", buffering=0) as file:
        try:
            reader = RecordingReader(file, 16_000, track=track, name=path.name)
            segments = [segment.waveform for segment in reader.segments(10.0, 10.0)]
        except RecordingError as err:
            return Decoded("error", err.code, str(err))
    status = "partial" if reader.is_partial else "ok"
    return Decoded(status, "", "", reader.decoded_s, reader.duration_s, np.concatenate(segments))
