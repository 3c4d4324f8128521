"""Corpus -> scores: cross-validation of a model family, or the score of a given model.

Every network of every fold and seed is one Ray task (`emosense.training.fits_on_ray`). Scalers, augmentation and
calibration see the training speakers of the fold only; a random split can be asked for and is reported with its leak.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any, Final

import numpy as np

from emosense._version import __version__
from emosense.audio.disturbances import check_mp3
from emosense.crossvalidation.fold_models import FoldModel, ScoredModels, fold_models
from emosense.crossvalidation.results import SCORES, last_epoch, over_seeds, predictions_csv
from emosense.crossvalidation.robustness import robustness
from emosense.errors import UsageError
from emosense.evaluation.splits import PROTOCOLS, Fold, folds, is_speaker_independent
from emosense.features.encoder.files import default_cache
from emosense.features.sets import FeatureConfig
from emosense.models.encoder_location import with_encoder_file
from emosense.models.model import read_model
from emosense.progress import Progress, plural
from emosense.storage.files import exists, join, make_folder, redact, write_bytes
from emosense.training.encoder_choice import EncoderChoice, config_with_encoder
from emosense.training.ensemble import features_of, settings_sha256
from emosense.training.feature_cache import FeatureSource, check_recordings, load_tables, settings_for
from emosense.training.feature_table import FeatureTable
from emosense.training.fits_on_ray import NetworkStore, TrainingRuns, holds_networks
from emosense.training.fitting import preset
from emosense.training.train import classes_of

_RANDOM_FOLDS: Final = 4
# What a given model leaves nothing to decide for. Kind, preset and protocol cannot be progress from their defaults.
_FOR_TRAINING: Final = {
    "only_folds": "--fold",
    "n_seeds": "--seeds",
    "n_folds": "--folds",
    "calibrate": "--calibrate",
    "reuse": "--reuse",
    "emotions": "--emotions",
}


@dataclasses.dataclass(frozen=True, slots=True)
class EvaluateJob:
    """What the user asked for: a `model` to score, or a `kind` and `preset` to cross-validate.

    Parameters
    ----------
    output : str
        Folder for ``metrics.json`` and ``predictions.csv``.
    n_seeds : int
        Every fold is trained with the seeds 0 to n_seeds - 1.
    only_folds : tuple of str
        Names of the folds to run; empty for all of the protocol.
    calibrate : bool
        Fit a temperature on held-out training speakers of each fold; costs a second, shorter fit.
    reuse : tuple of str
        Folders of finished evaluations: what was trained there with the same settings on the same rows is taken.
    robustness : bool
        Score the models on disturbed copies of the recordings too (`emosense.audio.disturbances`).
    encoder : EncoderChoice
        The pretrained encoder of the model, or of the presets that need one.
    """

    data: str
    output: str
    model: str | None = None
    kind: str = "cnn"
    preset: str = "default"
    protocol: str = "lj5"
    n_seeds: int = 1
    n_folds: int = 5
    only_folds: tuple[str, ...] = ()
    emotions: tuple[str, ...] = ()
    calibrate: bool = False
    reuse: tuple[str, ...] = ()
    cache: str | None = None
    address: str | None = None
    n_workers: int | None = None
    robustness: bool = False
    encoder: EncoderChoice = dataclasses.field(default_factory=EncoderChoice)

    @property
    def written(self) -> list[str]:
        """Everything that the job writes, and the page that the caller makes of it."""
        names = ("curves.json", "predictions.csv", "metrics.json", "fits", "report.html")
        return [join(self.output, name) for name in names]


def evaluate(job: EvaluateJob, progress: Progress) -> dict[str, Any]:
    """Score a model or a model family; write ``metrics.json``, ``predictions.csv``, ``curves.json`` and the fits.

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
    _check(job)
    make_folder(job.output)
    tested = _given_model(job, progress) if job.model is not None else _cross_validated(job, progress)
    table, predictions = tested.tables[0], tested.predictions()
    metrics: dict[str, Any] = tested.about | {"emosense": __version__, "data": redact(job.data)}
    metrics |= over_seeds(table, tested.classes, predictions) | {"last_epoch": last_epoch(predictions)}
    curves = [{"seed": p.seed, "fold": p.fold, "epochs": p.history} for p in predictions if p.history]
    write_bytes(join(job.output, "curves.json"), json.dumps(curves).encode())
    write_bytes(join(job.output, "predictions.csv"), predictions_csv(table, tested.classes, predictions))
    # Written after every stage: one that fails takes nothing with it.
    _write_metrics(job, metrics)
    if job.model is None and not is_speaker_independent(job.protocol):
        metrics |= _leak_gap(job, metrics, len(set(table.speakers)), progress)
        _write_metrics(job, metrics)
    if job.robustness:
        metrics["robustness"] = robustness(_source(job), tested, predictions, progress)
        _write_metrics(job, metrics)
    return metrics


def _write_metrics(job: EvaluateJob, metrics: dict[str, Any]) -> None:
    write_bytes(join(job.output, "metrics.json"), (json.dumps(metrics, indent=1) + "\n").encode())


def _check(job: EvaluateJob) -> None:
    """Refuse what would be ignored, and what would fail only after everything is trained."""
    defaults = {field.name: field.default for field in dataclasses.fields(job)}
    if job.model is not None:
        ignored = [option for name, option in _FOR_TRAINING.items() if getattr(job, name) != defaults[name]]
        if ignored:
            raise UsageError(f"{ignored[0]} is for training, and --model scores a model as it is: leave one out")
        if job.encoder != EncoderChoice(job.encoder.location):
            raise UsageError("the model says how its encoder is used: leave out --encoder-output, --encoder-normalise")
    elif job.protocol != "kfold" and job.n_folds != defaults["n_folds"]:
        raise UsageError(f"--folds is for --protocol kfold, and {job.protocol} has folds of its own: leave it out")
    if exists(join(job.output, "model.json")):
        raise UsageError(f"{redact(job.output)} holds a model, whose curves.json would be replaced: choose another")
    for folder in job.reuse:
        if not holds_networks(join(folder, "fits")):
            raise UsageError(f"{redact(folder)} holds no fits: --reuse takes the output folder of another evaluation")
    if job.robustness:
        check_recordings(_source(job))
        check_mp3()


def _given_model(job: EvaluateJob, progress: Progress) -> ScoredModels:
    """Take a given model, to be scored on all recordings of its classes."""
    assert job.model is not None
    files = with_encoder_file(read_model(job.model), job.encoder.location, progress)
    description = files.description
    classes = tuple(description["classes"])
    heard = {FeatureConfig.from_dict(values): () for values in description["features"]}
    tables = tuple(table.with_emotions(classes) for table in load_tables(_source(job), heard, progress))
    table = tables[0]
    if not len(table):
        raise UsageError(f"no recording of {', '.join(classes)} in {redact(job.data)}")
    known = _known_speakers(table, description["trained_on"])
    if known:
        progress.message(f"the model was trained on speakers {', '.join(known)}: this is no held-out score")
    model = FoldModel(0, "all", files.weights, np.arange(len(table)))
    about = {"model": description["name"], "sha256": files.sha256, "protocol": "given model", "seen_speakers": known}
    return ScoredModels(tables, classes, [model], about)


def _known_speakers(table: FeatureTable, trained_on: dict[str, Any]) -> list[str]:
    """Return the speakers that a model was trained on: names say nothing where the corpora are known to differ."""
    corpora = {table.corpus, trained_on.get("corpus", "")} - {""}
    return sorted(set(table.speakers) & set(trained_on.get("speakers", ()))) if len(corpora) < 2 else []


def _source(job: EvaluateJob) -> FeatureSource:
    return FeatureSource(job.data, job.cache or default_cache(), job.address, job.n_workers)


def _cross_validated(job: EvaluateJob, progress: Progress) -> ScoredModels:
    """Train on every fold with every seed."""
    config = config_with_encoder(preset(job.kind, job.preset), job.encoder, progress)
    config = settings_for(_source(job), config, progress)
    classes = classes_of(job.emotions, config)
    if job.protocol not in PROTOCOLS:
        raise UsageError(f"unknown protocol {job.protocol!r}: choose one of {', '.join(PROTOCOLS)}")
    tables = tuple(table.with_emotions(classes) for table in load_tables(_source(job), features_of(config), progress))
    table = tables[0]
    # A random split is drawn anew for every seed; speakers are cut the same way, so that seeds differ in the fit alone.
    is_random = not is_speaker_independent(job.protocol)
    work = [
        (seed, fold)
        for seed in range(job.n_seeds)
        for fold in folds(
            job.protocol, table.speakers, table.labels(classes), seed=seed if is_random else 0, n_folds=job.n_folds
        )
    ]
    names = list(dict.fromkeys(fold.name for _, fold in work))
    work = _wanted_folds(job, work, names)
    taken = [name for name in names if name in {fold.name for _, fold in work}]
    progress.message(
        f"{job.kind} {job.preset}, {job.protocol}: {plural(len(work), 'fold')} of {plural(len(table), 'recording')}"
    )
    places = NetworkStore(tuple(join(folder, "fits") for folder in (job.output, *job.reuse)))
    by_config = dict(zip(features_of(config), tables, strict=True))
    fits = TrainingRuns(by_config, classes, places, job.address, job.n_workers)
    models = fold_models(config, fits, tables, classes, work, progress, calibrate=job.calibrate)
    about = {
        "kind": job.kind,
        "preset": job.preset,
        "settings_sha256": settings_sha256(config),
        "features": [heard.key for heard in features_of(config)],
        "protocol": job.protocol,
        "protocol_description": PROTOCOLS[job.protocol],
        "only_folds": taken if taken != names else [],
        "speaker_independent": is_speaker_independent(job.protocol),
        "calibrated": job.calibrate,
        "n_seeds": job.n_seeds,
        "splits": [_split_record(table, seed, fold) for seed, fold in work],
    }
    return ScoredModels(tables, classes, models, about)


def _wanted_folds(job: EvaluateJob, work: list[tuple[int, Fold]], names: list[str]) -> list[tuple[int, Fold]]:
    """Leave out the folds that were not asked for by name."""
    unknown = [name for name in job.only_folds if name not in names]
    if unknown:
        raise UsageError(f"{job.protocol} has no fold {unknown[0]!r}: choose from {', '.join(names)}")
    return [(seed, fold) for seed, fold in work if not job.only_folds or fold.name in job.only_folds]


def _split_record(table: FeatureTable, seed: int, fold: Fold) -> dict[str, Any]:
    """Store a split by name, so that the result can be repeated."""
    train, test = ({table.speakers[row] for row in rows} for rows in (fold.train, fold.test))
    return {"seed": seed, "fold": fold.name, "train_speakers": sorted(train), "test_speakers": sorted(test)}


def _leak_gap(job: EvaluateJob, metrics: dict[str, Any], n_speakers: int, progress: Progress) -> dict[str, Any]:
    """Compare the random split with folds by speaker that leave as much out, where there are speakers enough."""
    if n_speakers < 2:
        progress.message("one speaker alone: there are no folds by speaker to compare the random split with")
        return {}
    # Calibration changes no label, and so none of these scores.
    fair = dataclasses.replace(
        job, protocol="kfold", n_folds=min(_RANDOM_FOLDS, n_speakers), only_folds=(), calibrate=False
    )
    tested = _cross_validated(fair, progress)
    scores = over_seeds(tested.tables[0], tested.classes, tested.predictions())["scores"]
    gap = {name: metrics["scores"][name]["mean"] - scores[name]["mean"] for name in SCORES}
    return {"leak_gap": {"speaker_independent": scores, "gap": gap}}
