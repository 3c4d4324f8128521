"""The models of an evaluation, on disturbed copies of their test recordings -> a table of UAR.

Nothing is trained: the model that scores a disturbed copy is the one that scored the recording itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emosense.audio.disturbances import CATALOGUE, Disturbance
from emosense.crossvalidation.results import Predictions
from emosense.crossvalidation.scored_models import ScoredModels
from emosense.evaluation.intervals import compare_uar, mean_and_sd
from emosense.evaluation.metrics import confusion_matrix, uar
from emosense.progress import Progress, plural
from emosense.training.features.loading import extract_variants
from emosense.training.features.source import FeatureSource
from emosense.training.features.table import FeatureTable


def robustness(
    source: FeatureSource,
    scored: ScoredModels,
    clean: Sequence[Predictions],
    progress: Progress,
    catalogue: Sequence[Disturbance] = CATALOGUE,
) -> list[dict[str, Any]]:
    """Score every model on disturbed copies of its test recordings.

    Parameters
    ----------
    source : FeatureSource
        Where the recordings are; features of the copies are cached like any others.
    scored : ScoredModels
        The models with their test rows.
    clean : sequence of Predictions
        Predictions for the undisturbed recordings.
    progress : Progress
        Receives messages and the number of finished disturbances.
    catalogue : sequence of Disturbance
        The disturbances.

    Returns
    -------
    list of dict, one per disturbance
        ``name``, ``description``, ``n`` and ``n_lost`` (recordings of the first seed that can and that cannot be
        labelled under the disturbance), ``uar`` (``mean`` and ``sd`` over the seeds) and ``change`` against the same
        recordings undisturbed (``mean``, ``sd``, and the ``interval`` over speakers with the first seed); None if no
        recording is left.

    Raises
    ------
    UsageError
        If the source has no recordings.
    """
    configs = [table.config for table in scored.tables]
    features = extract_variants(source, configs, catalogue, progress)
    progress.message(f"robustness: {len(catalogue)} disturbances of {plural(len(scored.tables[0]), 'recording')}")
    progress.start(len(catalogue))
    records = []
    for disturbance in catalogue:
        tables = tuple(features.table(config, disturbance) for config in configs)
        left, rows = _in_the_rows_of(scored.tables[0], tables)
        found = scored.predictions_of(left, rows)
        record = _scores(scored.tables[0], scored.classes, clean, found)
        records.append({"name": disturbance.name, "description": disturbance.description, **record})
        progress.advance(1, 0)
    return records


def _in_the_rows_of(
    clean: FeatureTable, tables: Sequence[FeatureTable]
) -> tuple[tuple[FeatureTable, ...], NDArray[np.int64]]:
    """Return disturbed features in the order of the clean table, and the rows of it that all tables have."""
    places = [{path: row for row, path in enumerate(table.paths)} for table in tables]
    rows = [row for row, path in enumerate(clean.paths) if all(path in of_path for of_path in places)]
    left = tuple(
        table.select([of_path[clean.paths[row]] for row in rows]) for table, of_path in zip(tables, places, strict=True)
    )
    return left, np.array(rows, np.int64)


def _scores(
    table: FeatureTable, classes: tuple[str, ...], clean: Sequence[Predictions], found: Sequence[Predictions]
) -> dict[str, Any]:
    """Score disturbed recordings, compared with the same recordings undisturbed."""
    labels = table.labels(classes)
    first = min(p.seed for p in clean)
    n_all, n = (sum(len(p.rows) for p in part if p.seed == first) for part in (clean, found))
    scores, changes = [], []
    interval: tuple[float, float] | None = None
    for seed in sorted({p.seed for p in found}):
        rows, after = _predicted(found, seed)
        all_rows, all_before = _predicted(clean, seed)
        before = all_before[np.isin(all_rows, rows)]
        truth = labels[rows]
        if seed == first:
            interval = compare_uar(truth, after, before, [table.speakers[row] for row in rows]).interval
        scores.append(_uar(truth, after, len(classes)))
        changes.append(scores[-1] - _uar(truth, before, len(classes)))
    uar_mean, uar_sd = mean_and_sd(scores) if scores else (None, None)
    change_mean, change_sd = mean_and_sd(changes) if changes else (None, None)
    return {
        "n": n,
        "n_lost": n_all - n,
        "uar": {"mean": uar_mean, "sd": uar_sd},
        "change": {"mean": change_mean, "sd": change_sd, "interval": interval},
    }


def _predicted(predictions: Sequence[Predictions], seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the test rows of a seed, and the predicted class of each."""
    mine = [p for p in predictions if p.seed == seed]
    return np.concatenate([p.rows for p in mine]), np.concatenate([p.probabilities.argmax(axis=1) for p in mine])


def _uar(truth: NDArray[np.int64], predicted: NDArray[np.int64], n_classes: int) -> float:
    return float(uar(confusion_matrix(truth, predicted, n_classes)))
