"""Folds of an evaluation -> models, each with the rows it is tested on, and their predictions there."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emosense.crossvalidation.results import Predictions
from emosense.evaluation.calibration import apply_temperature, fit_temperature
from emosense.evaluation.choice import EmotionChoice
from emosense.evaluation.splits import Fold, inner_split
from emosense.progress import Progress
from emosense.training.ensemble import assemble, members_of
from emosense.training.features.table import FeatureTable
from emosense.training.prediction import predict, predict_with_heads
from emosense.training.settings import ModelConfig
from emosense.training.trained_network import TrainedNetwork
from emosense.training.training_runs_on_ray import TrainingRun, TrainingRuns

_CALIBRATION_SHARE: Final = 0.2


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


def fold_models(
    config: ModelConfig,
    runs: TrainingRuns,
    tables: tuple[FeatureTable, ...],
    classes: tuple[str, ...],
    work: Sequence[tuple[int, Fold]],
    progress: Progress,
    *,
    calibrate: bool,
) -> list[FoldModel]:
    """Train a model on the training rows of each fold.

    Parameters
    ----------
    config : ModelConfig
        Settings of the model.
    runs : TrainingRuns
        Trains the networks.
    tables : tuple of FeatureTable
        One for each feature set that the model takes.
    classes : tuple of str
        The emotions that the models tell apart.
    work : sequence of (int, Fold)
        Seed and fold of every model.
    progress : Progress
        Receives the number of finished networks.
    calibrate : bool
        Fit a temperature to each model, with a second one that leaves some training speakers out.

    Returns
    -------
    list of FoldModel
        In the order of `work`. The test rows are the validation set of the learning curves; nothing is chosen by them.
    """
    plans = [_FoldPlan.of(config, seed, fold, tables[0].speakers if calibrate else None) for seed, fold in work]
    wanted = [run for plan in plans for run in (*plan.runs, *plan.calibration_runs)]
    trained = dict(zip(wanted, runs.run(wanted, progress), strict=True))
    return [plan.model(trained, tables, classes) for plan in plans]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _FoldPlan:
    """The networks to train for one fold and seed."""

    config: ModelConfig
    seed: int
    fold: Fold
    runs: list[TrainingRun]
    # Networks that leave some training speakers out, and the rows of those speakers; none without calibration.
    calibration_runs: list[TrainingRun]
    calibration_rows: NDArray[np.int64]

    @classmethod
    def of(cls, config: ModelConfig, seed: int, fold: Fold, speakers: Sequence[str] | None) -> _FoldPlan:
        """Plan a fold; the speakers of all rows are needed only for calibration."""
        members = members_of(config, seed)
        names = [f"{fold.name}, seed {member.seed}" for member in members]
        runs = [
            TrainingRun(member.config, member.seed, fold.train, fold.test, name)
            for member, name in zip(members, names, strict=True)
        ]
        if speakers is None:
            return cls(config, seed, fold, runs, [], np.array([], np.int64))
        train, held_out = inner_split([speakers[row] for row in fold.train], seed, _CALIBRATION_SHARE)
        calibration_runs = [
            TrainingRun(member.config, member.seed, fold.train[train], name=f"{name}, calibration")
            for member, name in zip(members, names, strict=True)
        ]
        return cls(config, seed, fold, runs, calibration_runs, fold.train[held_out])

    def model(
        self,
        trained: Mapping[TrainingRun, TrainedNetwork],
        tables: Sequence[FeatureTable],
        classes: tuple[str, ...],
    ) -> FoldModel:
        """Assemble the trained networks, and fit the temperature where there are networks for it."""
        temperature = 1.0
        if self.calibration_runs:
            graph = self._graph(trained, self.calibration_runs)
            held_out = [table.select(self.calibration_rows) for table in tables]
            temperature = fit_temperature(predict(graph, held_out, len(classes)), held_out[0].labels(classes))
        # The learning curves of an ensemble's networks belong to the evaluations of these networks.
        history = trained[self.runs[0]].history if len(self.runs) == 1 else []
        graph = self._graph(trained, self.runs)
        return FoldModel(self.seed, self.fold.name, graph, self.fold.test, temperature, history)

    def _graph(self, trained: Mapping[TrainingRun, TrainedNetwork], runs: Iterable[TrainingRun]) -> bytes:
        return assemble(self.config, [trained[run].weights for run in runs])
