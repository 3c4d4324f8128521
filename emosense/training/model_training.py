"""The networks of a model -> trained and joined: in this process, as Ray tasks side by side, or each by Ray Train."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from emosense.evaluation.splits import inner_split
from emosense.progress import Progress, plural
from emosense.storage.folders import remove
from emosense.storage.locations import join
from emosense.training.ensemble import assemble, features_of, members_of
from emosense.training.epochs import EpochListener, EqualEpochs
from emosense.training.families import FAMILIES, fit
from emosense.training.features.table import FeatureTable
from emosense.training.gradient_descent.train_on_ray import RayTraining, train_with_ray
from emosense.training.held_out_score import HeldOutScore, score_held_out
from emosense.training.job import TrainJob, is_side_by_side
from emosense.training.network_store import NetworkStore, row_digests, run_key
from emosense.training.prediction import predict
from emosense.training.settings import Member, ModelConfig
from emosense.training.trained_network import TrainedNetwork
from emosense.training.training_runs_on_ray import TrainingRun, TrainingRuns


@dataclasses.dataclass(frozen=True, slots=True)
class ModelTraining:
    """The training of all networks of a model; each is a run of its own in the checkpoint storage.

    Parameters
    ----------
    job : TrainJob
        Says where the networks are trained, and with which seed.
    config : NetworkConfig or EnsembleConfig
        Settings of the model.
    classes : tuple of str
        Emotions to tell apart.
    tables : sequence of FeatureTable
        The same utterances in each; one for every feature set that the model takes.
    progress : Progress
        Receives messages.
    listener : EpochListener
        Receives the epochs of all networks.
    """

    job: TrainJob
    config: ModelConfig
    classes: tuple[str, ...]
    tables: Sequence[FeatureTable]
    progress: Progress
    listener: EpochListener

    def train_model(self, stage: str, rows: NDArray[np.int64], validation: NDArray[np.int64] | None) -> TrainedNetwork:
        """Train every network of the model on some rows, and join them.

        Parameters
        ----------
        stage : str
            Names the networks to the user.
        rows : ndarray, shape (n,), int64
            Rows of the tables to train on.
        validation : ndarray, shape (n,), int64, or None
            Rows that the learning curves are measured on; they change no weight.

        Returns
        -------
        TrainedNetwork
            The graph of the whole model; several networks have no learning curves.
        """
        of_speakers = plural(len({self.tables[0].speakers[row] for row in rows}), "speaker")
        self.progress.message(f"{stage}: {plural(len(rows), 'recording')} of {of_speakers}")
        members = members_of(self.config, self.job.seed)
        if is_side_by_side(self.job, self.config):
            networks = self._train_side_by_side(stage, rows, validation)
        else:
            networks = [self._train_network(stage, member, rows, validation) for member in members]
        history = networks[0].history if len(networks) == 1 else []
        return TrainedNetwork(assemble(self.config, [network.weights for network in networks]), history)

    def score_unseen_speakers(self) -> HeldOutScore:
        """Train without some of the speakers, and score and calibrate on those.

        Returns
        -------
        HeldOutScore
        """
        speakers = self.tables[0].speakers
        seen, unseen = inner_split(speakers, self.job.seed, self.job.validation_share)
        model = self.train_model("validation", seen, unseen)
        validation = [table.select(unseen) for table in self.tables]
        probabilities = predict(model.weights, validation, len(self.classes))
        labels = validation[0].labels(self.classes)
        return score_held_out(validation[0].speakers, labels, probabilities, model.history)

    def _train_side_by_side(
        self, stage: str, rows: NDArray[np.int64], validation: NDArray[np.int64] | None
    ) -> list[TrainedNetwork]:
        """Train the networks of an ensemble as tasks of one CPU each, and keep them, as an evaluation does."""
        job, folder = self.job, join(self._storage, "fits")
        if stage == "final" and not job.resume:
            remove(folder)
        by_config = dict(zip(features_of(self.config), self.tables, strict=True))
        runs = TrainingRuns(
            by_config, self.classes, NetworkStore((folder,)), job.address, None,
            max_retries=job.max_failures, listener=self.listener,
        )  # fmt: skip
        members = enumerate(members_of(self.config, job.seed), start=1)
        return runs.run(
            [TrainingRun(m.config, m.seed, rows, validation, f"{stage}, network {number}") for number, m in members],
            self.progress,
        )

    @property
    def _storage(self) -> str:
        return self.job.storage or join(self.job.output, "checkpoints")

    def _train_network(
        self, stage: str, member: Member, rows: NDArray[np.int64], validation: NDArray[np.int64] | None
    ) -> TrainedNetwork:
        job, whole = self.job, self.tables[list(features_of(self.config)).index(member.config.feature)]
        table, measured = whole.select(rows), None if validation is None else whole.select(validation)
        if not FAMILIES.find(member.config.kind).takes_steps:
            # No Ray: the listener is told at once.
            return fit(
                table,
                self.classes,
                member.config,
                seed=member.seed,
                validation=measured,
                on_epoch=EqualEpochs(stage, self.listener.epoch_done, self.listener.time_estimated),
            )
        run = functools.partial(
            train_with_ray,
            name=f"{stage}-{self._key(member, table, measured)}",
            options=RayTraining(
                storage=self._storage,
                n_workers=job.n_workers,
                use_gpu=job.use_gpu,
                mixed_precision=job.mixed_precision,
                resume=job.resume,
                max_failures=job.max_failures,
            ),
            listener=self.listener,
        )
        return fit(table, self.classes, member.config, seed=member.seed, validation=measured, run=run)

    def _key(self, member: Member, table: FeatureTable, validation: FeatureTable | None) -> str:
        """Return a digest of what decides weights and curves: a run is only resumed with equal data and settings."""
        train, other = ([] if part is None else row_digests(part, member.config) for part in (table, validation))
        key = run_key(member.config, member.seed, self.classes, train, other)
        return f"{key}-{self.job.n_workers}{'-mixed' if self.job.mixed_precision else ''}"
