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

from emosense.emotions import EMOTIONS, parse_emotion
from emosense.errors import UsageError
from emosense.evaluation.splits import inner_split
from emosense.features.encoder.files import default_cache
from emosense.models.model import write_model
from emosense.progress import Progress, plural
from emosense.ray_session import ray_session
from emosense.storage.folders import make_folder
from emosense.storage.locations import join
from emosense.storage.writing import write_bytes
from emosense.training.cnn_settings import CnnConfig
from emosense.training.description import describe
from emosense.training.encoder_choice import config_with_encoder
from emosense.training.ensemble import assemble, features_of, members_of
from emosense.training.familiarity import learn_familiarity
from emosense.training.familiarity_graph import recording_values, with_distance
from emosense.training.feature_cache import FeatureSource, load_tables, settings_for
from emosense.training.feature_table import FeatureTable
from emosense.training.fitting import fit
from emosense.training.gradient_training import TrainedNetwork
from emosense.training.graphs import with_temperature
from emosense.training.held_out_score import HeldOutScore, cross_validated, score_held_out
from emosense.training.job import TrainJob, check_job, check_workers, takes_steps
from emosense.training.model_card import model_card
from emosense.training.network_store import row_digests, run_key
from emosense.training.prediction import predict
from emosense.training.presets import preset
from emosense.training.settings import Member, ModelConfig
from emosense.training.train_on_ray import RayTraining, train_with_ray
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
    with _session(job, config):
        training = _Training(job, config, classes, progress)
        if is_scored:
            held_out_score = training.score_unseen_speakers(tables)
        final = training.train_model("final", tables, None)
    n_epochs = len(final.history)
    description = describe(job.name, job.preset, job.seed, config, classes, table, n_epochs, held_out_score)
    curves = {"validation": held_out_score.curves if held_out_score else [], "final": final.history}
    write_bytes(join(job.output, "curves.json"), json.dumps(curves, indent=1).encode())
    write_bytes(join(job.output, "MODEL_CARD.md"), model_card(description).encode())
    weights = with_temperature(final.weights, description["calibration"]["temperature"])
    values, n_directions = recording_values(weights, tables)
    familiarity = learn_familiarity(values, table.speakers, n_directions)
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
    """Ray for Ray Train, with one CPU more than workers for Ray Train's controller; scikit-learn needs none."""
    return ray_session(job.address, job.n_workers + 1) if takes_steps(config) else contextlib.nullcontext()


@dataclasses.dataclass(frozen=True, slots=True)
class _Training:
    """What all networks of one job share; each is a run of its own in the checkpoint storage."""

    job: TrainJob
    config: ModelConfig
    classes: tuple[str, ...]
    progress: Progress

    def train_model(
        self, stage: str, tables: Sequence[FeatureTable], validation: Sequence[FeatureTable] | None
    ) -> TrainedNetwork:
        """Train every network of the model and join them; several networks have no learning curves."""
        of_speakers = plural(len(set(tables[0].speakers)), "speaker")
        self.progress.message(f"{stage}: {plural(len(tables[0]), 'recording')} of {of_speakers}")
        inputs, networks = list(features_of(self.config)), []
        for member in members_of(self.config, self.job.seed):
            place = inputs.index(member.config.feature)
            networks.append(
                self._train_network(stage, member, tables[place], validation[place] if validation else None)
            )
        history = networks[0].history if len(networks) == 1 else []
        return TrainedNetwork(assemble(self.config, [network.weights for network in networks]), history)

    def _train_network(
        self, stage: str, member: Member, table: FeatureTable, validation: FeatureTable | None
    ) -> TrainedNetwork:
        job = self.job
        run = functools.partial(
            train_with_ray,
            name=f"{stage}-{self._key(member, table, validation)}",
            options=RayTraining(
                storage=job.storage or f"{job.output.rstrip('/')}/checkpoints",
                n_workers=job.n_workers,
                use_gpu=job.use_gpu,
                mixed_precision=job.mixed_precision,
                resume=job.resume,
                max_failures=job.max_failures,
            ),
        )
        return fit(table, self.classes, member.config, seed=member.seed, validation=validation, run=run)

    def score_unseen_speakers(self, tables: Sequence[FeatureTable]) -> HeldOutScore:
        """Train without some of the speakers, and score and calibrate on those."""
        seen, unseen = inner_split(tables[0].speakers, self.job.seed, self.job.validation_share)
        validation = [table.select(unseen) for table in tables]
        model = self.train_model("validation", [table.select(seen) for table in tables], validation)
        probabilities = predict(model.weights, validation, len(self.classes))
        labels = validation[0].labels(self.classes)
        return score_held_out(validation[0].speakers, labels, probabilities, model.history)

    def _key(self, member: Member, table: FeatureTable, validation: FeatureTable | None) -> str:
        """Return a digest of what decides weights and curves: a run is only resumed with equal data and settings."""
        train, other = ([] if part is None else row_digests(part, member.config) for part in (table, validation))
        key = run_key(member.config, member.seed, self.classes, train, other)
        return f"{key}-{self.job.n_workers}{'-mixed' if self.job.mixed_precision else ''}"
