"""One open file -> blocks of samples: which decoder reads it, what it promises, and why it is refused.

libsndfile reads what it can; PyAV (the extra `ffmpeg`) reads the rest where it is installed, and goes on where
libsndfile breaks off. Both give float32 blocks of shape (n_frames, n_channels), in bounded memory, whatever the header
claims.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO, Final, Protocol

import numpy as np
import soundfile

from emosense.arrays import Float32
from emosense.audio import container_headers, ffmpeg
from emosense.audio.container_headers import BLOCK_FRAMES, MAX_CHANNELS, TOLERANCE_S, Content
from emosense.audio.ffmpeg import INSTALL_HINT, PyAVDecoder
from emosense.audio.file_type import header_fault, is_sndfile_start
from emosense.errors import RecordingError

MIN_SAMPLE_RATE_HZ: Final = 1_000
MAX_SAMPLE_RATE_HZ: Final = 768_000
# libsndfile says 2**63 - 1 frames where a header gives no total, and over 1e9 for some damaged MP3 headers.
_UNKNOWN_FRAMES: Final = 1 << 40
_SMALL_BLOCK_FRAMES: Final = 1024
# Behind the last frame of an MP3 there may be tags, and libmpg123 reads ahead.
_TAG_BYTES: Final = 8192


class Decoder(Protocol):
    """An open recording.

    Attributes
    ----------
    sample_rate : int
        Hz, within `MIN_SAMPLE_RATE_HZ` and `MAX_SAMPLE_RATE_HZ`.
    declared_frames : int or None
        What the container promises; None where it does not say.
    tolerance_s : float
        How much less than promised a sound recording may hold.
    is_broken : bool
        Whether the stream ended before its proper end; final when `blocks` has ended.
    """

    sample_rate: int
    declared_frames: int | None
    tolerance_s: float
    is_broken: bool

    def blocks(self) -> Iterator[Float32]:
        """Yield float32 blocks of shape (n_frames, n_channels) until the stream ends or breaks.

        Raises
        ------
        RecordingError
            ``corrupt`` if nothing can be decoded, ``stream_changes`` if sample rate or channels change on the way.
        """
        ...


def open_decoder(file: BinaryIO, *, use_ffmpeg: bool | None = None) -> Decoder:
    """Open a regular file with the first decoder that accepts it.

    Parameters
    ----------
    file : binary file with a descriptor, opened for reading
    use_ffmpeg : bool, optional
        Whether PyAV may be used; by default, where it is installed.

    Raises
    ------
    RecordingError
        ``empty_file``, ``not_audio``, ``corrupt``, ``bad_header``, ``bad_sample_rate``, ``too_many_channels``,
        ``no_samples``, ``unsupported_encoding`` or ``no_audio_stream``.
    """
    use_ffmpeg = ffmpeg.is_installed() if use_ffmpeg is None else use_ffmpeg
    content = Content.of(file.fileno())
    if content.size == 0:
        raise RecordingError("empty_file", "the file has zero bytes")
    decoder: Decoder
    try:
        decoder = SoundFileDecoder(content, use_ffmpeg)
    except soundfile.LibsndfileError as err:
        fault = header_fault(content)
        refusal = fault or explain_refusal(content, str(err), use_ffmpeg)
        if fault is not None or not use_ffmpeg:
            raise refusal from err
        decoder = PyAVDecoder(content, refusal)
    else:
        if decoder.needs_ffmpeg and use_ffmpeg:
            decoder = PyAVDecoder(content, RecordingError("no_samples", "no samples can be decoded"))
    if not MIN_SAMPLE_RATE_HZ <= decoder.sample_rate <= MAX_SAMPLE_RATE_HZ:
        raise RecordingError("bad_sample_rate", f"the header says {decoder.sample_rate} Hz")
    return decoder


class SoundFileDecoder:
    """libsndfile, read in blocks.

    Attributes
    ----------
    needs_ffmpeg : bool
        Whether libsndfile is known to read less of this recording than there is, without an error.
    """

    def __init__(self, content: Content, use_ffmpeg: bool) -> None:
        self._content, self._use_ffmpeg = content, use_ffmpeg
        os.lseek(content.descriptor, 0, os.SEEK_SET)
        self._sound = soundfile.SoundFile(content.descriptor, closefd=False)
        if self._sound.channels > MAX_CHANNELS:
            raise RecordingError(
                "too_many_channels", f"{self._sound.channels} channels, at most {MAX_CHANNELS} are read"
            )
        self.sample_rate: int = self._sound.samplerate
        self.tolerance_s = TOLERANCE_S
        self.is_broken = False
        self.declared_frames = self._promised()
        self.needs_ffmpeg = self._loses_samples()

    def _promised(self) -> int | None:
        """Frames by the header; libsndfile itself gives no more than the file has room for."""
        frames: int = self._sound.frames
        if self._sound.format == "OGG":
            return self._promised_by_ogg(frames if frames < _UNKNOWN_FRAMES else 0)
        if frames >= _UNKNOWN_FRAMES:
            return None
        if self._sound.format == "NIST":
            return max(frames, container_headers.nist_frames(self._content))
        promised, present = container_headers.promised_bytes(self._content)
        return frames * promised // present

    def _promised_by_ogg(self, frames: int) -> int | None:
        """Frames by the last page, which may be cut off behind its header."""
        end = container_headers.ogg_end(self._content)
        self.is_broken = not end.is_proper
        if self.is_broken and end.position > 0:
            # Opus counts at 48 kHz whatever the rate is (RFC 7845).
            rate = 48_000 if self._sound.subtype == "OPUS" else self.sample_rate
            frames = max(frames, end.position * self.sample_rate // rate)
        return frames or None

    def _loses_samples(self) -> bool:
        if self._sound.subtype.startswith("MPEG"):
            # Without a count libsndfile guesses one from the first frame, and ends there: 1.4 s of a VBR file of 5 s.
            if self._sound.format == "MP3" and container_headers.has_frame_count(self._content):
                return False
            self.declared_frames = None
            return True
        # A FLAC without a total is valid (RFC 9639), and libsndfile loses its last block.
        is_flac = self._sound.format == "FLAC" and self.declared_frames is None
        return is_flac or (self._sound.frames == 0 and container_headers.has_unsized_data(self._content))

    def blocks(self) -> Iterator[Float32]:
        """Yield blocks; where libsndfile breaks off, FFmpeg goes on if it may."""
        # 16-bit PCM is read as it lies and scaled here: a third of the time that libsndfile's own conversion takes.
        is_pcm16 = self._sound.subtype == "PCM_16"
        n_read = 0
        while True:
            try:
                block = self._sound.read(BLOCK_FRAMES, dtype="int16" if is_pcm16 else "float32", always_2d=True)
            except (soundfile.LibsndfileError, RuntimeError) as err:
                self.is_broken = True
                yield from self._rest(n_read, err)
                return
            if len(block) == 0:
                yield from self._beyond_end(n_read)
                return
            n_read += len(block)
            yield block * np.float32(1 / 32768) if is_pcm16 else block

    def _beyond_end(self, n_read: int) -> Iterator[Float32]:
        """Yield what lies behind the end that libsndfile sees, or say that it is missing."""
        n_bytes_left = self._content.size - os.lseek(self._content.descriptor, 0, os.SEEK_CUR)
        if self._use_ffmpeg:
            # A FLAC whose header says too little, or tags behind the samples: FFmpeg tells them apart.
            if self._sound.format == "FLAC" and n_bytes_left > 0:
                yield from self._rest(n_read, None)
        elif self.needs_ffmpeg and n_read == 0:
            raise RecordingError("no_samples", f"the header says 0 samples, though data follow; {INSTALL_HINT}")
        elif self.needs_ffmpeg:
            self.is_broken |= n_bytes_left > _TAG_BYTES

    def _rest(self, n_read: int, fault: Exception | None) -> Iterator[Float32]:
        """Yield what another way of reading gives from frame `n_read` on."""
        refusal = RecordingError("corrupt", f"the first samples cannot be decoded: {fault}")
        n_rest = 0
        try:
            other = PyAVDecoder(self._content, refusal) if self._use_ffmpeg else None
            for block in _skip(other.blocks() if other else self._small_blocks(), n_read):
                n_rest += len(block)
                yield block
        except RecordingError as err:
            if n_read == 0 or err.code == "stream_changes":
                raise
        else:
            if n_read + n_rest == 0:
                raise refusal
            if other is not None:
                self.is_broken = other.is_broken and (fault is not None or n_rest > 0)

    def _small_blocks(self) -> Iterator[Float32]:
        """Yield the recording from its start in small blocks: less is lost with the one that breaks."""
        os.lseek(self._content.descriptor, 0, os.SEEK_SET)
        sound = soundfile.SoundFile(self._content.descriptor, closefd=False)
        try:
            while len(block := sound.read(_SMALL_BLOCK_FRAMES, dtype="float32", always_2d=True)):
                yield block
        except (soundfile.LibsndfileError, RuntimeError):
            return


def _skip(blocks: Iterator[Float32], n_frames: int) -> Iterator[Float32]:
    """Leave out the first frames."""
    for block in blocks:
        if n_frames < len(block):
            yield block[n_frames:]
        n_frames = max(0, n_frames - len(block))


def explain_refusal(content: Content, reason: str, use_ffmpeg: bool) -> RecordingError:
    """Name the reason why libsndfile does not open a recording, from its first bytes and its message."""
    hint = "" if use_ffmpeg else f"; FFmpeg may, {INSTALL_HINT}"
    text = reason.lower()
    # libsndfile calls a WAV of an unknown encoding malformed.
    if any(word in text for word in ("unimplemented", "unsupported", "unknown format", "malformed 'fmt ' chunk")):
        return RecordingError("unsupported_encoding", f"libsndfile does not read this encoding{hint}")
    if not use_ffmpeg and not is_sndfile_start(content.head):
        return RecordingError("unsupported_encoding", f"libsndfile does not read this container{hint}")
    return RecordingError("corrupt", reason.rpartition(": ")[2].rstrip(".") + hint)
