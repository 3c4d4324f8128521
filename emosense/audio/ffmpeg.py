"""FFmpeg through PyAV: reads the files that libsndfile refuses, and the rest of files that it stops in.

Gives float32 blocks of shape (n_frames, n_channels), as `emosense.audio.decoder` does for all decoders. Blocks follow
the file's own clock: where packets are lost, or a track starts late, they are silent for that time. PyAV is imported
when the first file needs it: most workers never do.
"""

from __future__ import annotations

import errno
import itertools
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from emosense.arrays import Float32
from emosense.audio import amr, container_headers
from emosense.audio.container_headers import MAX_CHANNELS, TOLERANCE_S
from emosense.audio.content import Content, ContentFile
from emosense.audio.ffmpeg_clock import FFmpegClock
from emosense.audio.ffmpeg_samples import samples_of, to_float32
from emosense.audio.file_type import is_audio_start
from emosense.audio.formats import DEMUXERS
from emosense.audio.tracks import track_fault, track_order
from emosense.errors import RecordingError

BLOCK_FRAMES: Final = 65_536
_OPTIONS: Final = {"format_whitelist": DEMUXERS}
# The containers that state a duration; for others FFmpeg guesses it from the bit rate. It misjudges that of AVI where
# a packet lasts fractions of a sample, as those of ADPCM may.
_SIZED_FORMATS: Final = ("mov", "matroska", "asf", "flac", "caf", "wv", "ape", "tta")
# Streams without a header: recordings that are joined end to end are one stream, whose clock jumps where they meet.
_HEADERLESS_FORMATS: Final = ("mp3", "aac", "ac3", "eac3", "loas", "mpeg")


class FFmpegDecoder:
    """FFmpeg, for what libsndfile refuses: AAC, WMA, MP4, WebM, AMR, 12- and 32-bit FLAC and the like.

    Parameters
    ----------
    content : Content
        The open file.
    refusal : RecordingError
        Raised if FFmpeg cannot read the recording either.
    track : int
        Number of the audio track, from 1; 0 for the default of the container, or the first that can be decoded.
    """

    def __init__(self, content: Content, refusal: RecordingError, track: int = 0) -> None:
        import av

        self._av, self._content, self._refusal = av, content, refusal
        self._open_track(track)
        if self._first.format.name.startswith("s64"):
            raise RecordingError("unsupported_encoding", "64 bits a sample")
        self.sample_rate: int = self._first.sample_rate
        self.n_channels: int = self._first.layout.nb_channels
        if self.n_channels > MAX_CHANNELS:
            raise RecordingError("too_many_channels", f"{self.n_channels} channels; at most {MAX_CHANNELS} can be read")
        self.tolerance_s = self._tolerance_s()
        self._clock = FFmpegClock(self._container, self._stream, self.sample_rate, self._is_headerless)
        self.declared_frames = self._declared()

    def _open_track(self, track: int) -> None:
        """Open the first track that can be decoded, in the order in which they are tried."""
        self._container = self._opened()
        self.n_tracks: int = len(self._container.streams.audio)
        faults: list[RecordingError] = []
        for place in track_order(self._container, track):
            if faults:
                # What was read for the track before is gone.
                self._container = self._opened()
            self._stream = self._container.streams.audio[place]
            fault = track_fault(self._stream) or self._start()
            if fault is None:
                return
            faults.append(fault)
        raise faults[0]

    def _opened(self) -> Any:
        """Open the container."""
        # Told that this is an MP3, FFmpeg looks for the first frame after whatever precedes it.
        name = None if is_audio_start(self._content.head) else "mp3"
        try:
            # Many files have tags in Latin-1, which do not damage the sound.
            return self._av.open(
                ContentFile(self._content), "r", format=name, container_options=_OPTIONS, metadata_errors="replace"
            )
        except (self._av.FFmpegError, ValueError, OSError) as err:
            self._raise_fault_of_storage(err)
            raise self._refusal from err

    def _start(self) -> RecordingError | None:
        """Decode the first frame of the track, or return why that fails."""
        if self._stream.codec_context.name == "flac":
            # Without this a damaged frame is decoded as if it were sound.
            self._stream.codec_context.options = {"err_detect": "crccheck+explode"}
        if self._stream.codec_context.name == "alac":
            # FFmpeg cuts what a CAF says lies after the end from a last packet that is short already.
            self._stream.codec_context.options = {"flags2": "skip_manual"}
        self._is_lossless: bool = self._stream.codec_context.codec.lossless
        self._is_headerless = self._container.format.name.startswith(_HEADERLESS_FORMATS)
        self.is_broken = self._container.format.name == "avi" and container_headers.is_cut_riff(self._content)
        self.n_lost = self._n_bad = 0
        self._frames = self._decode()
        # The header may give another rate than the stream has (HE-AAC): the first frame decides.
        self._first: Any = next(self._frames, None)
        if self._is_headerless and (second := next(self._frames, None)) is not None:
            # FFmpeg gives the first frame the rate at the end of what it looked at, where recordings are joined.
            if _is_alike(second, self._first):
                self._frames = itertools.chain([second], self._frames)
            else:
                self._first = second
        if self._first is not None:
            return None
        is_known = self._refusal.code == "unsupported_encoding"
        return RecordingError("corrupt", "no packet of the audio stream can be decoded") if is_known else self._refusal

    def _tolerance_s(self) -> float:
        """Return how much shorter than declared the recording may be."""
        if self._stream.codec_context.name == "alac" and self._container.format.name == "caf":
            # A CAF counts whole packets, of which the last may be filled in part.
            return max(TOLERANCE_S, float(self._first.samples - 1) / self.sample_rate)
        # Lossy codecs pad with whole frames, which some containers count and others do not. Mu-law and A-law do not.
        is_padded = not self._is_lossless and not self._stream.codec_context.name.startswith("pcm_")
        n_padding = 2 * self._first.samples if is_padded else 0
        return TOLERANCE_S + float(n_padding) / max(self.sample_rate, 1)

    def _declared(self) -> int | None:
        """Return the frames by the container, None if it does not say."""
        if not self._container.format.name.startswith(_SIZED_FORMATS):
            return None
        if self._stream.duration and self._stream.time_base:
            declared, present = container_headers.declared_bytes(self._content)
            seconds = float(self._stream.duration * self._stream.time_base) * declared / present
            return round(seconds * self.sample_rate) + max(0, self._clock.n_missing(self._first, 0))
        if self._container.duration and len(self._container.streams) == 1:
            return int(self._container.duration) * self.sample_rate // int(self._av.time_base)
        return None

    def _decode(self) -> Iterator[Any]:
        """Yield FFmpeg's frames; damaged packets are skipped and counted."""
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except IndexError:
                # PyAV does not know streams that begin in the middle, as after another transport stream.
                self.is_broken = True
                packets = self._container.demux(self._stream)
                continue
            except (self._av.FFmpegError, OSError) as err:
                self._raise_fault_of_storage(err)
                self.is_broken = True
                return
            if packet is None:
                return
            decode = self._decode_amr if self._stream.codec_context.name in amr.FRAME_SAMPLES else self._decode_packet
            yield from decode(packet)

    def _decode_packet(self, packet: Any) -> Iterator[Any]:
        try:
            yield from packet.decode()
        except self._av.FFmpegError:
            # Those of MP3 may be tags. What is damage there, its headers say (`emosense.audio.joined`).
            self._n_bad += self._container.format.name != "mp3"

    def _decode_amr(self, packet: Any) -> Iterator[Any]:
        """Decode the frames of a packet; those without speech, which FFmpeg refuses, are silent."""
        codec = self._stream.codec_context.name
        for n, (content, is_pause) in enumerate(amr.frames(codec, bytes(packet))):
            pts = None if packet.pts is None else packet.pts + round(n * amr.FRAME_S / packet.time_base)
            if is_pause:
                silence = np.zeros((1, amr.FRAME_SAMPLES[codec]), np.float32)
                frame = self._av.AudioFrame.from_ndarray(silence, "fltp", "mono")
                frame.sample_rate, frame.pts, frame.time_base = amr.SAMPLE_RATE[codec], pts, packet.time_base
                yield frame
            elif not content.strip(b"\0"):
                # Zeros, as where a download lacks a piece, pass for frames of the lowest rate.
                self.is_broken = True
            else:
                part = self._av.Packet(content)
                part.stream, part.pts, part.time_base = packet.stream, pts, packet.time_base
                yield from self._decode_packet(part)

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
        n_good = n_bad = n_waiting = n_before = 0
        frame = self._first
        while frame is not None:
            if not _is_alike(frame, self._first):
                if self._is_headerless:
                    self.is_broken = True
                    break
                raise RecordingError("stream_changes", "sample rate or channels change in the middle of the stream")
            n_missing = self._clock.n_missing(frame, n_before + n_waiting)
            if n_missing > 0 or n_waiting >= BLOCK_FRAMES:
                n_before += n_waiting + max(0, n_missing)
                yield from _concatenated(waiting)
                yield from _silence(n_missing, self.n_channels)
                self.n_lost += max(0, n_missing) if n_good else 0
                waiting, n_waiting = [], 0
            # What precedes the first packet that can be decoded, and the last one, may be cut off.
            self.is_broken |= n_good > 0 and self._n_bad > n_bad
            n_good, n_bad = n_good + 1, self._n_bad
            samples = to_float32(samples_of(frame), frame.format.is_planar, self.n_channels)[max(0, -n_missing) :]
            n_waiting += len(samples)
            waiting.append(samples)
            frame = next(self._frames, None)
        if self._n_bad > n_good:
            raise self._refusal
        # A lossy stream, such as a broadcast, may be cut at any byte.
        self.is_broken |= self._n_bad > (0 if self._is_lossless else 1)
        yield from _concatenated(waiting)


def _is_alike(frame: Any, other: Any) -> bool:
    return bool(frame.sample_rate == other.sample_rate and frame.layout.nb_channels == other.layout.nb_channels)


def _concatenated(blocks: list[Float32]) -> Iterator[Float32]:
    if blocks:
        yield np.concatenate(blocks)


def _silence(n_frames: int, n_channels: int) -> Iterator[Float32]:
    for start in range(0, n_frames, BLOCK_FRAMES):
        yield np.zeros((min(BLOCK_FRAMES, n_frames - start), n_channels), np.float32)
