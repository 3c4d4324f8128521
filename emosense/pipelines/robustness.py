"""The models of an evaluation, on disturbed copies of the recordings that they are tested on -> a table of UAR.

Nothing is trained: what hears a disturbed recording is what was scored on the recording itself.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emosense.disturbances import CATALOGUE, Disturbance
from emosense.errors import UsageError
from emosense.evaluation.intervals import compare_uar, mean_and_sd
from emosense.evaluation.metrics import confusion_matrix, uar
from emosense.evaluation.results import Predictions
from emosense.feature_table import FeatureTable, read_feature_table
from emosense.pipelines.feature_cache import FeatureSource, extract_variants
from emosense.pipelines.fold_models import ScoredModels
from emosense.progress import Progress


def robustness(
    source: FeatureSource,
    scored: ScoredModels,
    clean: Sequence[Predictions],
    told: Progress,
    catalogue: Sequence[Disturbance] = CATALOGUE,
) -> list[dict[str, Any]]:
    """Score every model on disturbed copies of its test recordings.

    Parameters
    ----------
    source : FeatureSource
        Where the recordings are; features of the copies are kept like any others.
    clean : sequence of Predictions
        What the models say of the recordings as they are.

    Returns
    -------
    list of dict, one a disturbance
        ``name``, ``description``, ``n`` (recordings), ``uar`` (``mean`` and ``sd`` over the seeds) and ``change``
        against the recordings as they are (the same, and the ``interval`` over speakers with the first seed).

    Raises
    ------
    UsageError
        If the source has no recordings, or a disturbed recording cannot be labelled.
    """
    configs = [table.config for table in scored.tables]
    places = extract_variants(source, configs, catalogue, told)
    told.say(f"robustness: {len(catalogue)} disturbances of {len(scored.tables[0]):,} recordings")
    told.start(len(catalogue))
    records = []
    for disturbance in catalogue:
        tables = tuple(
            _disturbed(table, read_feature_table(places[table.config, disturbance]), disturbance)
            for table in scored.tables
        )
        found = dataclasses.replace(scored, tables=tables).predictions()
        records.append(_record(disturbance, tables[0], scored.classes, clean, found))
        told.advance(1, 0)
    return records


def _disturbed(clean: FeatureTable, disturbed: FeatureTable, disturbance: Disturbance) -> FeatureTable:
    """Disturbed features in the rows of the clean table, whose labels they have."""
    rows = {path: row for row, path in enumerate(disturbed.paths)}
    lost = [path for path in clean.paths if path not in rows]
    if lost:
        raise UsageError(
            f"{len(lost)} of {len(clean)} recordings cannot be labelled under {disturbance.name}, such as {lost[0]}: "
            "leave them out of the corpus, or evaluate without --robustness"
        )
    return disturbed.select([rows[path] for path in clean.paths])


def _record(
    disturbance: Disturbance,
    table: FeatureTable,
    classes: tuple[str, ...],
    clean: Sequence[Predictions],
    found: Sequence[Predictions],
) -> dict[str, Any]:
    labels = table.labels(classes)
    scores, changes, n = [], [], 0
    interval: tuple[float, float] | None = None
    for seed in sorted({p.seed for p in found}):
        rows, before = _predicted(clean, seed)
        _, after = _predicted(found, seed)
        truth = labels[rows]
        if not n:
            n = len(rows)
            interval = compare_uar(truth, after, before, [table.speakers[row] for row in rows]).interval
        scores.append(_uar(truth, after, len(classes)))
        changes.append(scores[-1] - _uar(truth, before, len(classes)))
    uar_mean, uar_sd = mean_and_sd(scores)
    change_mean, change_sd = mean_and_sd(changes)
    return {
        "name": disturbance.name,
        "description": disturbance.description,
        "n": n,
        "uar": {"mean": uar_mean, "sd": uar_sd},
        "change": {"mean": change_mean, "sd": change_sd, "interval": interval},
    }


def _predicted(predictions: Sequence[Predictions], seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows that a seed's models were tested on, and the class of each."""
    mine = [p for p in predictions if p.seed == seed]
    return np.concatenate([p.rows for p in mine]), np.concatenate([p.probabilities.argmax(axis=1) for p in mine])


def _uar(truth: NDArray[np.int64], predicted: NDArray[np.int64], n_classes: int) -> float:
    return float(uar(confusion_matrix(truth, predicted, n_classes)))
