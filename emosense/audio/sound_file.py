"""libsndfile: reads WAV, FLAC, Ogg, MP3 and the like; FFmpeg continues where it stops.

Gives float32 blocks of shape (n_frames, n_channels), as `emosense.audio.decoder` does for all decoders.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

import numpy as np
import soundfile

from emosense.arrays import Float32
from emosense.audio import container_headers
from emosense.audio.container_headers import MAX_CHANNELS, TOLERANCE_S
from emosense.audio.content import Content, ContentFile
from emosense.audio.ffmpeg import FFmpegDecoder
from emosense.audio.mpeg_audio import mp3_frame_count
from emosense.audio.ogg import OggStream
from emosense.audio.recording_starts import begins_after
from emosense.errors import RecordingError

# libsndfile says 2**63 - 1 frames where a header gives no total, and over 1e9 for some damaged MP3 headers.
_UNKNOWN_FRAMES: Final = 1 << 40
# libsndfile reads so much of a FLAC at a time, at most.
_READ_AHEAD_BYTES: Final = 1 << 14
# Samples of a block, of all channels: 5 s of 48 kHz. A call for each 65,536 would take 0.25 ms more for 4 s.
BLOCK_SAMPLES: Final = 1 << 18


class SoundFileDecoder:
    """libsndfile, read in blocks.

    Parameters
    ----------
    content : Content
        The open file.
    stream : OggStream or None
        What its pages say, if it is Ogg.

    Attributes
    ----------
    loses_samples : bool
        Whether libsndfile is known to read less of this recording than there is, without an error.
    """

    def __init__(self, content: Content, stream: OggStream | None = None) -> None:
        self._content, self._stream = content, stream
        self._part = None if content.is_whole else ContentFile(content)
        os.lseek(content.descriptor, 0, os.SEEK_SET)
        self._sound = soundfile.SoundFile(self._part or content.descriptor, closefd=False)
        if self._sound.channels > MAX_CHANNELS:
            text = f"{self._sound.channels} channels; at most {MAX_CHANNELS} can be read"
            raise RecordingError("too_many_channels", text)
        self.sample_rate: int = self._sound.samplerate
        self.n_channels: int = self._sound.channels
        self.tolerance_s = TOLERANCE_S
        self.is_broken = stream is not None and not stream.is_whole
        self.n_tracks, self.n_lost = 1, 0
        self.declared_frames = self._declared()
        self.loses_samples = self._loses_samples()

    def _declared(self) -> int | None:
        """Return the frames by the header; libsndfile itself gives no more than the file has room for."""
        frames: int = self._sound.frames
        if self._stream is not None:
            # The last page may have been lost.
            position = self._ogg_frames(self._stream.position) if self.is_broken else 0
            return max(frames if frames < _UNKNOWN_FRAMES else 0, position) or None
        if frames >= _UNKNOWN_FRAMES:
            return None
        if self._sound.format == "NIST":
            return max(frames, container_headers.nist_frames(self._content))
        declared, present = container_headers.declared_bytes(self._content)
        return frames * declared // present

    def _ogg_frames(self, position: int) -> int:
        """Convert a position in an Ogg stream: Opus counts at 48 kHz whatever the rate is (RFC 7845)."""
        return position * self.sample_rate // (48_000 if self._sound.subtype == "OPUS" else self.sample_rate)

    def _loses_samples(self) -> bool:
        if self._sound.subtype.startswith("MPEG"):
            # Without a count libsndfile guesses one from the first frame, and ends there: 1.4 s of a VBR file of 5 s.
            return not (self._sound.format == "MP3" and mp3_frame_count(self._content) > 0)
        # A FLAC without a total is valid (RFC 9639), and libsndfile loses its last block.
        is_flac = self._sound.format == "FLAC" and self.declared_frames is None
        return is_flac or (self._sound.frames == 0 and container_headers.has_unsized_data(self._content))

    def blocks(self) -> Iterator[Float32]:
        """Yield float32 blocks of shape (n_frames, n_channels); FFmpeg continues where libsndfile stops.

        Yields
        ------
        ndarray, shape (n_frames, n_channels), float32
            At most `BLOCK_SAMPLES` samples.
        """
        # 16-bit PCM is read unconverted and scaled here: a third of the time that libsndfile's own conversion takes.
        is_pcm16 = self._sound.subtype == "PCM_16"
        n_frames, n_read = BLOCK_SAMPLES // self.n_channels, 0
        while True:
            try:
                block = self._sound.read(n_frames, dtype="int16" if is_pcm16 else "float32", always_2d=True)
            except (soundfile.LibsndfileError, RuntimeError) as err:
                self.is_broken = True
                yield from self._rest(n_read, err)
                return
            if len(block) == 0:
                yield from self._beyond_end(n_read)
                return
            n_read += len(block)
            if is_pcm16:
                block = block * np.float32(1 / 32768) if block.any() else np.zeros(block.shape, np.float32)
            yield block

    def _beyond_end(self, n_read: int) -> Iterator[Float32]:
        """Yield what follows the end that libsndfile sees."""
        if self._stream is not None and self._stream.n_lost:
            # libsndfile fills some of the gaps with what it repeats.
            n_present = (self.declared_frames or n_read) - self._ogg_frames(self._stream.n_lost)
            self.n_lost = max(0, n_read - n_present)
        position = self._part.tell() if self._part else os.lseek(self._content.descriptor, 0, os.SEEK_CUR)
        if self._sound.format != "FLAC":
            return
        # The header of a FLAC may give too small a total, or tags may follow the samples: FFmpeg tells which.
        if position < self._content.size:
            yield from self._rest(n_read, None)
        # One of another format is not read: the end of a FLAC is only known when it was decoded.
        # What was read ahead may lie in padding, which is passed from there.
        ends = (max(1, position - _READ_AHEAD_BYTES), position)
        self.is_broken |= any(begins_after(self._content, end, is_flac=True) is not None for end in ends)

    def _rest(self, n_read: int, fault: Exception | None) -> Iterator[Float32]:
        """Yield what FFmpeg decodes from frame `n_read` on."""
        refusal = RecordingError("corrupt", f"the first samples cannot be decoded: {fault}")
        n_rest = 0
        try:
            other = FFmpegDecoder(self._content, refusal)
            for block in _skip(other.blocks(), n_read):
                n_rest += len(block)
                yield block
        except RecordingError as err:
            if n_read == 0 or err.code == "stream_changes":
                raise
        else:
            if n_read + n_rest == 0:
                raise refusal
            is_damaged = self._stream is not None and not self._stream.is_whole
            self.is_broken = is_damaged or (other.is_broken and (fault is not None or n_rest > 0))


def _skip(blocks: Iterator[Float32], n_frames: int) -> Iterator[Float32]:
    """Leave out the first frames."""
    for block in blocks:
        if n_frames < len(block):
            yield block[n_frames:]
        n_frames = max(0, n_frames - len(block))
