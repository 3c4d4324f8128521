"""ONNX weights and feature tables -> probabilities.

Predictions are always made with the exported ONNX graph, one recording per call, as labelling does with recordings of
up to a model's window: what is measured is what is shipped.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from emosense.arrays import Float64
from emosense.evaluation.speaker_predictions import SpeakerPredictions
from emosense.evaluation.voice_adaptation import VoiceAdaptation
from emosense.models.model import input_names
from emosense.models.speaker_head import SPEAKER_PROBABILITIES, read_speaker_head
from emosense.onnx_session import open_session
from emosense.training.features.table import FeatureTable
from emosense.training.graph_builder import PROBABILITIES


def predict(weights: bytes, tables: Sequence[FeatureTable], n_classes: int) -> Float64:
    """Return the probabilities of the classes for each utterance.

    Parameters
    ----------
    weights : bytes
        Graph of a model.
    tables : sequence of FeatureTable
        The same utterances in each; one for every feature set that the model takes, in the order of its inputs.
    n_classes : int
        Number of classes.

    Returns
    -------
    ndarray, shape (n_utterances, n_classes), float64 in [0, 1]
        Each row sums to 1.
    """
    return predict_with_heads(weights, tables, n_classes)[0]


def predict_with_heads(
    weights: bytes, tables: Sequence[FeatureTable], n_classes: int
) -> tuple[Float64, SpeakerPredictions | None]:
    """Return the probabilities of the classes for each utterance by each head of a model.

    Parameters
    ----------
    weights, tables, n_classes
        As in `predict`.

    Returns
    -------
    probabilities : ndarray, shape (n_utterances, n_classes), float64 in [0, 1]
        As in `predict`.
    second : SpeakerPredictions or None
        Those of the speaker head, if the model has one.
    """
    session, speaker_head = open_session(weights), read_speaker_head(weights)
    outputs = [PROBABILITIES, *([SPEAKER_PROBABILITIES] if speaker_head else [])]
    names, found = input_names(len(tables)), []
    for utterance in zip(*(table.features for table in tables), strict=True):
        feeds = {name: features[np.newaxis] for name, features in zip(names, utterance, strict=True)}
        found.append([values[0] for values in session.run(outputs, feeds)])
    n = len(tables[0])
    probabilities = np.array(found, np.float64).reshape(n, len(outputs), n_classes)
    if speaker_head is None:
        return probabilities[:, 0], None
    of_classes = VoiceAdaptation.of_logits(speaker_head.class_logits).class_probabilities
    temperatures = np.full(n, speaker_head.temperature[0], np.float64)
    second = SpeakerPredictions(probabilities[:, 1], np.tile(of_classes, (n, 1, 1, 1)), temperatures)
    return probabilities[:, 0], second
