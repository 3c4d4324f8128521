"""The models of an evaluation, each with the rows that it is tested on -> their predictions there."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emosense.crossvalidation.results import Predictions
from emosense.evaluation.calibration import apply_temperature
from emosense.evaluation.choice import EmotionChoice
from emosense.training.features.table import FeatureTable
from emosense.training.prediction import predict_with_heads


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class FoldModel:
    """A model and the rows that it is tested on.

    Attributes
    ----------
    seed : int
        Seed that the model was trained with.
    name : str
        Name of the fold.
    weights : bytes
        The whole graph, as it would be shipped.
    rows : ndarray, shape (n,)
        Rows of the feature tables that took no part in its training.
    temperature : float
        Fitted on training speakers; 1 leaves the probabilities as they are.
    history : list of dict
        Learning curves.
    outputs : tuple of str
        Classes of the graph, if it may answer with some of them only; empty if it may answer with all.
    """

    seed: int
    name: str
    weights: bytes
    rows: NDArray[np.int64]
    temperature: float = 1.0
    history: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    outputs: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class ScoredModels:
    """The models of an evaluation, and the features that they are tested on.

    Attributes
    ----------
    tables : tuple of FeatureTable
        One for each feature set that the models take, with the same utterances.
    classes : tuple of str
        The emotions that the models tell apart.
    models : list of FoldModel
        One for each fold and seed.
    about : dict
        What ``metrics.json`` states of the models, their training and their splits.
    taught : mapping of str to frozenset of str
        For each corpus of the tested rows, the emotions that the models which are tested on it were trained on.
    """

    tables: tuple[FeatureTable, ...]
    classes: tuple[str, ...]
    models: list[FoldModel]
    about: dict[str, Any]
    taught: Mapping[str, frozenset[str]]

    def predictions(self) -> list[Predictions]:
        """Predict the test rows of every model.

        Returns
        -------
        list of Predictions
            One for each model.
        """
        return [predict_fold(model, self.tables, self.classes) for model in self.models]

    def predictions_of(self, tables: tuple[FeatureTable, ...], rows: NDArray[np.int64]) -> list[Predictions]:
        """Predict other features of some of the rows.

        Parameters
        ----------
        tables : tuple of FeatureTable
            Like `tables` of the class, with only `rows`.
        rows : ndarray, shape (n,)
            Ascending rows of `tables` of the class.

        Returns
        -------
        list of Predictions
            One for each model that is tested on some of the rows.
        """
        position = np.full(len(self.tables[0]), -1)
        position[rows] = np.arange(len(rows))
        predictions = []
        for model in self.models:
            tested = position[model.rows]
            if (tested >= 0).any():
                found = predict_fold(dataclasses.replace(model, rows=tested[tested >= 0]), tables, self.classes)
                predictions.append(dataclasses.replace(found, rows=rows[found.rows]))
        return predictions


def predict_fold(model: FoldModel, tables: Sequence[FeatureTable], classes: tuple[str, ...]) -> Predictions:
    """Predict the rows that a model is tested on.

    Parameters
    ----------
    model : FoldModel
        The model and its test rows.
    tables : sequence of FeatureTable
        One for each feature set that the model takes.
    classes : tuple of str
        The emotions that the model may answer with.

    Returns
    -------
    Predictions
        Calibrated probabilities of the test rows.
    """
    outputs = model.outputs or classes
    found, second = predict_with_heads(model.weights, [table.select(model.rows) for table in tables], len(outputs))
    probabilities = apply_temperature(found, model.temperature)
    if second and model.temperature != 1:
        second = second.scaled(model.temperature)
    if outputs != classes:
        choice = EmotionChoice(classes)
        probabilities = choice.apply_to_classes(probabilities, outputs)
        second = second and second.answered(choice, outputs)
    return Predictions(model.seed, model.name, model.rows, probabilities, model.history, model.temperature, second)
