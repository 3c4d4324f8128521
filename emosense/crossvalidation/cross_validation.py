"""A model family and a corpus -> a model for each fold and seed, tested on speakers that it was not trained on.

Each network is one Ray task (`emosense.training.training_runs_on_ray`). Scalers, augmentation and calibration see only
the training speakers of the fold.
"""

from __future__ import annotations

import contextlib
from typing import Any

from emosense.crossvalidation.fold_models import fold_models
from emosense.crossvalidation.job import EvaluateJob
from emosense.crossvalidation.scored_models import ScoredModels
from emosense.errors import UsageError
from emosense.evaluation.choice import EmotionChoice
from emosense.evaluation.splits import PROTOCOLS, Fold, folds, is_speaker_independent
from emosense.progress import Progress, plural
from emosense.storage.locations import join
from emosense.training.ensemble import features_of, members_of, settings_sha256
from emosense.training.epoch_lines import EpochLines
from emosense.training.epochs import Listeners
from emosense.training.features.loading import load_tables, settings_for
from emosense.training.features.table import FeatureTable
from emosense.training.model_settings import chosen_settings
from emosense.training.network_store import NetworkStore
from emosense.training.settings import ModelConfig
from emosense.training.training_runs_on_ray import TrainingRuns


def cross_validated(job: EvaluateJob, progress: Progress) -> ScoredModels:
    """Train a model on every fold with every seed.

    Parameters
    ----------
    job : EvaluateJob
        Without a model.
    progress : Progress
        Receives messages and the number of finished networks.

    Returns
    -------
    ScoredModels
        One model for each fold and seed.

    Raises
    ------
    UsageError
        If a setting or the data is wrong.
    """
    config = chosen_settings(job.kind, job.preset, job.encoder, job.epochs, progress)
    config = settings_for(job.source, config, progress)
    classes = EmotionChoice.parse(job.emotions or config.classes).emotions
    if job.protocol not in PROTOCOLS:
        raise UsageError(f"unknown protocol {job.protocol!r}: choose one of {', '.join(PROTOCOLS)}")
    tables = tuple(table.with_emotions(classes) for table in load_tables(job.source, features_of(config), progress))
    table = tables[0]
    every = _folds_of_seeds(job, table, classes)
    work = _selected_folds(job, every)
    progress.message(
        f"{job.kind} {job.preset}, {job.protocol}: {plural(len(work), 'fold')} of {plural(len(table), 'recording')}"
    )
    store = NetworkStore(tuple(join(folder, "fits") for folder in (job.output, *job.reuse)))
    by_config = dict(zip(features_of(config), tables, strict=True))
    n_networks = len(members_of(config, 0)) * len(work) * (2 if job.calibrate else 1)
    with contextlib.closing(Listeners([EpochLines(progress, n_networks), *job.logs.open()])) as listener:
        runs = TrainingRuns(
            by_config, classes, store, job.address, job.n_workers, gpu_share=job.gpu_share, listener=listener
        )
        models = fold_models(config, runs, tables, classes, work, progress, calibrate=job.calibrate)
    return ScoredModels(tables, classes, models, _about(job, config, table, work, every), _taught(table, work))


def _folds_of_seeds(job: EvaluateJob, table: FeatureTable, classes: tuple[str, ...]) -> list[tuple[int, Fold]]:
    """Return every fold of every seed. Folds by speaker are the same for all seeds: only the training differs."""
    is_random = not is_speaker_independent(job.protocol)
    labels = table.labels(classes)
    return [
        (seed, fold)
        for seed in range(job.n_seeds)
        for fold in folds(
            job.protocol,
            table.speakers,
            labels,
            seed=seed if is_random else 0,
            n_folds=job.n_folds,
            corpora=table.corpora,
        )
    ]


def _selected_folds(job: EvaluateJob, every: list[tuple[int, Fold]]) -> list[tuple[int, Fold]]:
    """Keep the folds that the user named."""
    names = _names(every)
    unknown = [name for name in job.only_folds if name not in names]
    if unknown:
        raise UsageError(f"{job.protocol} has no fold {unknown[0]!r}: choose from {', '.join(names)}")
    return [(seed, fold) for seed, fold in every if not job.only_folds or fold.name in job.only_folds]


def _names(work: list[tuple[int, Fold]]) -> list[str]:
    return list(dict.fromkeys(fold.name for _, fold in work))


def _about(
    job: EvaluateJob,
    config: ModelConfig,
    table: FeatureTable,
    work: list[tuple[int, Fold]],
    every: list[tuple[int, Fold]],
) -> dict[str, Any]:
    """Return what ``metrics.json`` states of the models, their training and their splits."""
    selected = _names(work)
    return {
        "kind": job.kind,
        "preset": job.preset,
        "settings_sha256": settings_sha256(config),
        "features": [feature.key for feature in features_of(config)],
        "protocol": job.protocol,
        "protocol_description": PROTOCOLS[job.protocol],
        "only_folds": selected if selected != _names(every) else [],
        "speaker_independent": is_speaker_independent(job.protocol),
        "calibrated": job.calibrate,
        "n_seeds": job.n_seeds,
        "splits": [_split_record(table, seed, fold) for seed, fold in work],
    }


def _taught(table: FeatureTable, work: list[tuple[int, Fold]]) -> dict[str, frozenset[str]]:
    """Return the emotions in the training rows of the folds that test each corpus."""
    taught: dict[str, frozenset[str]] = {}
    for _, fold in work:
        emotions = frozenset(table.emotions[row] for row in fold.train)
        for corpus in {table.corpora[row] for row in fold.test}:
            taught[corpus] = taught.get(corpus, frozenset()) | emotions
    return taught


def _split_record(table: FeatureTable, seed: int, fold: Fold) -> dict[str, Any]:
    """Return a split by the names of its speakers, so that the result can be reproduced."""
    train, test = ({table.speakers[row] for row in rows} for rows in (fold.train, fold.test))
    return {"seed": seed, "fold": fold.name, "train_speakers": sorted(train), "test_speakers": sorted(test)}
