"""Corpus -> model directory: a first training without some speakers for the score, then one with all speakers.

The learning curves, the temperature and the score in `model.json` come from speakers that the first training leaves
out, or from a cross-validation. The model that is written is trained on all speakers with the same settings.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emosense.emotions import EMOTIONS, parse_emotion
from emosense.errors import UsageError
from emosense.evaluation.splits import inner_split
from emosense.features.encoder.files import default_cache
from emosense.models.model import write_model
from emosense.progress import Progress, plural
from emosense.ray_session import ray_session
from emosense.storage.folders import make_folder, remove
from emosense.storage.locations import join
from emosense.storage.writing import write_bytes
from emosense.training.cnn_settings import CnnConfig
from emosense.training.description import describe
from emosense.training.encoder_choice import config_with_encoder
from emosense.training.ensemble import assemble, features_of, members_of
from emosense.training.epochs import Epoch, EpochLines, EpochListener, Listeners
from emosense.training.familiarity.distance import learn_familiarity
from emosense.training.familiarity.graph import recording_values, with_distance
from emosense.training.families import FAMILIES, fit
from emosense.training.features.source import FeatureSource, load_tables, settings_for
from emosense.training.features.table import FeatureTable
from emosense.training.gradient_descent.train_on_ray import RayTraining, train_with_ray
from emosense.training.graphs import with_temperature
from emosense.training.held_out_score import HeldOutScore, cross_validated, score_held_out
from emosense.training.job import TrainJob, check_job, check_workers, is_side_by_side, takes_steps
from emosense.training.model_card import model_card
from emosense.training.network_store import NetworkStore, row_digests, run_key
from emosense.training.prediction import predict
from emosense.training.presets import preset
from emosense.training.settings import Member, ModelConfig
from emosense.training.trained_network import TrainedNetwork
from emosense.training.training_runs_on_ray import TrainingRun, TrainingRuns
from emosense.training.transfer_settings import TransferConfig


@dataclasses.dataclass(frozen=True, slots=True)
class Trained:
    """The result of a training.

    Parameters
    ----------
    description : dict
        Content of ``model.json``.
    curves : dict
        Content of ``curves.json``.
    """

    description: dict[str, Any]
    curves: dict[str, Any]


def train(job: TrainJob, progress: Progress) -> Trained:
    """Train a model and write its directory.

    Parameters
    ----------
    job : TrainJob
        What to train.
    progress : Progress
        Receives messages and progress.

    Returns
    -------
    Trained
        Description and curves of the model.

    Raises
    ------
    UsageError
        If a setting, the data or the output directory is wrong.
    """
    config = preset(job.kind, job.preset)
    check_job(job, config)
    config = config_with_encoder(config, job.encoder, progress)
    if job.epochs is not None:
        config = with_epochs(config, job.epochs)
    classes = classes_of(job.emotions, config)
    source = FeatureSource(
        job.data,
        job.cache or default_cache(),
        job.address,
        more=job.more_data,
        follow_links=job.follow_links,
        root=job.root,
    )
    config = settings_for(source, config, progress)
    held_out_score = (
        None if job.metrics is None else cross_validated(job.metrics, job.kind, job.preset, config, classes)
    )
    make_folder(job.output)
    tables = [table.with_emotions(classes) for table in load_tables(source, features_of(config), progress)]
    table = tables[0]
    if set(table.emotions) != set(classes):
        raise UsageError(f"no recording of {', '.join(sorted(set(classes) - set(table.emotions)))} in {source.name}")
    is_scored = held_out_score is None and job.validation_share > 0
    n_seen = len(inner_split(table.speakers, job.seed, job.validation_share)[0]) if is_scored else len(table)
    check_workers(job, n_seen)
    n_networks = len(members_of(config, job.seed)) * (2 if is_scored else 1)
    listener = Listeners([EpochLines(progress, n_networks), *job.logs.open()])
    with _session(job, config), contextlib.closing(listener):
        training = _Training(job, config, classes, tables, progress, listener)
        if is_scored:
            held_out_score = training.score_unseen_speakers()
        final = training.train_model("final", np.arange(len(table)), None)
    n_epochs = len(final.history)
    description = describe(job.name, job.preset, job.seed, config, classes, table, n_epochs, held_out_score)
    curves = {"validation": held_out_score.curves if held_out_score else [], "final": final.history}
    write_bytes(join(job.output, "curves.json"), json.dumps(curves, indent=1).encode())
    write_bytes(join(job.output, "MODEL_CARD.md"), model_card(description).encode())
    weights = with_temperature(final.weights, description["calibration"]["temperature"])
    familiarity = learn_familiarity(recording_values(weights, tables), table.speakers)
    write_model(job.output, description, weights if familiarity is None else with_distance(weights, familiarity))
    return Trained(description, curves)


def classes_of(emotions: tuple[str, ...], config: ModelConfig) -> tuple[str, ...]:
    """Return the classes to train.

    Parameters
    ----------
    emotions : tuple of str
        Emotions that the user chose; empty for the preset's own.
    config : NetworkConfig or EnsembleConfig
        Settings of the model.

    Returns
    -------
    tuple of str
        At least two, in the order of `EMOTIONS`.

    Raises
    ------
    UsageError
        If a name is not an emotion, or there are fewer than two.
    """
    try:
        wanted = {parse_emotion(name) for name in emotions} or set(config.classes)
    except ValueError as err:
        raise UsageError(str(err)) from err
    if len(wanted) < 2:
        raise UsageError("at least two emotions are needed")
    return tuple(emotion for emotion in EMOTIONS if emotion in wanted)


def with_epochs(config: ModelConfig, epochs: int) -> ModelConfig:
    """Return the settings with another number of epochs.

    Parameters
    ----------
    config : NetworkConfig or EnsembleConfig
        Settings of the model.
    epochs : int
        At least 1.

    Returns
    -------
    NetworkConfig or EnsembleConfig
        Settings to train with.

    Raises
    ------
    UsageError
        If the model takes no epochs.
    """
    if isinstance(config, TransferConfig) and config.tuning:
        return dataclasses.replace(config, tuning=dataclasses.replace(config.tuning, epochs=epochs))
    if not isinstance(config, CnnConfig):
        raise UsageError("--epochs is for networks that are trained by gradient steps: cnn, transfer fine-tuned")
    return dataclasses.replace(config, epochs=epochs)


def _session(job: TrainJob, config: ModelConfig) -> contextlib.AbstractContextManager[object]:
    """Ray for the networks of an ensemble, or for Ray Train, whose controller is one CPU more; others need none."""
    if not takes_steps(config):
        return contextlib.nullcontext()
    return ray_session(job.address, None if is_side_by_side(job, config) else job.n_workers + 1)


@dataclasses.dataclass(frozen=True, slots=True)
class _Training:
    """What all networks of one job share; each is a run of its own in the checkpoint storage."""

    job: TrainJob
    config: ModelConfig
    classes: tuple[str, ...]
    tables: Sequence[FeatureTable]
    progress: Progress
    listener: EpochListener

    def train_model(self, stage: str, rows: NDArray[np.int64], validation: NDArray[np.int64] | None) -> TrainedNetwork:
        """Train every network of the model on some rows, and join them; several networks have no learning curves."""
        of_speakers = plural(len({self.tables[0].speakers[row] for row in rows}), "speaker")
        self.progress.message(f"{stage}: {plural(len(rows), 'recording')} of {of_speakers}")
        members = members_of(self.config, self.job.seed)
        if is_side_by_side(self.job, self.config):
            networks = self._train_side_by_side(stage, rows, validation)
        else:
            networks = [self._train_network(stage, member, rows, validation) for member in members]
        history = networks[0].history if len(networks) == 1 else []
        return TrainedNetwork(assemble(self.config, [network.weights for network in networks]), history)

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
        return self.job.storage or f"{self.job.output.rstrip('/')}/checkpoints"

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
                on_epoch=lambda number, n, figures: self.listener.epoch_done(
                    Epoch(stage, number, n, figures, number / n)
                ),
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

    def score_unseen_speakers(self) -> HeldOutScore:
        """Train without some of the speakers, and score and calibrate on those."""
        speakers = self.tables[0].speakers
        seen, unseen = inner_split(speakers, self.job.seed, self.job.validation_share)
        model = self.train_model("validation", seen, unseen)
        validation = [table.select(unseen) for table in self.tables]
        probabilities = predict(model.weights, validation, len(self.classes))
        labels = validation[0].labels(self.classes)
        return score_held_out(validation[0].speakers, labels, probabilities, model.history)

    def _key(self, member: Member, table: FeatureTable, validation: FeatureTable | None) -> str:
        """Return a digest of what decides weights and curves: a run is only resumed with equal data and settings."""
        train, other = ([] if part is None else row_digests(part, member.config) for part in (table, validation))
        key = run_key(member.config, member.seed, self.classes, train, other)
        return f"{key}-{self.job.n_workers}{'-mixed' if self.job.mixed_precision else ''}"
