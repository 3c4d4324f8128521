"""Waveforms at one sample rate -> the same at another: soxr's high quality, the only resampler.

Building a stream of soxr costs more than resampling a short recording, so streams are kept. Each is lent to one user
at a time: a stream has a state, and works outside of Python's lock.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Final

import numpy as np
import soxr

from emosense.arrays import Float32

_KEPT: Final = 8


class _Idle(threading.local):
    """The streams of a thread that nobody uses at the moment, by their pair of rates."""

    def __init__(self) -> None:
        self.streams: dict[tuple[int, int], soxr.ResampleStream] = {}


_IDLE: Final = _Idle()


@contextlib.contextmanager
def lent_stream(source_hz: int, target_hz: int) -> Iterator[soxr.ResampleStream]:
    """Lend a stream for mono float32 that has heard nothing yet."""
    rates = (source_hz, target_hz)
    stream = _IDLE.streams.pop(rates, None)
    if stream is None:
        stream = soxr.ResampleStream(source_hz, target_hz, 1, dtype="float32", quality="HQ")
    stream.clear()
    try:
        yield stream
    finally:
        if len(_IDLE.streams) >= _KEPT:
            del _IDLE.streams[next(iter(_IDLE.streams))]
        _IDLE.streams[rates] = stream


def resample(waveform: Float32, source_hz: int, target_hz: int) -> Float32:
    """Return a whole waveform at another sample rate.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float32
    source_hz, target_hz : int

    Returns
    -------
    ndarray, shape (about n_samples * target_hz / source_hz,), float32
        The values that `emosense.audio.reader.RecordingReader` gives.
    """
    if source_hz == target_hz:
        return waveform
    with lent_stream(source_hz, target_hz) as stream:
        return np.asarray(stream.resample_chunk(waveform, last=True))
