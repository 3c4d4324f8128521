"""Waveforms at one sample rate -> the same at another, by soxr at high quality: the only resampler.

Creating a soxr stream takes longer than resampling a short recording, so streams are kept and reused. A stream has a
state and releases Python's lock, so only one caller has it at a time.
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
    """The unused streams of a thread, by their pair of rates and channels."""

    def __init__(self) -> None:
        self.streams: dict[tuple[int, int, int], soxr.ResampleStream] = {}


_IDLE: Final = _Idle()


@contextlib.contextmanager
def lent_stream(source_hz: int, target_hz: int, n_channels: int = 1) -> Iterator[soxr.ResampleStream]:
    """Lend a cleared stream for float32.

    Parameters
    ----------
    source_hz, target_hz : int
        Sample rates of its input and output.
    n_channels : int
        Channels of the blocks, which have the shape (n_frames, n_channels), or (n_frames,) for one channel. Each
        channel is resampled as it is alone.

    Yields
    ------
    soxr.ResampleStream
        Taken back at the end of the block.
    """
    kind = (source_hz, target_hz, n_channels)
    stream = _IDLE.streams.pop(kind, None)
    if stream is None:
        stream = soxr.ResampleStream(source_hz, target_hz, n_channels, dtype="float32", quality="HQ")
    stream.clear()
    try:
        yield stream
    finally:
        if len(_IDLE.streams) >= _KEPT:
            del _IDLE.streams[next(iter(_IDLE.streams))]
        _IDLE.streams[kind] = stream


def resample(waveform: Float32, source_hz: int, target_hz: int) -> Float32:
    """Return a whole waveform at another sample rate.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float32
        Mono.
    source_hz, target_hz : int
        Sample rates of the waveform and of the result.

    Returns
    -------
    ndarray, shape (about n_samples * target_hz / source_hz,), float32
        The same values as `emosense.audio.reader.RecordingReader` gives.
    """
    if source_hz == target_hz:
        return waveform
    with lent_stream(source_hz, target_hz) as stream:
        return np.asarray(stream.resample_chunk(waveform, last=True))
