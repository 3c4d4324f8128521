"""The windows of one recording, with what the model says about each -> the row of the recording and of its segments."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from emosense.audio.reader import RecordingReader
from emosense.audio.segment import Segment
from emosense.audio.speech import NO_SPEECH, Speech
from emosense.errors import RecordingError
from emosense.labelling.config import LabelConfig
from emosense.labelling.labelled import Labelled
from emosense.labelling.pooling import SpeechMean
from emosense.labelling.trust import QualityMeter
from emosense.tables.row import Row, error_row, labelled_row


class ChannelResults:
    """Collects the windows of one recording, by channel where channels are split.

    Parameters
    ----------
    path : str
        Path of the recording, as listed.
    config : LabelConfig
    own_emotions : tuple of str
        Emotions of the model beside `EMOTIONS`.
    """

    def __init__(self, path: str, config: LabelConfig, own_emotions: tuple[str, ...] = ()) -> None:
        self._path, self._config, self._own_emotions = path, config, own_emotions
        self._results: dict[int | None, RecordingResult] = {}

    def start(self, reader: RecordingReader) -> None:
        """Say what reads the recording, before the first window.

        Parameters
        ----------
        reader : RecordingReader
        """
        self._results = {
            channel: RecordingResult(self._path, self._config, self._own_emotions, reader, channel)
            for channel in reader.channels
        }

    def add(
        self,
        segment: Segment,
        speech: Speech | None,
        probabilities: NDArray[np.float32] | None,
        distance: float | None,
    ) -> None:
        """Take a window of a channel into account; as `RecordingResult.add`.

        Parameters
        ----------
        segment : Segment
            Windows of each channel in order of time.
        speech : Speech or None
            Its speech; None without any.
        probabilities : ndarray, shape (n_heads * n_emotions,), or None
            What each head of the model predicts; None without speech.
        distance : float or None
            Its distance from the training recordings, >= 0; None if it was not measured.
        """
        self._results[segment.channel].add(segment, speech, probabilities, distance)

    def labelled(self) -> Labelled:
        """Return the rows of the recording, which was read to its end; a channel without a label has an error row.

        Returns
        -------
        Labelled
        """
        return self._joined(lambda channel: self._results[channel].labelled())

    def failed(self, error: RecordingError) -> Labelled:
        """Return an error row, for each channel if they are known.

        Parameters
        ----------
        error : RecordingError
            Why the recording cannot be labelled.

        Returns
        -------
        Labelled
        """
        return self._joined(lambda _: Labelled(error_row(self._path, error)))

    def _joined(self, result_of: Callable[[int | None], Labelled]) -> Labelled:
        results = []
        for channel in self._results or (None,):
            try:
                labelled = result_of(channel)
            except RecordingError as err:
                labelled = Labelled(error_row(self._path, err))
            if channel is not None:
                labelled = labelled.of_channel(channel)
            results.append(labelled)
        return Labelled.of_channels(results)


class RecordingResult:
    """Collects the windows of one recording, or of one of its channels.

    Parameters
    ----------
    path : str
        Path of the recording, as listed.
    config : LabelConfig
    own_emotions : tuple of str
        Emotions of the model beside `EMOTIONS`.
    reader : RecordingReader
        Reads the recording.
    channel : int or None
        Its channel, from 1, where channels are split.
    """

    def __init__(
        self, path: str, config: LabelConfig, own_emotions: tuple[str, ...], reader: RecordingReader,
        channel: int | None,
    ) -> None:  # fmt: skip
        self._path, self._own_emotions, self._reader, self._channel = path, own_emotions, reader, channel
        # With utterances, what lies between them is no segment.
        self._is_strict, self._has_pauses = config.strict, config.segment_by == "window"
        self._mean, self._segments, self._end_s = SpeechMean(), list[Row](), 0.0
        self._meter = QualityMeter(reader.sample_rate)

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
        probabilities : ndarray, shape (n_heads * n_emotions,), or None
            What each head of the model predicts; None without speech.
        distance : float or None
            Its distance from the training recordings, >= 0; None if it was not measured.
        """
        own = self._meter.add(segment, distance)
        if speech is not None and probabilities is not None:
            new_s = segment.end_s - max(self._end_s, segment.start_s)
            self._mean.add(probabilities.astype(np.float64), speech, new_s / (segment.end_s - segment.start_s))
            clipping_ratio = self._reader.clipping.ratio_between(segment.start_s, segment.end_s, self._channel)
            figures = own.figures(clipping_ratio)
            row = _segment_row(self._path, segment, speech, probabilities, figures, self._own_emotions)
            self._segments.append(row)
        elif self._has_pauses:
            self._segments.append(_without_speech(self._path, segment.start_s, segment.end_s))
        self._end_s = segment.end_s

    def labelled(self) -> Labelled:
        """Return the rows of the recording, of which all windows were added.

        Returns
        -------
        Labelled

        Raises
        ------
        RecordingError
            If there is no speech, or, with ``strict``, if a part could not be decoded.
        """
        reader = self._reader
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
            quality=self._meter.figures(reader.clipping.ratio(self._channel)),
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
    path: str, segment: Segment, speech: Speech, probabilities: NDArray[np.float32], quality: tuple[float | None, ...],
    own_emotions: tuple[str, ...],
) -> Row:  # fmt: skip
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
        own_emotions=own_emotions,
    )


def _without_speech(path: str, start_s: float | None, end_s: float | None) -> Row:
    return error_row(path, RecordingError("no_speech", NO_SPEECH), start_s, end_s)
