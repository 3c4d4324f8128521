"""FFmpeg through PyAV: reads the files that libsndfile refuses, and the rest of files that it stops in.

Gives float32 blocks of shape (n_frames, n_channels), as `emosense.audio.decoder` does for all decoders. Blocks follow
the file's own clock: where packets are lost, or a track starts late, they are silent for that time. PyAV is imported
when the first file needs it: most workers never do.
"""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emosense.arrays import Float32
from emosense.audio import container_headers
from emosense.audio.container_headers import BLOCK_FRAMES, MAX_CHANNELS, TOLERANCE_S, Content
from emosense.audio.file_type import is_audio_start
from emosense.errors import RecordingError

# FFmpeg also reads playlists, which open other files and URLs, and pictures and subtitles. Only these are allowed.
_FFMPEG_FORMATS: Final = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,eac3,flac,flv,matroska,webm,mov,mp4,m4a,mp3,ogg,tta,w64,wav,wv"
)
_OPTIONS: Final = {"format_whitelist": _FFMPEG_FORMATS}
# The containers that state a duration; for others FFmpeg guesses it from the bit rate.
_SIZED_FORMATS: Final = ("mov", "matroska", "asf", "flac", "caf", "wv", "ape", "tta", "avi")
# The containers whose timestamps are those of the clock that players show; others only count samples.
_TIMED_FORMATS: Final = ("mov", "matroska", "asf", "flv", "mpeg")
# Those whose clock starts at 0. Others, as broadcasts, start at any time, which players call 0.
_ZERO_BASED_FORMATS: Final = ("mov", "matroska")
# A track that starts later than this is a piece of a live stream, whose clock is not that of the file.
_LATEST_START_S: Final = 3600.0
# Timestamps are rounded, to 1 ms by Matroska, and jitter: only what deviates by more is lost or cut.
_JITTER_S: Final = 0.05
_LONGEST_OVERLAP_S: Final = 1.0
_PROTECTED_TAGS: Final = ("drms", "enca")
_READ_BYTES: Final = 1 << 20


class _BoundedFile(io.FileIO):
    """Reads little at a time: FFmpeg asks for all that a damaged header claims, and Python would allocate it."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(_READ_BYTES if size is None or size < 0 else min(size, _READ_BYTES))


class FFmpegDecoder:
    """FFmpeg, for what libsndfile refuses: AAC, WMA, MP4, WebM, AMR, 12- and 32-bit FLAC and the like.

    Parameters
    ----------
    content : Content
        The open file.
    refusal : RecordingError
        Raised if FFmpeg cannot read the recording either.
    """

    def __init__(self, content: Content, refusal: RecordingError) -> None:
        import av

        self._av, self._content, self._refusal = av, content, refusal
        os.lseek(content.descriptor, 0, os.SEEK_SET)
        file = _BoundedFile(content.descriptor, closefd=False)
        # Told that this is an MP3, FFmpeg looks for the first frame after whatever precedes it.
        name = None if is_audio_start(content.head) else "mp3"
        try:
            # Many files have tags in Latin-1, which do not damage the sound.
            self._container = av.open(file, "r", format=name, container_options=_OPTIONS, metadata_errors="replace")
        except (av.FFmpegError, ValueError, OSError) as err:
            self._raise_fault_of_storage(err)
            raise refusal from err
        if not self._container.streams.audio:
            raise RecordingError("no_audio_stream", "the container holds no audio stream")
        self._stream = self._container.streams.audio[0]
        if self._stream.codec_context is None:
            raise RecordingError("unsupported_encoding", "FFmpeg has no decoder for the audio stream")
        if _is_protected(self._stream):
            raise RecordingError("unsupported_encoding", "the audio is protected (DRM)")
        if self._stream.codec_context.name == "flac":
            # Without this a damaged frame is decoded as if it were sound.
            self._stream.codec_context.options = {"err_detect": "crccheck+explode"}
        self._is_lossless: bool = self._stream.codec_context.codec.lossless
        self.is_broken = False
        self.n_lost = self._n_bad = 0
        self._frames = self._decode()
        # The header may give another rate than the stream has (HE-AAC): the first frame decides.
        self._first = next(self._frames, None)
        if self._first is None:
            is_known = refusal.code == "unsupported_encoding"
            raise RecordingError("corrupt", "no packet of the audio stream can be decoded") if is_known else refusal
        if self._first.format.name.startswith("s64"):
            raise RecordingError("unsupported_encoding", "64 bits a sample")
        self.sample_rate: int = self._first.sample_rate
        self.n_channels: int = self._first.layout.nb_channels
        if self.n_channels > MAX_CHANNELS:
            raise RecordingError("too_many_channels", f"{self.n_channels} channels; at most {MAX_CHANNELS} can be read")
        # Lossy codecs pad with whole frames, which some containers count and others do not.
        n_padding = 0 if self._is_lossless else 2 * self._first.samples
        self.tolerance_s = TOLERANCE_S + n_padding / max(self.sample_rate, 1)
        self._clock_start_s = self._find_clock_start()
        self.declared_frames = self._declared()

    def _find_clock_start(self) -> float:
        """Return the timestamp at which the clock of the file is 0."""
        start_s = float(self._stream.start_time * self._stream.time_base) if self._stream.start_time else 0.0
        if self._container.format.name.startswith(_ZERO_BASED_FORMATS) and start_s <= _LATEST_START_S:
            return 0.0
        return (self._container.start_time or 0) / float(self._av.time_base)

    def _declared(self) -> int | None:
        """Return the frames by the container, None if it does not say."""
        if not self._container.format.name.startswith(_SIZED_FORMATS):
            return None
        if self._stream.duration and self._stream.time_base:
            declared, present = container_headers.declared_bytes(self._content)
            seconds = float(self._stream.duration * self._stream.time_base) * declared / present
            return round(seconds * self.sample_rate) + max(0, self._n_missing(self._first, 0))
        if self._container.duration and len(self._container.streams) == 1:
            return int(self._container.duration) * self.sample_rate // int(self._av.time_base)
        return None

    def _decode(self) -> Iterator[Any]:
        """Yield FFmpeg's frames; damaged packets are skipped and counted."""
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except (self._av.FFmpegError, OSError) as err:
                self._raise_fault_of_storage(err)
                self.is_broken = True
                return
            if packet is None:
                return
            try:
                yield from packet.decode()
            except self._av.FFmpegError:
                self._n_bad += 1

    def _raise_fault_of_storage(self, err: Exception) -> None:
        """Raise the error of the file itself; EINVAL only means a header that points to byte 2**63."""
        if isinstance(err, OSError) and not isinstance(err, self._av.FFmpegError) and err.errno != errno.EINVAL:
            raise err

    def blocks(self) -> Iterator[Float32]:
        """Yield blocks of about `BLOCK_FRAMES` frames; what is damaged is missing from them.

        Yields
        ------
        ndarray, shape (n_frames, n_channels), float32
            The next frames; silent for the time for which the file has no packets.
        """
        try:
            yield from self._joined()
        finally:
            self._container.close()

    def _joined(self) -> Iterator[Float32]:
        """Join FFmpeg's frames, which last 10 to 100 ms, and check that they are alike."""
        waiting: list[Float32] = []
        n_good = n_waiting = n_before = 0
        frame = self._first
        while frame is not None:
            if frame.sample_rate != self.sample_rate or frame.layout.nb_channels != self.n_channels:
                raise RecordingError("stream_changes", "sample rate or channels change in the middle of the stream")
            n_missing = self._n_missing(frame, n_before + n_waiting)
            if n_missing > 0 or n_waiting >= BLOCK_FRAMES:
                n_before += n_waiting + max(0, n_missing)
                yield from _concatenated(waiting)
                yield from _silence(n_missing, self.n_channels)
                self.n_lost += max(0, n_missing) if n_good else 0
                waiting, n_waiting = [], 0
            n_good += 1
            samples = _to_float32(_samples(frame), frame.format.is_planar, self.n_channels)[max(0, -n_missing) :]
            n_waiting += len(samples)
            waiting.append(samples)
            frame = next(self._frames, None)
        if self._n_bad > n_good:
            raise self._refusal
        # A lossy stream, such as a broadcast, may be cut at any byte: its last packet may be damaged.
        self.is_broken |= self._n_bad > (0 if self._is_lossless else 1)
        yield from _concatenated(waiting)

    def _n_missing(self, frame: Any, n_before: int) -> int:
        """Return how many samples lie between those before and a frame, by its timestamp; below 0 where it overlaps.

        FFmpeg plays whole packets at the cuts of an edit list, so that a part of the next one comes too late. Clocks
        that jump back by more, as in recordings that were joined, say nothing.
        """
        if frame.pts is None or not self._container.format.name.startswith(_TIMED_FORMATS):
            return 0
        at_s = float(frame.pts * frame.time_base) - self._clock_start_s
        n_missing = round(at_s * self.sample_rate) - n_before
        is_jitter = abs(n_missing) <= _JITTER_S * self.sample_rate
        return 0 if is_jitter or n_missing < -_LONGEST_OVERLAP_S * self.sample_rate else n_missing


def _concatenated(blocks: list[Float32]) -> Iterator[Float32]:
    if blocks:
        yield np.concatenate(blocks)


def _silence(n_frames: int, n_channels: int) -> Iterator[Float32]:
    for start in range(0, n_frames, BLOCK_FRAMES):
        yield np.zeros((min(BLOCK_FRAMES, n_frames - start), n_channels), np.float32)


def _is_protected(stream: Any) -> bool:
    """Whether an MP4 says that its audio is encrypted; a tag that is not text is damaged."""
    try:
        return stream.codec_context.codec_tag in _PROTECTED_TAGS
    except UnicodeDecodeError:
        return False


def _samples(frame: Any) -> NDArray[np.generic]:
    """Return the samples unconverted, of shape (n_planes, n_samples).

    Not ``frame.to_ndarray()``: PyAV 18.1 looks for a null pointer after the last plane, where FFmpeg puts none if there
    are eight planes or more. Eight channels of AAC crashed it.
    """
    from av.audio.frame import format_dtypes
    from av.audio.plane import AudioPlane

    n_channels = frame.layout.nb_channels
    n_planes, width = (n_channels, 1) if frame.format.is_planar else (1, n_channels)
    dtype = np.dtype(format_dtypes[frame.format.name])
    planes: list[Any] = [AudioPlane(frame, i) for i in range(n_planes)]
    return np.stack([np.frombuffer(plane, dtype, frame.samples * width) for plane in planes])


def _to_float32(samples: NDArray[np.generic], is_planar: bool, n_channels: int) -> Float32:
    """Convert FFmpeg's sample formats to float32 of shape (n_frames, n_channels)."""
    frames = samples.T if is_planar else samples.reshape(-1, n_channels)
    if np.issubdtype(samples.dtype, np.integer):
        middle = 128.0 if samples.dtype == np.uint8 else 0.0
        full_scale = 2.0 ** (8 * samples.itemsize - 1)
        return ((frames.astype(np.float64) - middle) / full_scale).astype(np.float32)
    return frames.astype(np.float32)
