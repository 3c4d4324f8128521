"""Corpus -> scores: cross-validation of a model family, or the score of a given model.

A random split is reported together with its leak gap: how much better it looks than folds by speaker.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
from typing import Any, Final

from emosense._version import __version__
from emosense.crossvalidation.cross_validation import cross_validated
from emosense.crossvalidation.given_model import given_model
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
from emosense.evaluation.splits import is_speaker_independent
from emosense.progress import Progress
from emosense.storage.folders import make_folder
from emosense.storage.locations import join, redact
from emosense.storage.writing import write_bytes

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
    tested = given_model(job, progress) if job.model is not None else cross_validated(job, progress)
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


def _leak_gap(job: EvaluateJob, metrics: dict[str, Any], n_speakers: int, progress: Progress) -> dict[str, Any]:
    """Compare the random split with folds by speaker that test as many rows; empty for a single speaker."""
    if n_speakers < 2:
        progress.message("only one speaker: there are no folds by speaker to compare the random split with")
        return {}
    # Calibration changes no label, so none of these scores.
    by_speaker = dataclasses.replace(
        job, protocol="kfold", n_folds=min(_LEAK_GAP_FOLDS, n_speakers), only_folds=(), calibrate=False
    )
    tested = cross_validated(by_speaker, progress)
    scores = over_seeds(tested.tables[0], tested.classes, tested.predictions())["scores"]
    gap = {name: metrics["scores"][name]["mean"] - scores[name]["mean"] for name in SCORES}
    return {"leak_gap": {"speaker_independent": scores, "gap": gap}}
