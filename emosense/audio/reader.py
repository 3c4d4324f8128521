"""One open file -> mono waveforms at the sample rate of a model: of all channels mixed, of each, or of one.

    blocks of all channels -> the channels that are asked for -> resampled -> windows -> segments

Conventions: float32 in [-1, 1], channels mixed by `emosense.audio.mono`, one resampler (`emosense.audio.resampling`). A
recording is streamed and decoded once, whatever the number of channels: memory is bounded by one block and one window
of them, however long it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO, Final

import numpy as np

from emosense.arrays import Float32
from emosense.audio.channels import MIX, SPLIT
from emosense.audio.clipping import ClippingMeter
from emosense.audio.decoder import open_decoder
from emosense.audio.mono import mixed
from emosense.audio.resampling import lent_stream
from emosense.audio.sample_buffer import SampleBuffer
from emosense.audio.segment import Segment
from emosense.audio.silence import SILENCE_PEAK, SilenceLimit
from emosense.errors import RecordingError

MIN_DURATION_S: Final = 0.25
# A float file may exceed full scale, but 1000 times full scale is not sound.
_ABSURD_PEAK: Final = 1e3
# A stream that stops early has lost at least one codec frame, which is usually 20 ms long.
_LOST_S: Final = 0.02


class RecordingReader:
    """Streams one recording, once. `decoded_s`, `duration_s` and `is_partial` are final when the stream has ended.

    Parameters
    ----------
    file : binary file
        Opened for reading; it has a descriptor.
    sample_rate : int or None
        Sample rate of the waveforms in Hz; None for the recording's own.
    max_duration_s : float
        Longer recordings are refused with ``too_long``.
    channels : str
        ``mix``, ``split``, or the number of a channel, from 1 (`emosense.audio.channels`).
    track : int
        Number of the audio track of a container, from 1; 0 for its default, or the first that can be decoded.
    name : str
        Name of the file, which is all that tells raw samples from anything else.
    on_block : callable, optional
        Called after every block that is decoded.

    Attributes
    ----------
    sample_rate : int
        Sample rate of the waveforms in Hz.
    channels : tuple of int or None
        The values of `Segment.channel`: 1, 2 and so on where channels are split, otherwise None alone.
    clipping : ClippingMeter
        Counts what was decoded so far.

    Raises
    ------
    RecordingError
        Of the decoder; ``no_channel`` if the recording lacks the channel.
    """

    def __init__(
        self,
        file: BinaryIO,
        sample_rate: int | None,
        max_duration_s: float = float("inf"),
        *,
        channels: str = MIX,
        track: int = 0,
        name: str = "",
        on_block: Callable[[], None] = lambda: None,
    ) -> None:
        self._decoder = open_decoder(file, track, name)
        n_channels = self._decoder.n_channels
        self.sample_rate = sample_rate or self._decoder.sample_rate
        self.channels = tuple(range(1, n_channels + 1)) if channels == SPLIT else (None,)
        # Places of the channels that are read.
        self._read = slice(None) if channels in (MIX, SPLIT) else slice(int(channels) - 1, int(channels))
        if not range(n_channels)[self._read]:
            raise RecordingError("no_channel", f"there is no channel {channels}: the recording has {n_channels}")
        self._max_duration_s = max_duration_s
        self._on_block = on_block
        self._n_frames = 0
        n_read = len(range(n_channels)[self._read])
        self._lowest, self._highest = np.full(n_read, np.inf), np.full(n_read, -np.inf)
        self.clipping = ClippingMeter(self._decoder.sample_rate, n_read)

    @property
    def n_tracks(self) -> int:
        """Audio tracks of the file, of which one is read."""
        return self._decoder.n_tracks

    @property
    def decoded_s(self) -> float:
        """Seconds decoded so far."""
        return (self._n_frames - self._decoder.n_lost) / self._decoder.sample_rate

    @property
    def duration_s(self) -> float:
        """Duration in seconds by the header, or by decoding if the header does not say."""
        declared_s = (self._decoder.declared_frames or 0) / self._decoder.sample_rate
        position_s = self._n_frames / self._decoder.sample_rate
        is_short = declared_s - position_s > self._decoder.tolerance_s
        if self._decoder.is_broken:
            return max(declared_s, position_s, self.decoded_s + _LOST_S)
        return declared_s if is_short else position_s

    @property
    def is_partial(self) -> bool:
        """Whether less could be decoded than there is: the header states more, or the stream stopped early."""
        return self.decoded_s < self.duration_s

    def segments(self, window_s: float, hop_s: float) -> Iterator[Segment]:
        """Yield the recording in windows.

        The last segment holds the remainder. It is left out if it has less than `MIN_DURATION_S` that the window before
        it does not cover. A recording shorter than a window is a single segment.

        Parameters
        ----------
        window_s, hop_s : float
            Length of a window, and distance between the starts of two, in seconds.

        Yields
        ------
        Segment
            In order of time; where channels are split, those of a window one after the other.

        Raises
        ------
        RecordingError
            ``no_samples``, ``too_short``, ``truncated``, ``no_speech``, ``non_finite``, ``too_long``, or an error of
            the decoder. A channel without speech is no error where another one has sound.
        """
        window, hop = round(window_s * self.sample_rate), round(hop_s * self.sample_rate)
        buffered, start, peak, n_given = SampleBuffer(), 0, 0.0, 0
        for waveform in self._resampled():
            peak = max(peak, _peak(waveform))
            buffered.append(waveform)
            # Wait for one sample more than a window, so that the last segment is never empty.
            while len(buffered) > window:
                yield from self._segments(start, buffered.head(window))
                n_given += 1
                buffered.drop(hop)
                start += hop
        self._check(start + len(buffered), peak)
        n_new = len(buffered) if n_given == 0 else len(buffered) - max(window - hop, 0)
        if n_given == 0 or n_new >= MIN_DURATION_S * self.sample_rate:
            yield from self._segments(start, buffered.head(window))

    def whole(self) -> Float32:
        """Return all samples at once; for recordings that are known to be short.

        Returns
        -------
        ndarray, shape (n_samples,), float32 in [-1, 1]
            Mono, at the sample rate of the reader.

        Raises
        ------
        RecordingError
            As `segments` does.
        """
        window = np.concatenate([np.empty((0, len(self._lowest)), np.float32), *self._resampled()])
        self._check(len(window), _peak(window))
        return self._mixed(window, 0, len(window))

    def _segments(self, start: int, window: Float32) -> Iterator[Segment]:
        """Yield a window, of shape (n_samples, n_channels), as the segments of its channels, or as one of their mix."""
        start_s, end_s = start / self.sample_rate, (start + len(window)) / self.sample_rate
        if self.channels == (None,):
            yield Segment(start_s, end_s, self._mixed(window, start, start + len(window)))
            return
        for channel, waveform in zip(self.channels, window.T, strict=True):
            yield Segment(start_s, end_s, np.ascontiguousarray(waveform), channel)

    def _mixed(self, window: Float32, start: int, end: int) -> Float32:
        n_channels, rate = window.shape[1], self.sample_rate
        clipping: list[float] = []
        if n_channels > 1:
            clipping = [self.clipping.ratio_between(start / rate, end / rate, 1 + place) for place in range(n_channels)]
        return mixed(window, rate, clipping)

    def _check(self, n_samples: int, peak: float) -> None:
        if self._n_frames == 0:
            raise RecordingError("no_samples", "the file has a header and no samples")
        if self.decoded_s < MIN_DURATION_S and self.is_partial:
            text = f"only {self.decoded_s:.3f} of {self.duration_s:.3f} s could be decoded"
            raise RecordingError("truncated", f"{text}, at least {MIN_DURATION_S} s are needed")
        if self.decoded_s < MIN_DURATION_S:
            raise RecordingError("too_short", f"{self.decoded_s:.3f} s decoded, at least {MIN_DURATION_S} s are needed")
        if peak < SILENCE_PEAK or n_samples == 0:
            raise RecordingError("no_speech", "digital silence has no emotion")
        if (self._highest - self._lowest).max() < SILENCE_PEAK:
            raise RecordingError("no_speech", "a constant value has no emotion")

    def _resampled(self) -> Iterator[Float32]:
        """Yield blocks of shape (n_samples, n_channels) at the target rate; the last one has the resampler's tail."""
        source_hz, n_channels = self._decoder.sample_rate, len(self._lowest)
        if source_hz == self.sample_rate:
            yield from self._blocks()
            return
        with lent_stream(source_hz, self.sample_rate, n_channels) as stream:
            for block in self._blocks():
                yield stream.resample_chunk(block)
            yield stream.resample_chunk(np.empty((0, n_channels), np.float32), last=True)

    def _blocks(self) -> Iterator[Float32]:
        """Yield blocks of the channels that are read, of shape (n_frames, n_channels), at the recording's own rate."""
        silence = SilenceLimit(self._decoder.sample_rate)
        for decoded in self._decoder.blocks():
            self._n_frames += len(decoded)
            if self._n_frames > self._max_duration_s * self._decoder.sample_rate:
                raise RecordingError("too_long", f"longer than the limit of {self._max_duration_s:g} s")
            block = decoded[:, self._read]
            lowest, highest = (np.array([end(column) for column in block.T]) for end in (np.min, np.max))
            # NaN fails both comparisons.
            if not (highest.max() < _ABSURD_PEAK and lowest.min() > -_ABSURD_PEAK):
                raise RecordingError("non_finite", "samples are NaN, infinite or far out of range")
            silence.add(block, float((highest - lowest).max()))
            self._lowest, self._highest = np.minimum(self._lowest, lowest), np.maximum(self._highest, highest)
            self.clipping.add(block, float(max(highest.max(), -lowest.min())))
            self._on_block()
            yield np.ascontiguousarray(block)


def _peak(waveform: Float32) -> float:
    """Return the largest absolute value: two reductions take half the time of an array of absolute values."""
    return max(-float(waveform.min(initial=0.0)), float(waveform.max(initial=0.0)))
