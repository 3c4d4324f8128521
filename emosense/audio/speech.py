"""Waveform -> its speech, without mains hum and what lies below the voice.

What a model takes of a recording is cut to this. `emosense.audio.speech_detector` decides which frames are speech.
"""

from __future__ import annotations

import dataclasses
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emosense.arrays import Float32
from emosense.audio.high_pass import high_pass
from emosense.audio.hum import without_hum
from emosense.audio.silence import is_silent
from emosense.audio.speech_detector import FRAME_S, frame_length, speech_frames
from emosense.errors import RecordingError

# Less speech than this is none: a click, or a guess.
MIN_SPEECH_S: Final = 0.12
NO_SPEECH: Final = f"less than {MIN_SPEECH_S} s of speech was found"
# What stays before the first and after the last frame of speech.
MARGIN_S: Final = 0.15
_SILENT_DB: Final = -200.0
# What is left of a frame after hum was removed is rounding, and no speech, if it is this much below what the frame was,
# or around the steps of a 16-bit file.
_RESIDUE_DB: Final = -55.0
_STEPS_DB: Final = -90.0


@dataclasses.dataclass(frozen=True, slots=True)
class Speech:
    """The speech of a waveform.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float32
        From a little before the first frame of speech to a little after the last one; what lies below the voice and
        mains hum are removed.
    speech_s : float
        Seconds of speech in it, pauses not counted.
    level_db : float
        Level of its loudest frame of speech, in dB below a full-scale sine.
    """

    waveform: Float32
    speech_s: float
    level_db: float


@dataclasses.dataclass(frozen=True, slots=True)
class Listened:
    """A waveform and what the detector says about its frames, one after the other.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float32
        Without mains hum and what lies below the voice.
    is_speech : ndarray, shape (n_frames,), bool
        Which frames are speech; the last one may be shorter than the others.
    level_db : ndarray, shape (n_frames,), float32
        Level of each frame, in dB below a full-scale sine.
    frame : int
        Samples per frame.
    """

    waveform: Float32
    is_speech: NDArray[np.bool_]
    level_db: Float32
    frame: int

    def part(self, first: int, end: int | None) -> Listened:
        """Cut a part out.

        Parameters
        ----------
        first, end : int
            Frames; None for the end of the waveform.

        Returns
        -------
        Listened
        """
        last = None if end is None else end * self.frame
        waveform = self.waveform[first * self.frame : last]
        return Listened(waveform, self.is_speech[first:end], self.level_db[first:end], self.frame)

    def followed_by(self, after: Listened) -> Listened:
        """Append what follows.

        Parameters
        ----------
        after : Listened
            Of the same recording.

        Returns
        -------
        Listened
        """
        return Listened(
            np.concatenate((self.waveform, after.waveform)),
            np.concatenate((self.is_speech, after.is_speech)),
            np.concatenate((self.level_db, after.level_db)),
            self.frame,
        )

    def speech(self, sample_rate: int) -> Speech | None:
        """Cut the waveform to its speech.

        Parameters
        ----------
        sample_rate : int
            Hz.

        Returns
        -------
        Speech or None
            None where there is less than `MIN_SPEECH_S` of speech.
        """
        frames = np.flatnonzero(self.is_speech)
        speech_s = min(len(frames) * FRAME_S, len(self.waveform) / sample_rate)
        if speech_s < MIN_SPEECH_S:
            return None
        margin = round(MARGIN_S * sample_rate)
        first, last = int(frames[0]) * self.frame - margin, (int(frames[-1]) + 1) * self.frame + margin
        return Speech(self.waveform[max(0, first) : last], speech_s, float(self.level_db[frames].max()))


def listen(waveform: Float32, sample_rate: int) -> Listened:
    """Remove mains hum and what lies below the voice, and tell which frames are speech.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float32 in [-1, 1]
        Mono.
    sample_rate : int
        Hz, at least 8000.

    Returns
    -------
    Listened
    """
    frame = frame_length(sample_rate)
    if is_silent(waveform):
        n_frames = -(-len(waveform) // frame)
        return Listened(waveform, np.zeros(n_frames, bool), np.full(n_frames, _SILENT_DB, np.float32), frame)
    filtered = high_pass(waveform, sample_rate)
    is_speech, level_db = speech_frames(filtered, sample_rate)
    cleaned = without_hum(filtered, _pauses(is_speech, len(filtered), sample_rate), sample_rate)
    if cleaned is not filtered:
        before_db = level_db
        is_speech, level_db = speech_frames(cleaned, sample_rate)
        is_speech &= level_db > np.maximum(before_db + _RESIDUE_DB, _STEPS_DB)
    return Listened(cleaned, is_speech, level_db, frame)


def find_speech(waveform: Float32, sample_rate: int) -> Speech | None:
    """Cut a waveform to its speech, without mains hum and what lies below the voice.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float32 in [-1, 1]
        Mono.
    sample_rate : int
        Hz, at least 8000.

    Returns
    -------
    Speech or None
        None where there is less than `MIN_SPEECH_S` of speech.
    """
    return listen(waveform, sample_rate).speech(sample_rate)


def speech_of(waveform: Float32, sample_rate: int) -> Float32:
    """Cut a waveform to its speech; as `find_speech`, for a whole recording.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float32 in [-1, 1]
        Mono.
    sample_rate : int
        Hz, at least 8000.

    Returns
    -------
    ndarray, shape (n_samples,), float32
        The speech.

    Raises
    ------
    RecordingError
        ``no_speech`` where there is none.
    """
    speech = find_speech(waveform, sample_rate)
    if speech is None:
        raise RecordingError("no_speech", NO_SPEECH)
    return speech.waveform


def _pauses(is_speech: NDArray[np.bool_], n_samples: int, sample_rate: int) -> NDArray[np.bool_]:
    """Which samples lie in frames that are no speech and have none beside them."""
    near = is_speech.copy()
    near[1:] |= is_speech[:-1]
    near[:-1] |= is_speech[1:]
    return np.repeat(~near, frame_length(sample_rate))[:n_samples]
