"""ONNX weights and feature tables -> probabilities.

Predictions are always made with the exported ONNX graph, one recording per call, as labelling does with recordings of
up to a model's window: what is measured is what is shipped.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from emosense.arrays import Float64
from emosense.models.model import input_names
from emosense.onnx_session import open_session
from emosense.training.feature_table import FeatureTable
from emosense.training.graphs import PROBABILITIES


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
    session = open_session(weights)
    names = input_names(len(tables))
    probabilities = []
    for utterance in zip(*(table.features for table in tables), strict=True):
        feeds = {name: features[np.newaxis] for name, features in zip(names, utterance, strict=True)}
        probabilities.append(session.run([PROBABILITIES], feeds)[0][0])
    return np.array(probabilities, np.float64).reshape(len(tables[0]), n_classes)
