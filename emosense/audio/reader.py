"""One open file -> mono waveforms at the sample rate that a model asks for.

Conventions: float32 in [-1, 1], mono as the mean of the channels, one resampler (`emosense.audio.resampling`). A
recording is streamed: memory is bounded by one block and one segment, however long it is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final

import numpy as np

from emosense.arrays import Float32
from emosense.audio.decoder import open_decoder
from emosense.audio.resampling import lent_stream
from emosense.errors import RecordingError

MIN_DURATION_S: Final = 0.25
# Below -100 dBFS there is no speech: one step of 16-bit audio is -90 dBFS.
SILENCE_PEAK: Final = 1e-5
# A float file may overshoot full scale; 1000 times full scale is not sound.
_ABSURD_PEAK: Final = 1e3
# A stream that broke off has lost at least one codec frame, of which 20 ms are the usual length.
_LOST_S: Final = 0.02


@dataclasses.dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a recording.

    Parameters
    ----------
    start_s, end_s : float
        Its place in the recording, in seconds.
    waveform : ndarray, shape (n_samples,), float32 in [-1, 1]
        Mono, at the sample rate that was asked for.
    """

    start_s: float
    end_s: float
    waveform: Float32


class RecordingReader:
    """Streams one recording once; what it found out is there when the stream has ended.

    Parameters
    ----------
    file : binary file with a descriptor, opened for reading
    sample_rate : int or None
        Hz of the waveforms to give; None for the recording's own.
    max_duration_s : float
        Recordings that go on for longer are refused with ``too_long``.
    on_block : callable, optional
        Called after every block that is decoded.

    Attributes
    ----------
    sample_rate : int
        Hz of the waveforms that are given.
    decoded_s, duration_s : float
        Seconds decoded so far, and seconds that the recording has by its header (by decoding where that is silent).
    is_partial : bool
        Whether less could be decoded than there was: the header promised more, or the stream broke off.
    """

    def __init__(
        self,
        file: BinaryIO,
        sample_rate: int | None,
        max_duration_s: float = float("inf"),
        *,
        on_block: Callable[[], None] = lambda: None,
    ) -> None:
        self._decoder = open_decoder(file)
        self.sample_rate = sample_rate or self._decoder.sample_rate
        self._max_duration_s = max_duration_s
        self._on_block = on_block
        self._n_decoded = 0
        self._lowest, self._highest = np.inf, -np.inf

    @property
    def decoded_s(self) -> float:
        """Seconds decoded so far."""
        return self._n_decoded / self._decoder.sample_rate

    @property
    def duration_s(self) -> float:
        """Seconds that the recording has."""
        declared_s = (self._decoder.declared_frames or 0) / self._decoder.sample_rate
        is_short = declared_s - self.decoded_s > self._decoder.tolerance_s
        if self._decoder.is_broken:
            return max(declared_s, self.decoded_s + _LOST_S)
        return declared_s if is_short else self.decoded_s

    @property
    def is_partial(self) -> bool:
        """Whether less could be decoded than there was."""
        return self.decoded_s < self.duration_s

    def segments(self, window_s: float, hop_s: float) -> Iterator[Segment]:
        """Yield the recording in windows; one that ends within the first window is a single segment.

        The last segment is what remains; a remainder that is shorter than a recording may be is left out, and so is
        one that the window before it has covered already.

        Raises
        ------
        RecordingError
            ``no_samples``, ``too_short``, ``truncated``, ``no_speech``, ``non_finite``, ``too_long`` or what the
            decoder found.
        """
        window, hop = round(window_s * self.sample_rate), round(hop_s * self.sample_rate)
        buffered, start, peak, n_given = _Buffer(), 0, 0.0, 0
        for waveform in self._resampled():
            peak = max(peak, _peak(waveform))
            buffered.append(waveform)
            # One sample more than a window must be there, so that the last segment is never an empty one.
            while len(buffered) > window:
                yield self._segment(start, buffered.head(window))
                n_given += 1
                buffered.drop(hop)
                start += hop
        self._check(start + len(buffered), peak)
        n_new = len(buffered) if n_given == 0 else len(buffered) - max(window - hop, 0)
        if n_given == 0 or n_new >= MIN_DURATION_S * self.sample_rate:
            yield self._segment(start, buffered.head(window))

    def whole(self) -> Float32:
        """Return all samples at once; for recordings that are known to be short."""
        waveform = np.concatenate([np.empty(0, np.float32), *self._resampled()])
        self._check(len(waveform), _peak(waveform))
        return waveform

    def _segment(self, start: int, waveform: Float32) -> Segment:
        return Segment(start / self.sample_rate, (start + len(waveform)) / self.sample_rate, waveform)

    def _check(self, n_samples: int, peak: float) -> None:
        if self._n_decoded == 0:
            raise RecordingError("no_samples", "the file has a header and no samples")
        if self.decoded_s < MIN_DURATION_S and self.is_partial:
            text = f"only {self.decoded_s:.3f} of {self.duration_s:.3f} s could be decoded"
            raise RecordingError("truncated", f"{text}, at least {MIN_DURATION_S} s are needed")
        if self.decoded_s < MIN_DURATION_S:
            raise RecordingError("too_short", f"{self.decoded_s:.3f} s decoded, at least {MIN_DURATION_S} s are needed")
        if peak < SILENCE_PEAK or n_samples == 0:
            raise RecordingError("no_speech", "digital silence has no emotion")
        if self._highest - self._lowest < SILENCE_PEAK:
            raise RecordingError("no_speech", "a constant value has no emotion")

    def _resampled(self) -> Iterator[Float32]:
        """Mono blocks at the target rate; the last one carries the resampler's tail."""
        source_hz = self._decoder.sample_rate
        if source_hz == self.sample_rate:
            yield from self._mono_blocks()
            return
        with lent_stream(source_hz, self.sample_rate) as stream:
            for block in self._mono_blocks():
                yield stream.resample_chunk(block)
            yield stream.resample_chunk(np.empty(0, np.float32), last=True)

    def _mono_blocks(self) -> Iterator[Float32]:
        mono = _MonoRule()
        for block in self._decoder.blocks():
            self._n_decoded += len(block)
            if self.decoded_s > self._max_duration_s:
                raise RecordingError("too_long", f"longer than the limit of {self._max_duration_s:g} s")
            lowest, highest = float(block.min()), float(block.max())
            # NaN fails both comparisons.
            if not (highest < _ABSURD_PEAK and lowest > -_ABSURD_PEAK):
                raise RecordingError("non_finite", "samples are NaN, infinite or far out of range")
            waveform = mono(block)
            if block.shape[1] > 1:
                lowest, highest = float(waveform.min()), float(waveform.max())
            self._lowest, self._highest = min(self._lowest, lowest), max(self._highest, highest)
            self._on_block()
            yield waveform


def _peak(waveform: Float32) -> float:
    """Largest absolute value; two reductions cost half of an array of absolute values and its maximum."""
    return max(-float(waveform.min(initial=0.0)), float(waveform.max(initial=0.0)))


def _mean(block: Float32) -> Float32:
    """Mean over the channels: of two, `ndarray.mean` over so short an axis takes thirty times as long."""
    if block.shape[1] == 2:
        return np.asarray((block[:, 0] + block[:, 1]) * np.float32(0.5))
    return np.asarray(block.mean(axis=1, dtype=np.float32))


class _MonoRule:
    """The mean of the channels; where they cancel each other, the louder one. Decided on the first block with sound."""

    def __init__(self) -> None:
        self._channel: int | None = None
        self._is_decided = False

    def __call__(self, block: Float32) -> Float32:
        if block.shape[1] == 1:
            return np.ascontiguousarray(block[:, 0])
        mean = _mean(block)
        if not self._is_decided:
            peaks = np.abs(block).max(axis=0)
            if peaks.max() > SILENCE_PEAK:
                self._is_decided = True
                if np.abs(mean).max() < 1e-3 * peaks.max():
                    self._channel = int(np.argmax(peaks))
        return mean if self._channel is None else np.ascontiguousarray(block[:, self._channel])


class _Buffer:
    """Samples waiting for a full window; blocks are joined when a window is taken, not whenever one arrives."""

    def __init__(self) -> None:
        self._blocks: list[Float32] = []
        self._n = 0

    def __len__(self) -> int:
        return self._n

    def append(self, samples: Float32) -> None:
        self._blocks.append(samples)
        self._n += len(samples)

    def head(self, n: int) -> Float32:
        return self._joined()[:n]

    def drop(self, n: int) -> None:
        self._blocks = [self._joined()[n:]]
        self._n = len(self._blocks[0])

    def _joined(self) -> Float32:
        if len(self._blocks) != 1:
            self._blocks = [np.concatenate((np.empty(0, np.float32), *self._blocks))]
        return self._blocks[0]


def read_waveform(file: BinaryIO, sample_rate: int, max_duration_s: float = float("inf")) -> Float32:
    """Read a whole recording.

    Parameters
    ----------
    file : binary file with a descriptor, opened for reading
    sample_rate : int
        Hz of the result.
    max_duration_s : float
        Longer recordings are refused.

    Returns
    -------
    ndarray, shape (n_samples,), float32 in [-1, 1]

    Raises
    ------
    RecordingError
        If there is no speech to be had; see `RecordingReader.segments`.
    """
    return RecordingReader(file, sample_rate, max_duration_s).whole()


def read_native(file: BinaryIO, max_duration_s: float = float("inf")) -> tuple[Float32, int]:
    """Read a whole recording at its own sample rate; else as `read_waveform`.

    Returns
    -------
    waveform : ndarray, shape (n_samples,), float32 in [-1, 1]
    sample_rate : int
        Hz.
    """
    reader = RecordingReader(file, None, max_duration_s)
    return reader.whole(), reader.sample_rate
