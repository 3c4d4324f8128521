"""Recordings -> one embedding each, as labelling makes them: of their windows, weighted by the speech in each."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from emosense.arrays import Float32
from emosense.audio.reader import RecordingReader
from emosense.audio.speech import NO_SPEECH, find_speech
from emosense.errors import RecordingError
from emosense.features.sets import extract
from emosense.inputs.recording import Recording, open_recording
from emosense.models.head import EMBEDDING
from emosense.models.model import Model, input_names
from emosense.onnx_session import open_session, run_session


@dataclasses.dataclass(frozen=True, slots=True)
class Embedder:
    """A model whose embeddings are computed.

    Parameters
    ----------
    model : Model
        Says which features, and how long a window is.
    session : onnxruntime.InferenceSession
        A graph of the same inputs with the output ``embedding``.
    """

    model: Model
    session: Any

    @classmethod
    def of(cls, model: Model, weights: bytes) -> Embedder:
        """Load a graph.

        Parameters
        ----------
        model : Model
        weights : bytes
            ONNX graph of the same inputs with the output ``embedding``.

        Returns
        -------
        Embedder
        """
        return cls(model, open_session(weights))

    def embedding(self, recording: Recording) -> Float32:
        """Compute the embedding of a recording.

        Parameters
        ----------
        recording : Recording

        Returns
        -------
        ndarray, shape (n_dims,), float32

        Raises
        ------
        RecordingError
            If the recording cannot be read, or has no speech.
        """
        names = input_names(len(self.model.features))
        embeddings, seconds = [], []
        with open_recording(recording) as file:
            reader = RecordingReader(file, self.model.sample_rate)
            for segment in reader.segments(self.model.window_s, self.model.window_s):
                speech = find_speech(segment.waveform, reader.sample_rate)
                if speech is None:
                    continue
                features = (
                    extract(speech.waveform if config.speech_only else segment.waveform, config)
                    for config in self.model.features
                )
                feeds = {name: values[np.newaxis] for name, values in zip(names, features, strict=True)}
                embeddings.append(run_session(self.session, EMBEDDING, feeds, "model")[0])
                seconds.append(speech.speech_s)
        if not embeddings:
            raise RecordingError("no_speech", NO_SPEECH)
        return np.average(embeddings, axis=0, weights=seconds).astype(np.float32)
