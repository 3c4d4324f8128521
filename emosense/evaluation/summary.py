"""All scores of one set of predictions in one JSON-ready dictionary."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emosense.emotions import EMOTIONS
from emosense.evaluation import confidence, coverage, metrics
from emosense.evaluation.adapted import adaptation_scores
from emosense.evaluation.calibration import apply_temperature, fit_temperature
from emosense.evaluation.chosen import chosen_scores
from emosense.evaluation.groups import by_group
from emosense.evaluation.input_checks import check_probabilities
from emosense.evaluation.intervals import LEVEL, bootstrap_interval, mean_and_sd
from emosense.evaluation.speaker_predictions import SpeakerPredictions


def summarise(
    labels: ArrayLike,
    probabilities: ArrayLike,
    speakers: Sequence[str],
    *,
    emotions: Sequence[str] = EMOTIONS,
    folds: Sequence[str] | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
    second: SpeakerPredictions | None = None,
    n_resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Any]:
    """Score the predictions of held-out rows, pooled over folds.

    Parameters
    ----------
    labels : array, shape (n,), integers
        Indices into `emotions`.
    probabilities : array, shape (n, n_classes)
        Columns in the order of `emotions`.
    speakers : sequence of str, length n
        The actor of each row, the unit of the intervals.
    emotions : sequence of str, length n_classes
        The names of the classes.
    folds : sequence of str, length n, optional
        The name of the fold that tested each row; adds the scores of each fold, their mean and standard deviation.
    groups : mapping of str to sequence of str, length n, optional
        Further groupings of the rows to tabulate, such as ``{"sex": [...]}``.
    second : SpeakerPredictions or None
        What the speaker heads of the models predict, to which ``adaptation`` is due; None for models without.
    n_resamples, seed
        As in `emosense.evaluation.intervals.bootstrap_interval`.

    Returns
    -------
    dict
        Numbers, strings, lists, dictionaries and None only, no NaN. Keys: ``n``, ``n_speakers``, ``emotions``,
        ``level``, ``uar``, ``accuracy`` and ``macro_f1`` (each ``value`` and ``interval``, None for a single actor),
        ``recall`` (None for an absent class), ``confusion``, ``arousal``, ``ece``, ``brier``, ``log_loss``,
        ``confidence_auroc``, ``reliability``, ``coverage``, ``groups`` (``speaker`` and those given), ``folds``
        (None if not given), ``emotions_per_speaker`` (the smallest and the largest number), ``ece_scaled`` (the ECE
        after `scaled_by_fold`), ``chosen`` (after the same, see `emosense.evaluation.chosen.chosen_scores`) and
        ``adaptation`` (see `emosense.evaluation.adapted.adaptation_scores`).

    Raises
    ------
    ValueError
        If lengths differ, or as in `emosense.evaluation.input_checks.check_probabilities`.
    """
    truth, shares = check_probabilities(labels, probabilities)
    if shares.shape[1] != len(emotions):
        raise ValueError(f"{len(emotions)} emotions do not fit {shares.shape[1]} columns of probabilities")
    predictions = shares.argmax(axis=1)
    matrix = metrics.confusion_matrix(truth, predictions, len(emotions))
    summary: dict[str, Any] = {
        "n": len(truth),
        "n_speakers": len(set(speakers)),
        "emotions": list(emotions),
        "level": LEVEL,
    }
    for statistic in (metrics.uar, metrics.accuracy, metrics.macro_f1):
        interval = bootstrap_interval(truth, predictions, speakers, statistic, n_resamples=n_resamples, seed=seed)
        summary[statistic.__name__] = {
            "value": float(statistic(matrix)),
            "interval": None if interval is None else list(interval),
        }
    recall = metrics.recall_per_class(matrix).tolist()
    summary["recall"] = {name: None if np.isnan(value) else value for name, value in zip(emotions, recall, strict=True)}
    summary["confusion"] = matrix.tolist()
    summary["arousal"] = _arousal(matrix, emotions)
    summary |= _confidence(truth, shares)
    tables = {"speaker": speakers, **(groups or {})}
    summary["groups"] = {name: _table(truth, shares, of_row) for name, of_row in tables.items()}
    summary["adaptation"] = adaptation_scores(truth, shares, speakers, seed=seed, second=second)
    pairs = np.unique(np.column_stack([np.unique(speakers, return_inverse=True)[1], truth]), axis=0)
    n_emotions = np.bincount(pairs[:, 0])
    summary["emotions_per_speaker"] = [int(n_emotions.min()), int(n_emotions.max())]
    summary["folds"] = None if folds is None else _folds(truth, shares, folds)
    scaled = None if folds is None else scaled_by_fold(truth, shares, folds)
    summary["ece_scaled"] = None if scaled is None else float(confidence.ece(truth, scaled))
    summary["chosen"] = chosen_scores(truth, shares if scaled is None else scaled, emotions)
    return summary


def scaled_by_fold(
    truth: NDArray[np.int64], shares: NDArray[np.float64], folds: Sequence[str]
) -> NDArray[np.float64] | None:
    """Return the probabilities after temperature scaling, where the temperature of a fold is fitted on the other folds.

    They estimate those on new speakers of a model that is shipped with the temperature of its cross-validation.

    Parameters
    ----------
    truth : ndarray, shape (n,), int64
        Class indices.
    shares : ndarray, shape (n, n_classes)
        Probabilities.
    folds : sequence of str, length n
        Name of the fold that tested each row.

    Returns
    -------
    ndarray, shape (n, n_classes), or None
        Rows sum to 1; None if there is only one fold.
    """
    of_row = np.asarray(folds)
    names = np.unique(of_row)
    if len(names) < 2:
        return None
    scaled = shares.copy()
    for name in names:
        here = of_row == name
        temperature = fit_temperature(shares[~here], truth[~here])
        scaled[here] = apply_temperature(shares[here], temperature)
    return scaled


def _confidence(truth: NDArray[np.int64], shares: NDArray[np.float64]) -> dict[str, Any]:
    return {
        "ece": confidence.ece(truth, shares),
        "brier": confidence.brier(truth, shares),
        "log_loss": confidence.log_loss(truth, shares),
        "confidence_auroc": confidence.confidence_auroc(truth, shares),
        "reliability": [dataclasses.asdict(row) for row in confidence.reliability(truth, shares)],
        "coverage": [dataclasses.asdict(point) for point in coverage.coverage_curve(truth, shares)],
    }


def _arousal(matrix: NDArray[np.int64], emotions: Sequence[str]) -> dict[str, Any]:
    """Count the errors within and across arousal levels."""
    merged = metrics.arousal_confusion(matrix, emotions)
    n_across = int(merged[0, 1] + merged[1, 0])
    n_errors = int(matrix.sum() - np.trace(matrix))
    return {
        "order": ["low", "high"],
        "confusion": merged.tolist(),
        "n_errors_within": n_errors - n_across,
        "n_errors_across": n_across,
    }


def _table(truth: NDArray[np.int64], shares: NDArray[np.float64], groups: Sequence[str]) -> list[dict[str, Any]]:
    return [dataclasses.asdict(row) for row in by_group(truth, shares, groups)]


def _folds(truth: NDArray[np.int64], shares: NDArray[np.float64], folds: Sequence[str]) -> dict[str, Any]:
    """Score each fold; the mean over folds differs from the pooled score where folds differ in size or classes."""
    table = _table(truth, shares, folds)
    result: dict[str, Any] = {"scores": table}
    for score in ("uar", "accuracy"):
        mean, sd = mean_and_sd([row[score] for row in table])
        result[score] = {"mean": mean, "sd": sd}
    return result
