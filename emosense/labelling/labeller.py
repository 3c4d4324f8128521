"""One recording -> its row: the whole data path on one screen.

    path -> RecordingReader (mono waveform, windows) -> FeatureSet.compute (features) -> Model (probabilities) -> Row

Every engine labels with `Labeller.label_recording`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from emosense.audio.mono import SILENCE_PEAK
from emosense.audio.reader import RecordingReader, Segment
from emosense.emotions import EMOTIONS
from emosense.errors import RECORDING_FAULTS, RecordingError, as_recording_error
from emosense.features.sets import FEATURE_SETS
from emosense.inputs.recording import Recording, open_recording
from emosense.labelling.config import LabelConfig, Labelled
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
        total, weight_s, segments = np.zeros(len(EMOTIONS)), 0.0, []
        meter = QualityMeter(self._model.sample_rate) if self._config.quality else None
        with open_recording(recording, self._on_progress) as file:
            reader = RecordingReader(
                file, self._model.sample_rate, self._config.max_duration_s, on_block=self._on_progress
            )
            for segment in reader.segments(self._window_s, self._hop_s):
                probabilities, distance = self._predict(segment)
                if meter:
                    meter.add(segment, distance)
                if probabilities is not None:
                    length_s = segment.end_s - segment.start_s
                    total += probabilities * length_s
                    weight_s += length_s
                if self._config.segments:
                    segments.append(_segment_row(recording.path, segment, probabilities))
                self._on_progress()
        if not weight_s:
            raise RecordingError("no_speech", "no window of the recording has any sound")
        if reader.is_partial and self._config.strict:
            raise RecordingError("truncated", f"{reader.decoded_s:.3f} of {reader.duration_s:.3f} s could be decoded")
        row = labelled_row(
            recording.path,
            total / weight_s,
            reader.duration_s,
            reader.decoded_s,
            is_partial=reader.is_partial,
            quality=meter.figures() if meter else (),
        )
        return Labelled(row, tuple(segments))

    def _predict(self, segment: Segment) -> tuple[NDArray[np.float64] | None, float | None]:
        """Probabilities of one segment, and its distance from the training recordings; None for digital silence."""
        if np.abs(segment.waveform).max() < SILENCE_PEAK:
            return None, None
        features = [FEATURE_SETS[config.set].compute(segment.waveform, config) for config in self._model.features]
        statistics = self._model.statistics if self._config.quality else None
        distance = statistics.distance(features[0]) if statistics else None
        return self._model.probabilities(features).astype(np.float64), distance


def _segment_row(path: str, segment: Segment, probabilities: NDArray[np.float64] | None) -> Row:
    if probabilities is None:
        error = RecordingError("no_speech", "digital silence has no emotion")
        return error_row(path, error, segment.start_s, segment.end_s)
    length_s = segment.end_s - segment.start_s
    return labelled_row(path, probabilities, length_s, length_s, start_s=segment.start_s, end_s=segment.end_s)
