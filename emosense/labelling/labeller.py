"""One recording -> its row: the whole way of the data on one screen.

    path -> RecordingReader (mono waveform, windows) -> FeatureSet.compute (features) -> Model (probabilities) -> Row

Every engine calls `Labeller.label` and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from emosense.audio.reader import SILENCE_PEAK, RecordingReader, Segment
from emosense.errors import RECORDING_FAULTS, RecordingError, as_recording_error
from emosense.features.sets import FEATURE_SETS
from emosense.inputs.recording import Recording, open_recording
from emosense.labelling.config import LabelConfig, Labelled
from emosense.labelling.trust import QualityMeter
from emosense.models.model import Model
from emosense.tables.row import Row, error_row, labelled_row


class Labeller:
    """A model with its parameters, ready to label.

    Parameters
    ----------
    model : Model
    config : LabelConfig
    on_progress : callable, optional
        Called after every window, so that a long recording can be told from one that hangs.
    """

    def __init__(self, model: Model, config: LabelConfig, on_progress: Callable[[], None] = lambda: None) -> None:
        self._model, self._config, self._on_progress = model, config, on_progress
        self._window_s = config.window_s or model.window_s
        self._hop_s = min(config.hop_s or self._window_s, self._window_s)

    def label(self, recording: Recording) -> Labelled:
        """Label one recording; what is wrong with it becomes its row.

        Raises
        ------
        StorageError
            If storage does not answer: that is no property of the recording.
        """
        try:
            return self._label(recording)
        except RECORDING_FAULTS as err:
            return Labelled(error_row(recording.path, as_recording_error(err)))

    def _label(self, recording: Recording) -> Labelled:
        total, weight_s, segments, measured_s = np.zeros(8), 0.0, [], 0.0
        meter = QualityMeter(self._model.sample_rate) if self._config.quality else None
        with open_recording(recording, self._on_progress) as file:
            reader = RecordingReader(
                file, self._model.sample_rate, self._config.max_duration_s, on_block=self._on_progress
            )
            for segment in reader.segments(self._window_s, self._hop_s):
                probabilities, distance = self._hear(segment)
                length_s = segment.end_s - segment.start_s
                if meter:
                    # Windows may overlap; what a recording is like is measured once.
                    n_known = round(max(0.0, measured_s - segment.start_s) * reader.sample_rate)
                    meter.add(segment.waveform[n_known:], distance, length_s)
                    measured_s = segment.end_s
                if probabilities is not None:
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

    def _hear(self, segment: Segment) -> tuple[NDArray[np.float64] | None, float | None]:
        """Probabilities of one segment, None for digital silence, and its distance from the training recordings."""
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
