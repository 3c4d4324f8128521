"""One recording -> its row: the whole data path on one screen.

    path -> RecordingReader (mono waveform, windows) -> find_speech, or utterances -> FeatureSet.compute (features)
         -> Model (probabilities) -> ChannelResults -> Row, or a row for each channel

Every engine labels with `RecordingLabeller.label_recording`.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator

from emosense.audio.reader import RecordingReader
from emosense.audio.segment import Segment
from emosense.audio.speech import Speech, find_speech
from emosense.audio.utterances import utterances
from emosense.errors import RECORDING_FAULTS, as_recording_error
from emosense.features.sets import FEATURE_SETS
from emosense.inputs.member_reading import MemberReader
from emosense.inputs.recording import Recording, open_recording
from emosense.labelling.config import LabelConfig
from emosense.labelling.labelled import Labelled
from emosense.labelling.recording_result import ChannelResults
from emosense.labelling.work_budget import WorkBudget
from emosense.models.model import Model


class RecordingLabeller:
    """A model and the settings to label with.

    Parameters
    ----------
    model : Model
    config : LabelConfig
    on_progress : callable, optional
        Called after every window, which distinguishes a long recording from one that hangs.
    file_timeout_s : float
        Give up a recording that takes more CPU time than this without yielding a label, in seconds.

    Attributes
    ----------
    position_s : float
        How far the current recording is labelled, in seconds.
    n_tracks : int
        Audio tracks of the current recording, as far as they are known.
    bug : str
        Traceback of the current recording if its row is ``internal_error``; else empty.
    """

    def __init__(
        self,
        model: Model,
        config: LabelConfig,
        on_progress: Callable[[], None] = lambda: None,
        file_timeout_s: float = float("inf"),
    ) -> None:
        self._model, self._config, self._on_progress = model, config, on_progress
        self._file_timeout_s, self.position_s, self.n_tracks, self.bug = file_timeout_s, 0.0, 1, ""
        self._members = MemberReader()
        self._window_s = config.window_s or model.window_s
        self._hop_s = min(config.hop_s or self._window_s, self._window_s)

    def expect(self, recordings: Iterable[Recording]) -> None:
        """Say what is labelled next: recordings that lie behind each other in an archive are fetched together.

        Parameters
        ----------
        recordings : iterable of Recording
            In order.
        """
        self._members.expect(recordings)

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
        model, config, rate = self._model, self._config, self._model.sample_rate
        result = ChannelResults(recording.path, config, model.own_emotions)
        budget, self.position_s, self.n_tracks, self.bug = WorkBudget(self._file_timeout_s), 0.0, 1, ""
        try:
            with open_recording(recording, self._on_progress, self._members) as file:
                reader = RecordingReader(
                    file, rate, config.max_duration_s, channels=config.channels, track=config.track,
                    name=recording.path, on_block=self._on_progress,
                )  # fmt: skip
                self.n_tracks = reader.n_tracks
                result.start(reader)
                for segment, speech in self._pieces(reader):
                    budget.check(segment.end_s)
                    probabilities = distance = None
                    if speech is not None:
                        features = [
                            FEATURE_SETS[each.set].compute(
                                speech.waveform if each.speech_only else segment.waveform, each
                            )
                            for each in model.features
                        ]
                        probabilities, distance = model.predict(features)
                        budget.renew(segment.end_s)
                    result.add(segment, speech, probabilities, distance)
                    self.position_s = segment.end_s
                    self._on_progress()
            return result.labelled()
        except RECORDING_FAULTS as err:
            error = as_recording_error(err)
            if error.code == "internal_error":
                self.bug = traceback.format_exc()
            return result.failed(error)

    def _pieces(self, reader: RecordingReader) -> Iterator[tuple[Segment, Speech | None]]:
        """Yield windows, or utterances and the pauses between them, each with its speech."""
        if self._config.segment_by == "speech":
            return utterances(reader, *self._config.utterance_range_s(self._model.window_s))
        windows = reader.segments(self._window_s, self._hop_s)
        return ((window, find_speech(window.waveform, reader.sample_rate)) for window in windows)
