"""One recording -> its row: the whole data path on one screen.

    path -> RecordingReader (mono waveform, windows) -> find_speech -> FeatureSet.compute (features)
         -> Model (probabilities) -> SpeechMean -> Row

Every engine labels with `Labeller.label_recording`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from emosense.audio.reader import RecordingReader, Segment
from emosense.audio.speech import NO_SPEECH, Speech, find_speech
from emosense.errors import RECORDING_FAULTS, RecordingError, as_recording_error
from emosense.features.sets import FEATURE_SETS
from emosense.inputs.recording import Recording, open_recording
from emosense.labelling.config import LabelConfig, Labelled
from emosense.labelling.pooling import SpeechMean
from emosense.labelling.trust import QualityMeter
from emosense.models.model import Model
from emosense.tables.row import Row, error_row, labelled_row


class Labeller:
    """A model and the settings to label with.

    Parameters
    ----------
    model : Model
    config : LabelConfig
    on_progress : callable, optional
        Called after every window, which distinguishes a long recording from one that hangs.
    """

    def __init__(self, model: Model, config: LabelConfig, on_progress: Callable[[], None] = lambda: None) -> None:
        self._model, self._config, self._on_progress = model, config, on_progress
        self._window_s = config.window_s or model.window_s
        self._hop_s = min(config.hop_s or self._window_s, self._window_s)

    def label_recording(self, recording: Recording) -> Labelled:
        """Label one recording.

        Parameters
        ----------
        recording : Recording

        Returns
        -------
        Labelled
            With an error row if the recording cannot be labelled.

        Raises
        ------
        StorageError
            If storage does not answer: that is not a property of the recording.
        """
        try:
            return self._label(recording)
        except RECORDING_FAULTS as err:
            return Labelled(error_row(recording.path, as_recording_error(err)))

    def _label(self, recording: Recording) -> Labelled:
        mean, segments, end_s = SpeechMean(), [], 0.0
        meter = QualityMeter(self._model.sample_rate) if self._config.quality else None
        with open_recording(recording, self._on_progress) as file:
            reader = RecordingReader(
                file, self._model.sample_rate, self._config.max_duration_s, on_block=self._on_progress
            )
            for segment in reader.segments(self._window_s, self._hop_s):
                speech = find_speech(segment.waveform, reader.sample_rate)
                probabilities, distance = (None, None) if speech is None else self._predict(segment, speech)
                if meter:
                    meter.add(segment, distance)
                if speech is not None and probabilities is not None:
                    new_s = segment.end_s - max(end_s, segment.start_s)
                    mean.add(probabilities, speech, new_s / (segment.end_s - segment.start_s))
                if self._config.segments:
                    segments.append(_segment_row(recording.path, segment, speech, probabilities))
                end_s = segment.end_s
                self._on_progress()
        if (answer := mean.result()) is None:
            raise RecordingError("no_speech", NO_SPEECH)
        if reader.is_partial and self._config.strict:
            raise RecordingError("truncated", f"{reader.decoded_s:.3f} of {reader.duration_s:.3f} s could be decoded")
        row = labelled_row(
            recording.path,
            answer[0],
            reader.duration_s,
            reader.decoded_s,
            speech_s=answer[1],
            is_partial=reader.is_partial,
            quality=meter.figures() if meter else (),
        )
        return Labelled(row, tuple(segments))

    def _predict(self, segment: Segment, speech: Speech) -> tuple[NDArray[np.float64], float | None]:
        """Probabilities of one segment, and its distance from the training recordings where that is asked for."""
        features = [
            FEATURE_SETS[config.set].compute(speech.waveform if config.speech_only else segment.waveform, config)
            for config in self._model.features
        ]
        statistics = self._model.statistics if self._config.quality else None
        distance = statistics.distance(features[0]) if statistics else None
        return self._model.probabilities(features).astype(np.float64), distance


def _segment_row(path: str, segment: Segment, speech: Speech | None, probabilities: NDArray[np.float64] | None) -> Row:
    if speech is None or probabilities is None:
        return error_row(path, RecordingError("no_speech", NO_SPEECH), segment.start_s, segment.end_s)
    start_s, end_s = segment.start_s, segment.end_s
    length_s = end_s - start_s
    return labelled_row(path, probabilities, length_s, length_s, start_s=start_s, end_s=end_s, speech_s=speech.speech_s)
