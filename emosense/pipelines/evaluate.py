"""Corpus -> scores: cross-validation of a model family, or the score of a given model.

Every fold of every seed is one Ray task. Scalers, augmentation and calibration see the training speakers of the fold
alone; a random split can be asked for and is reported with what it leaks.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emosense import __version__
from emosense.errors import UsageError
from emosense.evaluation.calibration import apply_temperature, fit_temperature
from emosense.evaluation.results import SCORES, Predictions, last_epoch, over_seeds, predictions_csv
from emosense.evaluation.splits import PROTOCOLS, Fold, folds, inner_split, is_speaker_independent
from emosense.feature_table import FeatureTable
from emosense.features import FeatureConfig
from emosense.models.artifact import read_model
from emosense.pipelines.feature_cache import FeatureSource, default_cache, load_features
from emosense.pipelines.ray_session import ray_session
from emosense.pipelines.train import classes_of
from emosense.progress import Progress
from emosense.storage import join, make_folder, redact, write_bytes
from emosense.training.fitting import Config, copy_speeds, fit, predict, preset

Float64 = NDArray[np.float64]

_CALIBRATION_SHARE: Final = 0.2
_RANDOM_FOLDS: Final = 4
# TensorFlow takes every core it sees; a task has one CPU.
_TASK_ENVIRONMENT: Final = {
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "-1",
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
    calibrate : bool
        Fit a temperature on held-out training speakers of each fold; costs a second, shorter fit.
    """

    data: str
    output: str
    model: str | None = None
    kind: str = "cnn"
    preset: str = "default"
    protocol: str = "lj5"
    n_seeds: int = 1
    n_folds: int = 5
    emotions: tuple[str, ...] = ()
    calibrate: bool = False
    cache: str | None = None
    address: str | None = None
    n_workers: int | None = None


def evaluate(job: EvaluateJob, told: Progress) -> dict[str, Any]:
    """Score a model or a model family; write ``metrics.json`` and ``predictions.csv``.

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
    make_folder(job.output)
    if job.model is not None:
        table, classes, predictions, about = _score_model(job, told)
    else:
        table, classes, predictions, about = _cross_validate(job, told)
    metrics: dict[str, Any] = about | {"emosense": __version__, "data": redact(job.data)}
    metrics |= over_seeds(table, classes, predictions) | {"last_epoch": last_epoch(predictions)}
    if job.model is None and not is_speaker_independent(job.protocol):
        metrics["leak_gap"] = _leak_gap(job, metrics, told)
    curves = [{"seed": p.seed, "fold": p.fold, "epochs": p.history} for p in predictions if p.history]
    write_bytes(join(job.output, "metrics.json"), (json.dumps(metrics, indent=1) + "\n").encode())
    write_bytes(join(job.output, "curves.json"), json.dumps(curves).encode())
    write_bytes(join(job.output, "predictions.csv"), predictions_csv(table, classes, predictions))
    return metrics


def _score_model(job: EvaluateJob, told: Progress) -> tuple[FeatureTable, tuple[str, ...], list[Predictions], Any]:
    """Score a given model on all recordings of its classes."""
    assert job.model is not None
    files = read_model(job.model)
    description = files.description
    classes = tuple(description["classes"])
    config = FeatureConfig.from_dict(description["features"])
    table = _load(job, config, (), told).with_emotions(classes)
    if not len(table):
        raise UsageError(f"no recording of {', '.join(classes)} in {redact(job.data)}")
    known = sorted(set(table.speakers) & set(description["trained_on"].get("speakers", ())))
    if known:
        told.say(f"the model was trained on speakers {', '.join(known)}: this is no held-out score")
    rows = np.arange(len(table))
    found = Predictions(0, "all", rows, predict(files.weights, table, len(classes)), [])
    about = {"model": description["name"], "sha256": files.sha256, "protocol": "given model", "seen_speakers": known}
    return table, classes, [found], about


def _load(job: EvaluateJob, config: FeatureConfig, speeds: Sequence[float], told: Progress) -> FeatureTable:
    source = FeatureSource(job.data, job.cache or default_cache(), job.address, job.n_workers)
    return load_features(source, config, speeds=speeds, told=told)


def _cross_validate(job: EvaluateJob, told: Progress) -> tuple[FeatureTable, tuple[str, ...], list[Predictions], Any]:
    """Train and test on every fold with every seed."""
    config = preset(job.kind, job.preset)
    classes = classes_of(job.emotions, config)
    if job.protocol not in PROTOCOLS:
        raise UsageError(f"unknown protocol {job.protocol!r}: choose one of {', '.join(PROTOCOLS)}")
    table = _load(job, config.feature, copy_speeds(config), told).with_emotions(classes)
    labels = table.labels(classes)
    # A random split is drawn anew for every seed; speakers are cut the same way, so that seeds differ in the fit alone.
    is_random = not is_speaker_independent(job.protocol)
    work = [
        (seed, fold)
        for seed in range(job.n_seeds)
        for fold in folds(job.protocol, table.speakers, labels, seed=seed if is_random else 0, n_folds=job.n_folds)
    ]
    told.say(f"{job.kind} {job.preset}, {job.protocol}: {len(work)} fits on {len(table):,} recordings")
    found = _run(job, table, classes, config, work, told)
    about = {
        "kind": job.kind,
        "preset": job.preset,
        "protocol": job.protocol,
        "protocol_description": PROTOCOLS[job.protocol],
        "speaker_independent": is_speaker_independent(job.protocol),
        "calibrated": job.calibrate,
        "n_seeds": job.n_seeds,
        "splits": [_split_record(table, seed, fold) for seed, fold in work],
    }
    return table, classes, found, about


def _split_record(table: FeatureTable, seed: int, fold: Fold) -> dict[str, Any]:
    """Store a split by name, so that the result can be repeated."""
    train, test = ({table.speakers[row] for row in rows} for rows in (fold.train, fold.test))
    return {"seed": seed, "fold": fold.name, "train_speakers": sorted(train), "test_speakers": sorted(test)}


def _run(
    job: EvaluateJob,
    table: FeatureTable,
    classes: tuple[str, ...],
    config: Config,
    work: list[tuple[int, Fold]],
    told: Progress,
) -> list[Predictions]:
    """Run the fits as Ray tasks and return their predictions in the order of `work`."""
    told.start(len(work))
    with ray_session(job.address, job.n_workers):
        import ray

        task: Any = ray.remote(num_cpus=1, max_retries=1, runtime_env={"env_vars": _TASK_ENVIRONMENT})(fit_fold)
        shared = ray.put(table)
        places = {
            task.remote(shared, classes, config, fold, seed, job.calibrate): place
            for place, (seed, fold) in enumerate(work)
        }
        found: dict[int, Predictions] = {}
        waiting = list(places)
        while waiting:
            ready, waiting = ray.wait(waiting, num_returns=1)
            place = places[ready[0]]
            try:
                found[place] = ray.get(ready[0])
            except ray.exceptions.RayTaskError as err:
                raise err.cause from err
            told.advance(1, 0)
        return [found[place] for place in range(len(work))]


def fit_fold(
    table: FeatureTable, classes: tuple[str, ...], config: Config, fold: Fold, seed: int, calibrate: bool
) -> Predictions:
    """Train on one fold's training rows and predict its test rows; the test rows are looked at only then.

    The test rows serve as validation set of the learning curves, which nothing is chosen by.
    """
    train, test = table.select(fold.train), table.select(fold.test)
    temperature = 1.0
    if calibrate:
        inner, held = inner_split(train.speakers, seed, _CALIBRATION_SHARE)
        held_out = train.select(held)
        weights = fit(train.select(inner), classes, config, seed=seed).weights
        temperature = fit_temperature(predict(weights, held_out, len(classes)), held_out.labels(classes))
    fitted = fit(train, classes, config, seed=seed, validation=test)
    probabilities = apply_temperature(predict(fitted.weights, test, len(classes)), temperature)
    return Predictions(seed, fold.name, fold.test, probabilities, fitted.history, temperature)


def _leak_gap(job: EvaluateJob, metrics: dict[str, Any], told: Progress) -> dict[str, Any]:
    """Compare the random split with folds by speaker that leave as much out."""
    fair = dataclasses.replace(job, protocol="kfold", n_folds=_RANDOM_FOLDS)
    table, classes, predictions, _ = _cross_validate(fair, told)
    scores = over_seeds(table, classes, predictions)["scores"]
    gap = {name: metrics["scores"][name]["mean"] - scores[name]["mean"] for name in SCORES}
    return {"speaker_independent": scores, "gap": gap}
