"""Corpus -> model directory: a first training without some speakers for the score, then one with all speakers.

The learning curves, the temperature and the score in `model.json` come from speakers that the first training leaves
out, or from a cross-validation. The model that is written is trained on all speakers with the same settings.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from typing import Any

import numpy as np

from emosense.errors import UsageError
from emosense.evaluation.choice import EmotionChoice
from emosense.evaluation.splits import inner_split
from emosense.features.encoder.files import default_cache
from emosense.models.description import CARD_FILE
from emosense.models.model_files import write_model
from emosense.progress import Progress
from emosense.ray_session import ray_session
from emosense.storage.folders import make_folder
from emosense.storage.locations import join
from emosense.storage.writing import write_bytes
from emosense.training.description import describe
from emosense.training.ensemble import features_of, members_of
from emosense.training.epoch_lines import EpochLines
from emosense.training.epochs import Listeners
from emosense.training.familiarity.distance import learn_familiarity
from emosense.training.familiarity.graph import recording_values, with_distance
from emosense.training.features.loading import load_tables, settings_for
from emosense.training.features.source import FeatureSource
from emosense.training.graphs import with_temperature
from emosense.training.held_out_score import cross_validated
from emosense.training.job import TrainJob, check_job, check_workers, is_side_by_side, takes_steps
from emosense.training.model_card import model_card
from emosense.training.model_settings import chosen_settings
from emosense.training.model_training import ModelTraining
from emosense.training.presets import preset
from emosense.training.settings import ModelConfig


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
    check_job(job, preset(job.kind, job.preset))
    config = chosen_settings(job.kind, job.preset, job.encoder, job.epochs, progress)
    classes = EmotionChoice.parse(job.emotions or config.classes).emotions
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
        training = ModelTraining(job, config, classes, tables, progress, listener)
        if is_scored:
            held_out_score = training.score_unseen_speakers()
        final = training.train_model("final", np.arange(len(table)), None)
    n_epochs = len(final.history)
    description = describe(job.name, job.preset, job.seed, config, classes, table, n_epochs, held_out_score)
    curves = {"validation": held_out_score.curves if held_out_score else [], "final": final.history}
    write_bytes(join(job.output, "curves.json"), json.dumps(curves, indent=1).encode())
    write_bytes(join(job.output, CARD_FILE), model_card(description).encode())
    weights = with_temperature(final.weights, description["calibration"]["temperature"])
    familiarity = learn_familiarity(recording_values(weights, tables), table.speakers)
    write_model(job.output, description, weights if familiarity is None else with_distance(weights, familiarity))
    return Trained(description, curves)


def _session(job: TrainJob, config: ModelConfig) -> contextlib.AbstractContextManager[object]:
    """Ray for the networks of an ensemble, or for Ray Train, whose controller is one CPU more; others need none."""
    if not takes_steps(config):
        return contextlib.nullcontext()
    return ray_session(job.address, None if is_side_by_side(job, config) else job.n_workers + 1)
