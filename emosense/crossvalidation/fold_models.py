"""Folds of an evaluation -> trained models, each with the rows that it is tested on."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emosense.crossvalidation.scored_models import FoldModel
from emosense.evaluation.calibration import fit_temperature
from emosense.evaluation.splits import Fold, inner_split
from emosense.progress import Progress
from emosense.training.ensemble import assemble, members_of
from emosense.training.features.table import FeatureTable
from emosense.training.prediction import predict
from emosense.training.settings import ModelConfig
from emosense.training.trained_network import TrainedNetwork
from emosense.training.training_runs_on_ray import TrainingRun, TrainingRuns

_CALIBRATION_SHARE: Final = 0.2


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
