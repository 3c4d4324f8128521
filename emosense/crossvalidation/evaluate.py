"""Corpus -> scores: cross-validation of a model family, or the score of a given model.

Each network of each fold and seed is one Ray task (`emosense.training.training_runs_on_ray`). Scalers, augmentation and
calibration see only the training speakers of the fold. A random split is reported together with its leak gap.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
from typing import Any, Final

import numpy as np

from emosense._version import __version__
from emosense.crossvalidation.fold_models import FoldModel, ScoredModels, fold_models
from emosense.crossvalidation.job import EvaluateJob
from emosense.crossvalidation.results import (
    SCORES,
    by_corpus,
    last_epoch,
    over_seeds,
    predictions_csv,
    speaker_heads,
)
from emosense.crossvalidation.robustness import robustness
from emosense.errors import UsageError
from emosense.evaluation.choice import EmotionChoice
from emosense.evaluation.splits import PROTOCOLS, Fold, folds, is_speaker_independent
from emosense.features.config import FeatureConfig
from emosense.models.encoder_location import with_encoder_file
from emosense.models.model import read_model
from emosense.models.trial import try_model
from emosense.progress import Progress, plural
from emosense.storage.folders import make_folder
from emosense.storage.locations import join, redact
from emosense.storage.writing import write_bytes
from emosense.training.encoder_choice import config_with_encoder
from emosense.training.ensemble import features_of, members_of, settings_sha256
from emosense.training.epochs import EpochLines, Listeners
from emosense.training.features.source import load_tables, settings_for
from emosense.training.features.table import FeatureTable
from emosense.training.network_store import NetworkStore
from emosense.training.presets import preset
from emosense.training.train import classes_of, with_epochs
from emosense.training.training_runs_on_ray import TrainingRuns

# A random split tests a quarter of the rows; so do four folds by speaker.
_LEAK_GAP_FOLDS: Final = 4


def evaluate(job: EvaluateJob, progress: Progress) -> dict[str, Any]:
    """Score a model or a model family; write ``metrics.json``, ``predictions.csv``, ``curves.json`` and the networks.

    Parameters
    ----------
    job : EvaluateJob
        What to evaluate, and where to write.
    progress : Progress
        Receives messages and the number of finished networks.

    Returns
    -------
    dict
        The content of ``metrics.json``.

    Raises
    ------
    UsageError
        If a setting or the data is wrong.
    ModelError
        If the model is refused.
    """
    job.check()
    make_folder(job.output)
    tested = _given_model(job, progress) if job.model is not None else _cross_validated(job, progress)
    table, predictions = tested.tables[0], tested.predictions()
    metrics: dict[str, Any] = tested.about | {"emosense": __version__, "data": job.source.name}
    metrics["finished"] = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    metrics |= {"command": redact(job.command)} if job.command else {}
    metrics |= over_seeds(table, tested.classes, predictions) | {"last_epoch": last_epoch(predictions)}
    metrics["corpora"] = by_corpus(table, tested.classes, predictions, tested.taught)
    metrics["speaker_heads"] = speaker_heads(predictions)
    curves = [{"seed": p.seed, "fold": p.fold, "epochs": p.history} for p in predictions if p.history]
    write_bytes(join(job.output, "curves.json"), json.dumps(curves).encode())
    write_bytes(join(job.output, "predictions.csv"), predictions_csv(table, tested.classes, predictions))
    # Written after every stage, so that a stage that fails does not cost the earlier results.
    _write_metrics(job, metrics)
    if job.model is None and not is_speaker_independent(job.protocol):
        metrics |= _leak_gap(job, metrics, len(set(table.speakers)), progress)
        _write_metrics(job, metrics)
    if job.robustness:
        metrics["robustness"] = robustness(job.source, tested, predictions, progress)
        _write_metrics(job, metrics)
    return metrics


def _write_metrics(job: EvaluateJob, metrics: dict[str, Any]) -> None:
    write_bytes(join(job.output, "metrics.json"), (json.dumps(metrics, indent=1) + "\n").encode())


def _given_model(job: EvaluateJob, progress: Progress) -> ScoredModels:
    """Read a given model, to be scored on all recordings of its classes, or of the emotions that it may answer with."""
    assert job.model is not None
    files = with_encoder_file(read_model(job.model), job.encoder.location, progress)
    try_model(files, job.model)
    description = files.description
    classes = outputs = tuple(description["classes"])
    wanted = {FeatureConfig.from_dict(values): () for values in description["features"]}
    tables = tuple(table.with_emotions(classes) for table in load_tables(job.source, wanted, progress))
    if job.emotions:
        choice = EmotionChoice.parse(job.emotions)
        choice.check(classes)
        classes, tables = choice.emotions, tuple(_answered(table, choice) for table in tables)
    table = tables[0]
    if not len(table):
        raise UsageError(f"no recording of {', '.join(classes)} in {job.source.name}")
    seen = _seen_speakers(table, description["trained_on"])
    if seen:
        progress.message(f"the model was trained on speakers {', '.join(seen)}: this is not a held-out score")
    model = FoldModel(0, "all", files.weights, np.arange(len(table)), outputs=outputs)
    about = {"model": description["name"], "sha256": files.sha256, "protocol": "given model", "seen_speakers": seen}
    # A model is asked for its own emotions, whatever the corpora of its training had.
    return ScoredModels(tables, classes, [model], about, dict.fromkeys(table.corpora, frozenset(classes)))


def _answered(table: FeatureTable, choice: EmotionChoice) -> FeatureTable:
    """Return the utterances whose emotion has a right answer among the chosen ones, labelled with this answer."""
    answers = [choice.answer(emotion) for emotion in table.emotions]
    answered = table.select([row for row, answer in enumerate(answers) if answer])
    return dataclasses.replace(answered, emotions=tuple(answer for answer in answers if answer))


def _seen_speakers(table: FeatureTable, trained_on: dict[str, Any]) -> list[str]:
    """Return the speakers a model was trained on; in a corpus of another name, equal names are other people."""
    corpora = {corpus["name"] for corpus in trained_on.get("corpora", ())} | {trained_on.get("corpus", "")} - {""}
    speakers = set(trained_on.get("speakers", ()))
    return sorted(
        {
            speaker
            for corpus, speaker in zip(table.corpora, table.speakers, strict=True)
            if (not corpora or corpus in corpora | {""}) and speakers & {speaker, f"{corpus}-{speaker}"}
        }
    )


def _cross_validated(job: EvaluateJob, progress: Progress) -> ScoredModels:
    """Train on every fold with every seed."""
    config = config_with_encoder(preset(job.kind, job.preset), job.encoder, progress)
    config = settings_for(job.source, config, progress)
    if job.epochs is not None:
        config = with_epochs(config, job.epochs)
    classes = classes_of(job.emotions, config)
    if job.protocol not in PROTOCOLS:
        raise UsageError(f"unknown protocol {job.protocol!r}: choose one of {', '.join(PROTOCOLS)}")
    tables = tuple(table.with_emotions(classes) for table in load_tables(job.source, features_of(config), progress))
    table = tables[0]
    # A random split differs for every seed; folds by speaker stay the same, so that seeds differ only in the fit.
    is_random = not is_speaker_independent(job.protocol)
    protocol_folds = [
        (seed, fold)
        for seed in range(job.n_seeds)
        for fold in folds(
            job.protocol,
            table.speakers,
            table.labels(classes),
            seed=seed if is_random else 0,
            n_folds=job.n_folds,
            corpora=table.corpora,
        )
    ]
    names = list(dict.fromkeys(fold.name for _, fold in protocol_folds))
    work = _selected_folds(job, protocol_folds, names)
    selected = [name for name in names if name in {fold.name for _, fold in work}]
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
    about = {
        "kind": job.kind,
        "preset": job.preset,
        "settings_sha256": settings_sha256(config),
        "features": [feature.key for feature in features_of(config)],
        "protocol": job.protocol,
        "protocol_description": PROTOCOLS[job.protocol],
        "only_folds": selected if selected != names else [],
        "speaker_independent": is_speaker_independent(job.protocol),
        "calibrated": job.calibrate,
        "n_seeds": job.n_seeds,
        "splits": [_split_record(table, seed, fold) for seed, fold in work],
    }
    return ScoredModels(tables, classes, models, about, _taught(table, work))


def _taught(table: FeatureTable, work: list[tuple[int, Fold]]) -> dict[str, frozenset[str]]:
    """Return the emotions in the training rows of the folds that test each corpus."""
    taught: dict[str, frozenset[str]] = {}
    for _, fold in work:
        emotions = frozenset(table.emotions[row] for row in fold.train)
        for corpus in {table.corpora[row] for row in fold.test}:
            taught[corpus] = taught.get(corpus, frozenset()) | emotions
    return taught


def _selected_folds(job: EvaluateJob, work: list[tuple[int, Fold]], names: list[str]) -> list[tuple[int, Fold]]:
    """Keep the folds that the user named."""
    unknown = [name for name in job.only_folds if name not in names]
    if unknown:
        raise UsageError(f"{job.protocol} has no fold {unknown[0]!r}: choose from {', '.join(names)}")
    return [(seed, fold) for seed, fold in work if not job.only_folds or fold.name in job.only_folds]


def _split_record(table: FeatureTable, seed: int, fold: Fold) -> dict[str, Any]:
    """Return a split by the names of its speakers, so that the result can be reproduced."""
    train, test = ({table.speakers[row] for row in rows} for rows in (fold.train, fold.test))
    return {"seed": seed, "fold": fold.name, "train_speakers": sorted(train), "test_speakers": sorted(test)}


def _leak_gap(job: EvaluateJob, metrics: dict[str, Any], n_speakers: int, progress: Progress) -> dict[str, Any]:
    """Compare the random split with folds by speaker that test as many rows; empty for a single speaker."""
    if n_speakers < 2:
        progress.message("only one speaker: there are no folds by speaker to compare the random split with")
        return {}
    # Calibration changes no label, so none of these scores.
    by_speaker = dataclasses.replace(
        job, protocol="kfold", n_folds=min(_LEAK_GAP_FOLDS, n_speakers), only_folds=(), calibrate=False
    )
    tested = _cross_validated(by_speaker, progress)
    scores = over_seeds(tested.tables[0], tested.classes, tested.predictions())["scores"]
    gap = {name: metrics["scores"][name]["mean"] - scores[name]["mean"] for name in SCORES}
    return {"leak_gap": {"speaker_independent": scores, "gap": gap}}
