"""The windows of one recording, with what the model says about each -> the row of the recording and of its segments."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from emosense.audio.reader import RecordingReader, Segment
from emosense.audio.speech import NO_SPEECH, Speech
from emosense.errors import RecordingError
from emosense.labelling.config import Labelled
from emosense.labelling.pooling import SpeechMean
from emosense.labelling.trust import QualityMeter
from emosense.tables.row import Row, error_row, labelled_row


class RecordingResult:
    """Collects the windows of one recording.

    Parameters
    ----------
    path : str
        Path of the recording, as listed.
    sample_rate : int
        Of the waveforms, in Hz.
    is_strict : bool
        Refuse a recording that could only be decoded in part.
    has_pauses : bool
        Whether what has no speech is a row of the segments too.
    own_emotions : tuple of str
        Emotions of the model beside `EMOTIONS`.
    """

    def __init__(
        self, path: str, sample_rate: int, *, is_strict: bool, has_pauses: bool = True,
        own_emotions: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        self._path, self._sample_rate, self._is_strict, self._has_pauses = path, sample_rate, is_strict, has_pauses
        self._own_emotions = own_emotions
        self._mean, self._segments, self._end_s = SpeechMean(), list[Row](), 0.0
        self._meter = QualityMeter(sample_rate)

    def add(
        self,
        segment: Segment,
        speech: Speech | None,
        probabilities: NDArray[np.float32] | None,
        distance: float | None,
    ) -> None:
        """Take a window into account.

        Parameters
        ----------
        segment : Segment
            Windows in order of time.
        speech : Speech or None
            Its speech; None without any.
        probabilities : ndarray, shape (n_emotions,), or None
            What the model predicts; None without speech.
        distance : float or None
            Its distance from the training recordings, >= 0; None if it was not measured.
        """
        self._meter.add(segment, distance)
        if speech is not None and probabilities is not None:
            new_s = segment.end_s - max(self._end_s, segment.start_s)
            self._mean.add(probabilities.astype(np.float64), speech, new_s / (segment.end_s - segment.start_s))
            own = QualityMeter(self._sample_rate)
            own.add(segment, distance)
            row = _segment_row(self._path, segment, speech, probabilities, own.figures())
            self._segments.append(dataclasses.replace(row, own_emotions=self._own_emotions))
        elif self._has_pauses:
            self._segments.append(_without_speech(self._path, segment.start_s, segment.end_s))
        self._end_s = segment.end_s

    def labelled(self, reader: RecordingReader) -> Labelled:
        """Return the rows of the recording, of which all windows were added.

        Parameters
        ----------
        reader : RecordingReader
            Has read the recording to its end.

        Returns
        -------
        Labelled

        Raises
        ------
        RecordingError
            If there is no speech, or, with ``strict``, if a part could not be decoded.
        """
        if (answer := self._mean.result()) is None:
            raise RecordingError("no_speech", NO_SPEECH)
        if reader.is_partial and self._is_strict:
            raise RecordingError("truncated", f"{reader.decoded_s:.3f} of {reader.duration_s:.3f} s could be decoded")
        row = labelled_row(
            self._path,
            answer.probabilities,
            reader.duration_s,
            reader.decoded_s,
            speech_s=answer.speech_s,
            is_partial=reader.is_partial,
            quality=self._meter.figures(),
            own_emotions=self._own_emotions,
        )
        return Labelled(row, tuple(self._counted(answer.is_counted))).with_agreement()

    def _counted(self, is_counted: NDArray[np.bool_]) -> Iterator[Row]:
        """Yield the rows of the segments; a label that does not count is none."""
        counted = iter(is_counted)
        for row in self._segments:
            is_quiet = row.emotion and not next(counted)
            if not is_quiet:
                yield row
            elif self._has_pauses:
                yield _without_speech(row.path, row.start_s, row.end_s)


def _segment_row(
    path: str, segment: Segment, speech: Speech, probabilities: NDArray[np.float32], quality: tuple[float | None, ...]
) -> Row:
    length_s = segment.end_s - segment.start_s
    return labelled_row(
        path,
        probabilities,
        length_s,
        length_s,
        start_s=segment.start_s,
        end_s=segment.end_s,
        quality=quality,
        speech_s=speech.speech_s,
    )


def _without_speech(path: str, start_s: float | None, end_s: float | None) -> Row:
    return error_row(path, RecordingError("no_speech", NO_SPEECH), start_s, end_s)
