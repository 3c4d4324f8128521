"""A time span of a recording: what a label is given to."""

from __future__ import annotations

import dataclasses

from emosense.arrays import Float32


@dataclasses.dataclass(frozen=True, slots=True)
class Segment:
    """A time span of a recording.

    Parameters
    ----------
    start_s, end_s : float
        Its place in the recording, in seconds.
    waveform : ndarray, shape (n_samples,), float32 in [-1, 1]
        Mono, at the sample rate of the reader.
    channel : int or None
        Its channel, from 1; None unless channels are split.
    """

    start_s: float
    end_s: float
    waveform: Float32
    channel: int | None = None
