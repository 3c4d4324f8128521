"""Folds of an evaluation -> models, each with the rows that it is tested on, and what they predict there."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emosense.crossvalidation.results import Predictions
from emosense.evaluation.calibration import apply_temperature, fit_temperature
from emosense.evaluation.splits import Fold, inner_split
from emosense.progress import Progress
from emosense.training.ensemble import ModelConfig, assemble, members_of
from emosense.training.feature_table import FeatureTable
from emosense.training.fits_on_ray import TrainingRun, TrainingRuns
from emosense.training.fitting import predict

_CALIBRATION_SHARE: Final = 0.2


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class FoldModel:
    """A model and the rows that it is tested on.

    Parameters
    ----------
    weights : bytes
        The whole graph, as it would be shipped.
    rows : ndarray, shape (n,)
        Rows of the feature tables that took no part in its training.
    temperature : float
        Fitted on training speakers; 1 leaves the probabilities as they are.
    history : list of dict
        Learning curves.
    """

    seed: int
    name: str
    weights: bytes
    rows: NDArray[np.int64]
    temperature: float = 1.0
    history: list[dict[str, Any]] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class ScoredModels:
    """The models of an evaluation, the features that they are tested on, and what is to be said of them.

    Parameters
    ----------
    tables : tuple of FeatureTable
        One for each feature set that the models hear, with the same utterances.
    about : dict
        What ``metrics.json`` says of the models, their training and their splits.
    """

    tables: tuple[FeatureTable, ...]
    classes: tuple[str, ...]
    models: list[FoldModel]
    about: dict[str, Any]

    def predictions(self) -> list[Predictions]:
        """Predict the test rows of every model."""
        return [predict_fold(model, self.tables, self.classes) for model in self.models]

    def predictions_of(self, tables: tuple[FeatureTable, ...], rows: NDArray[np.int64]) -> list[Predictions]:
        """Predict other features of some of the rows.

        Parameters
        ----------
        tables : tuple of FeatureTable
            As `tables`, with `rows` alone.
        rows : ndarray, shape (n,)
            Ascending rows of `tables`; models that are tested on none of them say nothing.
        """
        place = np.full(len(self.tables[0]), -1)
        place[rows] = np.arange(len(rows))
        found = []
        for model in self.models:
            tested = place[model.rows]
            if (tested >= 0).any():
                short = predict_fold(dataclasses.replace(model, rows=tested[tested >= 0]), tables, self.classes)
                found.append(dataclasses.replace(short, rows=rows[short.rows]))
        return found


def predict_fold(model: FoldModel, tables: Sequence[FeatureTable], classes: tuple[str, ...]) -> Predictions:
    """Predict the rows that a model is tested on."""
    found = predict(model.weights, [table.select(model.rows) for table in tables], len(classes))
    probabilities = apply_temperature(found, model.temperature)
    return Predictions(model.seed, model.name, model.rows, probabilities, model.history, model.temperature)


def fold_models(
    config: ModelConfig,
    fits: TrainingRuns,
    tables: tuple[FeatureTable, ...],
    classes: tuple[str, ...],
    work: Sequence[tuple[int, Fold]],
    progress: Progress,
    *,
    calibrate: bool,
) -> list[FoldModel]:
    """Train on each fold's training rows.

    The test rows serve as validation set of the learning curves, which nothing is chosen by.

    Parameters
    ----------
    work : sequence of (int, Fold)
        Seed and fold of every model.
    calibrate : bool
        Fit a temperature to each model, with a second one that leaves some training speakers out.
    """
    wanted, inner = [], []
    for seed, fold in work:
        wanted += [TrainingRun(m.config, m.seed, fold.train, fold.test) for m in members_of(config, seed)]
        if calibrate:
            train, _ = _calibration_split(tables[0], fold, seed)
            inner += [TrainingRun(m.config, m.seed, train) for m in members_of(config, seed)]
    fitted = fits.run(wanted + inner, progress)
    n_members = len(members_of(config, 0))

    def graph(place: int) -> bytes:
        return assemble(config, [network.weights for network in fitted[place * n_members :][:n_members]])

    models = []
    for place, (seed, fold) in enumerate(work):
        temperature = 1.0
        if calibrate:
            _, rows = _calibration_split(tables[0], fold, seed)
            held = [table.select(rows) for table in tables]
            probabilities = predict(graph(len(work) + place), held, len(classes))
            temperature = fit_temperature(probabilities, held[0].labels(classes))
        # The curves of an ensemble are those of its networks, each in its own evaluation.
        history = fitted[place].history if n_members == 1 else []
        models.append(FoldModel(seed, fold.name, graph(place), fold.test, temperature, history))
    return models


def _calibration_split(table: FeatureTable, fold: Fold, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Divide a fold's training rows into those to fit on and those of held-out speakers."""
    train, held = inner_split([table.speakers[row] for row in fold.train], seed, _CALIBRATION_SHARE)
    return fold.train[train], fold.train[held]
