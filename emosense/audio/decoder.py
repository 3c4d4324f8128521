"""One open file -> blocks of samples: which decoder reads it, how long its header says it is, and why it is refused.

libsndfile reads what it can. FFmpeg reads the rest, and continues where libsndfile stops. Both give float32 blocks of
shape (n_frames, n_channels) in bounded memory, whatever the header claims.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import BinaryIO, Final, Protocol

import soundfile

from emosense.arrays import Float32
from emosense.audio.content import Content
from emosense.audio.ffmpeg import FFmpegDecoder
from emosense.audio.file_type import header_fault, start_fault
from emosense.audio.joined import Part, recordings
from emosense.audio.joined_decoder import JoinedDecoder
from emosense.audio.ogg import OggStream
from emosense.audio.sound_file import SoundFileDecoder
from emosense.audio.tracks import no_track
from emosense.errors import RecordingError

MIN_SAMPLE_RATE_HZ: Final = 1_000
MAX_SAMPLE_RATE_HZ: Final = 768_000


class Decoder(Protocol):
    """An open recording.

    Attributes
    ----------
    sample_rate : int
        Hz, within `MIN_SAMPLE_RATE_HZ` and `MAX_SAMPLE_RATE_HZ`.
    n_channels : int
        Channels of the blocks, at least 1.
    declared_frames : int or None
        Length by the container; None if it does not say.
    tolerance_s : float
        How much shorter than declared an undamaged recording may be, in seconds.
    is_broken : bool
        Whether the stream stopped before its end; known when `blocks` has ended.
    n_tracks : int
        Audio tracks of the file, at least 1; one of them is read.
    n_lost : int
        Frames given so far that are silent because the file lacks the packets of that time.
    """

    sample_rate: int
    n_channels: int
    declared_frames: int | None
    tolerance_s: float
    is_broken: bool
    n_tracks: int
    n_lost: int

    def blocks(self) -> Iterator[Float32]:
        """Yield float32 blocks of shape (n_frames, n_channels) until the stream ends or cannot be decoded further.

        Raises
        ------
        RecordingError
            ``corrupt`` if nothing can be decoded, ``stream_changes`` if sample rate or channels change in the middle.
        """
        ...


def open_decoder(file: BinaryIO, track: int = 0, name: str = "") -> Decoder:
    """Open a regular file with the first decoder that accepts it.

    Parameters
    ----------
    file : binary file
        Opened for reading; it has a descriptor.
    track : int
        Number of the audio track of a container, from 1; 0 for its default, or the first that can be decoded.
    name : str
        Name of the file, which is all that tells raw samples from anything else.

    Returns
    -------
    Decoder
        The open recording.

    Raises
    ------
    RecordingError
        ``empty_file``, ``not_audio``, ``corrupt``, ``bad_header``, ``bad_sample_rate``, ``too_many_channels``,
        ``no_samples``, ``unsupported_encoding``, ``no_audio_stream`` or ``no_track``.
    """
    content = Content.of(file.fileno())
    if content.size == 0:
        raise RecordingError("empty_file", "the file has zero bytes")
    fault = start_fault(content, name)
    if fault is not None:
        raise fault
    decoder = _whole_file(content, track)
    if not MIN_SAMPLE_RATE_HZ <= decoder.sample_rate <= MAX_SAMPLE_RATE_HZ:
        raise RecordingError("bad_sample_rate", f"the header says {decoder.sample_rate} Hz")
    return decoder


def _whole_file(content: Content, track: int) -> Decoder:
    """Return the decoder of the recording in a file, or of all of those that were joined in it."""
    parts = recordings(content)
    opened = functools.partial(_part_decoder, track=track)
    return opened(parts[0]) if len(parts) == 1 else JoinedDecoder(parts, opened)


def _part_decoder(part: Part, track: int) -> Decoder:
    """Return the decoder of one recording; what was lost in it may show in the file alone."""
    decoder = _first_decoder(part.content(), part.stream, track)
    decoder.is_broken |= part.is_damaged()
    return decoder


def _first_decoder(content: Content, stream: OggStream | None, track: int) -> Decoder:
    """Return libsndfile where it reads all of one recording, otherwise FFmpeg."""
    try:
        decoder = SoundFileDecoder(content, stream)
    except soundfile.LibsndfileError as err:
        fault = header_fault(content)
        if fault is not None:
            raise fault from err
        other = FFmpegDecoder(content, _refusal(str(err)), track)
        other.is_broken |= stream is not None and not stream.is_whole
        return other
    if decoder.loses_samples:
        return FFmpegDecoder(content, RecordingError("no_samples", "no samples can be decoded"), track)
    if track > 1:
        raise RecordingError(*no_track(track, 1))
    return decoder


def _refusal(reason: str) -> RecordingError:
    """Return the error of a recording that libsndfile does not open, from libsndfile's message: it has no other."""
    text = reason.lower()
    # libsndfile calls a WAV of an unknown encoding malformed.
    if any(word in text for word in ("unimplemented", "unsupported", "unknown format", "malformed 'fmt ' chunk")):
        return RecordingError("unsupported_encoding", "libsndfile does not read this encoding")
    return RecordingError("corrupt", reason.rpartition(": ")[2].rstrip("."))
