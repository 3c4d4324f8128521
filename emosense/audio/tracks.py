"""Which audio track of a container is read: the one that is asked for, else its default, else the first that works."""

from __future__ import annotations

from typing import Any, Final

from emosense.errors import RecordingError

_PROTECTED_TAGS: Final = ("drms", "enca")


def track_order(container: Any, track: int) -> list[int]:
    """Return the audio tracks in the order in which they are tried.

    Parameters
    ----------
    container : av.container.InputContainer
        The open container.
    track : int
        Number of the track that is asked for, from 1; 0 for the default of the container.

    Returns
    -------
    list of int
        Places among the audio tracks, those that the container marks as default first.

    Raises
    ------
    RecordingError
        ``no_audio_stream``, or ``no_track`` if there is no track of that number.
    """
    streams = container.streams.audio
    if not streams:
        raise RecordingError("no_audio_stream", "the container holds no audio stream")
    if track > len(streams):
        raise RecordingError(*no_track(track, len(streams)))
    if track:
        return [track - 1]
    default = type(streams[0].disposition).default
    return sorted(range(len(streams)), key=lambda i: not streams[i].disposition & default)


def no_track(track: int, n_tracks: int) -> tuple[str, str]:
    """Return the error of a recording that lacks a track.

    Parameters
    ----------
    track : int
        Number of the track that is asked for, from 1.
    n_tracks : int
        Number of audio tracks of the recording.

    Returns
    -------
    code, text : str
        Of a `RecordingError`.
    """
    return "no_track", f"there is no audio track {track}: the recording has {n_tracks}"


def track_fault(stream: Any) -> RecordingError | None:
    """Return why a track cannot be decoded.

    Parameters
    ----------
    stream : av.AudioStream
        The track.

    Returns
    -------
    RecordingError or None
        None if a decoder may try.
    """
    if stream.codec_context is None:
        return RecordingError("unsupported_encoding", "FFmpeg has no decoder for the audio stream")
    if _is_protected(stream):
        return RecordingError("unsupported_encoding", "the audio is protected (DRM)")
    return None


def _is_protected(stream: Any) -> bool:
    """Whether an MP4 says that its audio is encrypted; a tag that is not text is damaged."""
    try:
        return stream.codec_context.codec_tag in _PROTECTED_TAGS
    except UnicodeDecodeError:
        return False
