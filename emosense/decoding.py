"""One open file -> blocks of samples: which decoder reads it, what its header promises, why it is refused.

libsndfile reads what it can; PyAV (the extra `ffmpeg`) reads the rest where it is installed. Both give float32 blocks
of shape (n_frames, n_channels), in bounded memory, whatever the header claims.
"""

from __future__ import annotations

import importlib.util
import io
import os
import struct
from collections.abc import Iterator
from typing import BinaryIO, Final, Protocol

import numpy as np
import soundfile
from numpy.typing import NDArray

from emosense.errors import RecordingError

Float32 = NDArray[np.float32]

BLOCK_FRAMES: Final = 65_536
MIN_SAMPLE_RATE_HZ: Final = 1_000
MAX_SAMPLE_RATE_HZ: Final = 768_000
MAX_CHANNELS: Final = 64
# libsndfile says 2**63 - 1 frames where a header gives no total, and over 1e9 for some damaged MP3 headers.
_UNKNOWN_FRAMES: Final = 1 << 40
_INSTALL_HINT: Final = "install the decoder with: pip install 'emosense[ffmpeg]'"
_AUDIO_MAGIC: Final[tuple[tuple[int, bytes], ...]] = (
    (0, b"RIFF"), (0, b"RIFX"), (0, b"RF64"), (0, b"FORM"), (0, b"fLaC"), (0, b"OggS"), (0, b"ID3"), (0, b"caff"),
    (0, b".snd"), (0, b"riff"), (0, b"NIST"), (4, b"ftyp"), (0, b"\x1aE\xdf\xa3"), (0, b"0&\xb2u"), (0, b"\xff\xfb"),
    (0, b"\xff\xf3"), (0, b"\xff\xf1"), (0, b"\xff\xf9"), (0, b"#!AMR"), (0, b"MAC "), (0, b"wvpk"),
)  # fmt: skip


class Decoder(Protocol):
    """An open recording.

    Attributes
    ----------
    sample_rate : int
        Hz, within `MIN_SAMPLE_RATE_HZ` and `MAX_SAMPLE_RATE_HZ`.
    declared_frames : int or None
        What the container promises; None where it does not say.
    container : str
        Name of the container that was found in the content, whatever the file is called.
    """

    sample_rate: int
    declared_frames: int | None
    container: str

    def blocks(self) -> Iterator[Float32]:
        """Yield float32 blocks of shape (n_frames, n_channels) until the stream ends or breaks."""
        ...


def open_decoder(file: BinaryIO) -> Decoder:
    """Open a regular file with the first decoder that accepts it.

    Raises
    ------
    RecordingError
        ``empty_file``, ``not_audio``, ``corrupt``, ``bad_header``, ``bad_sample_rate``, ``too_many_channels``,
        ``no_samples``, ``unsupported_encoding`` or ``no_audio_stream``.
    """
    size = os.fstat(file.fileno()).st_size
    if size == 0:
        raise RecordingError("empty_file", "the file has zero bytes")
    head = os.pread(file.fileno(), 4096, 0)
    try:
        decoder: Decoder = SoundFileDecoder(file, head, size)
    except soundfile.LibsndfileError as err:
        refusal = explain_refusal(head, str(err))
        if refusal.code == "not_audio" or importlib.util.find_spec("av") is None:
            raise refusal from err
        decoder = PyAVDecoder(file, refusal)
    if not MIN_SAMPLE_RATE_HZ <= decoder.sample_rate <= MAX_SAMPLE_RATE_HZ:
        raise RecordingError("bad_sample_rate", f"the header says {decoder.sample_rate} Hz")
    return decoder


class SoundFileDecoder:
    """libsndfile, read in blocks."""

    def __init__(self, file: BinaryIO, head: bytes, size: int) -> None:
        file.seek(0)
        self._sound = soundfile.SoundFile(file.fileno(), closefd=False)
        self.sample_rate = self._sound.samplerate
        self.container = self._sound.format
        if self._sound.channels > MAX_CHANNELS:
            raise RecordingError(
                "too_many_channels", f"{self._sound.channels} channels, at most {MAX_CHANNELS} are read"
            )
        frames = self._sound.frames
        self.declared_frames: int | None = frames if 0 < frames < _UNKNOWN_FRAMES else None
        promised = riff_frames(head, size)
        if promised is not None:
            self.declared_frames = max(promised, frames)

    def blocks(self) -> Iterator[Float32]:
        """Yield blocks; a stream that breaks after its first block ends there, and the caller sees it is short."""
        # 16-bit PCM is read as it lies and scaled here: a third of the time that libsndfile's own conversion takes.
        is_pcm16 = self._sound.subtype == "PCM_16"
        n_read = 0
        while True:
            try:
                block = self._sound.read(BLOCK_FRAMES, dtype="int16" if is_pcm16 else "float32", always_2d=True)
            except (soundfile.LibsndfileError, RuntimeError) as err:
                if n_read == 0:
                    raise RecordingError("corrupt", f"the first samples cannot be decoded: {err}") from err
                return
            if len(block) == 0:
                return
            n_read += len(block)
            yield block * np.float32(1 / 32768) if is_pcm16 else block


class PyAVDecoder:
    """FFmpeg through PyAV, for what libsndfile refuses: AAC, WMA, MP4, WebM, 12- and 32-bit FLAC and the like."""

    def __init__(self, file: BinaryIO, refusal: RecordingError) -> None:
        import av

        self._av = av
        file.seek(0)
        try:
            self._container = av.open(io.FileIO(file.fileno(), closefd=False), mode="r")
        except (av.FFmpegError, ValueError) as err:
            raise refusal from err
        if not self._container.streams.audio:
            raise RecordingError("no_audio_stream", "the container holds no audio stream")
        self._stream = self._container.streams.audio[0]
        self.sample_rate = self._stream.codec_context.sample_rate or 0
        self.container = self._container.format.name
        if self._stream.codec_context.channels > MAX_CHANNELS:
            raise RecordingError("too_many_channels", f"{self._stream.codec_context.channels} channels")
        duration, base = self._stream.duration, self._stream.time_base
        self.declared_frames = round(duration * base * self.sample_rate) if duration and base else None

    def blocks(self) -> Iterator[Float32]:
        """Yield one block a decoded frame; damaged packets are skipped, which shows as missing duration."""
        n_read = 0
        n_channels = self._stream.codec_context.channels
        for packet in self._container.demux(self._stream):
            try:
                frames = packet.decode()
            except self._av.FFmpegError:
                continue
            for frame in frames:
                if frame.sample_rate != self.sample_rate or frame.layout.nb_channels != n_channels:
                    raise RecordingError("stream_changes", "sample rate or channels change in the middle of the stream")
                n_read += frame.samples
                yield _to_float32(frame.to_ndarray(), frame.format.is_planar, n_channels)
        if n_read == 0:
            raise RecordingError("corrupt", "no packet of the audio stream can be decoded")


def _to_float32(samples: NDArray[np.generic], is_planar: bool, n_channels: int) -> Float32:
    """Bring FFmpeg's sample formats to float32 of shape (n_frames, n_channels)."""
    frames = samples.T if is_planar else samples.reshape(-1, n_channels)
    if np.issubdtype(samples.dtype, np.integer):
        middle = 128.0 if samples.dtype == np.uint8 else 0.0
        full_scale = 2.0 ** (8 * samples.itemsize - 1)
        return ((frames.astype(np.float64) - middle) / full_scale).astype(np.float32)
    return frames.astype(np.float32)


def riff_frames(head: bytes, size: int) -> int | None:
    """Return the frames that a RIFF header promises, None where it does not say.

    libsndfile clamps a truncated WAV to what is there and reports no error; only the header tells what is missing.
    """
    if head[:4] not in (b"RIFF", b"RIFX") or head[8:12] != b"WAVE":
        return None
    order = "<" if head[:4] == b"RIFF" else ">"
    position, block_align = 12, 0
    while position + 8 <= len(head):
        name, length = head[position : position + 4], struct.unpack_from(order + "I", head, position + 4)[0]
        if name == b"fmt " and position + 22 <= len(head):
            block_align = struct.unpack_from(order + "H", head, position + 20)[0]
            tag = struct.unpack_from(order + "H", head, position + 8)[0]
            if tag not in (1, 3, 0xFFFE):
                return None
        if name == b"data":
            # 0 and 0xFFFFFFFF are what a crashed recorder and a pipe leave behind.
            known = block_align and length not in (0, 0xFFFFFFFF) and length > size - position - 8
            return length // block_align if known else None
        position += 8 + length + (length & 1)
    return None


def explain_refusal(head: bytes, reason: str) -> RecordingError:
    """Name the reason why libsndfile does not open a file, from its first bytes and its message."""
    if head.startswith(b"version https://git-lfs"):
        return RecordingError("not_audio", "a git-lfs pointer, not the recording: run git lfs pull")
    if not any(head[at : at + len(magic)] == magic for at, magic in _AUDIO_MAGIC):
        return RecordingError("not_audio", "the content is not audio")
    text = reason.lower()
    if "unimplemented" in text or "unsupported" in text or "unknown format" in text or head[4:8] == b"ftyp":
        hint = "" if importlib.util.find_spec("av") else f"; {_INSTALL_HINT}"
        return RecordingError("unsupported_encoding", f"libsndfile does not read this encoding{hint}")
    if head[:4] in (b"\x1aE\xdf\xa3", b"0&\xb2u", b"#!AM", b"MAC ", b"wvpk") or head[:2] in (b"\xff\xf1", b"\xff\xf9"):
        hint = "" if importlib.util.find_spec("av") else f"; {_INSTALL_HINT}"
        return RecordingError("unsupported_encoding", f"libsndfile does not read this container{hint}")
    if "channel" in text or "sample rate" in text or "samplerate" in text:
        return RecordingError("bad_header", reason)
    return RecordingError("corrupt", reason)
