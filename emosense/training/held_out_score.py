"""Score, temperature and learning curves of a model on speakers that it was not trained on."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emosense.errors import UsageError
from emosense.evaluation.by_corpus import as_written
from emosense.evaluation.calibration import apply_temperature, fit_temperature
from emosense.evaluation.confidence import ece
from emosense.evaluation.metrics import accuracy, confusion_matrix, uar
from emosense.storage.locations import join, redact
from emosense.storage.reading import read_bytes
from emosense.training.ensemble import features_of, settings_sha256
from emosense.training.settings import ModelConfig


@dataclasses.dataclass(frozen=True, slots=True)
class HeldOutScore:
    """Score, calibration and learning curves on held-out speakers.

    Parameters
    ----------
    score : dict
        For ``model.json``. ``ece`` is measured after temperature scaling; the temperature was fitted on the speakers of
        the other folds in a cross-validation, and on the same rows where one part was held out.
    temperature : float
        Divides the logits; above 0.
    curves : list of dict
        One record per epoch.
    """

    score: dict[str, Any]
    temperature: float
    curves: list[dict[str, Any]]


def cross_validated(place: str, kind: str, preset: str, config: ModelConfig, classes: tuple[str, ...]) -> HeldOutScore:
    """Read score, temperature and curves from the ``metrics.json`` of a cross-validation and the files beside it.

    Parameters
    ----------
    place : str
        Path or URL of ``metrics.json``.
    kind, preset : str
        Names of the preset that is trained.
    config : NetworkConfig or EnsembleConfig
        Settings of the model that is trained.
    classes : tuple of str
        Classes of the model that is trained.

    Returns
    -------
    HeldOutScore
        What the cross-validation measured.

    Raises
    ------
    UsageError
        If the file belongs to another model family, preset, settings, features or classes, has only some folds of its
        protocol or a split that is not by speaker, or its predictions are calibrated or incomplete.
    """
    folder = place.rpartition("/")[0] or "."
    try:
        metrics, curves = (json.loads(read_bytes(file)) for file in (place, join(folder, "curves.json")))
        found = (metrics["kind"], metrics["preset"], tuple(metrics["classes"]), metrics["calibrated"])
        features, is_fair = metrics["features"], metrics["speaker_independent"]
        n_rows = sum(seed["n"] for seed in metrics["seeds"])
    except (FileNotFoundError, ValueError, LookupError, TypeError) as err:
        raise UsageError(f"{redact(place)} is not the metrics.json of a cross-validation") from err
    if found != (kind, preset, classes, False):
        raise UsageError(f"{redact(place)} is of {found}, needed is {(kind, preset, classes, False)}")
    if metrics.get("only_folds"):
        taken = ", ".join(metrics["only_folds"])
        raise UsageError(f"{redact(place)} has only {taken}: a model's score needs every fold, so leave out --fold")
    if not is_fair:
        raise UsageError(f"{redact(place)} is of a random split, which scores known speakers: take another --protocol")
    if features != [feature.key for feature in features_of(config)]:
        raise UsageError(f"{redact(place)} was measured with other features, or with another encoder")
    if "settings_sha256" not in metrics:
        raise UsageError(
            f"{redact(place)} does not state its settings: evaluate again with --reuse {redact(folder)}, "
            "which trains no network again"
        )
    if metrics["settings_sha256"] != settings_sha256(config):
        raise UsageError(f"{redact(place)} was measured with other settings of {kind} {preset} (epochs, copies, views)")
    labels, written = _predictions(join(folder, "predictions.csv"), classes, n_rows)
    temperature = round(fit_temperature(written, labels), 4)
    first, scores = metrics["seeds"][0], metrics["scores"]
    score = {
        "protocol": metrics["protocol"],
        "speaker_independent": metrics["speaker_independent"],
        "n": metrics["n"],
        "n_seeds": metrics["n_seeds"],
        "uar": scores["uar"]["mean"],
        "uar_sd": scores["uar"]["sd"],
        "uar_interval": first["uar"]["interval"],
        "accuracy": scores["accuracy"]["mean"],
        "ece_before": scores["ece"]["mean"],
        # Measured on other rows than the temperature was fitted to.
        "ece": scores["ece_scaled"]["mean"],
        "groups": {name: first["groups"][name] for name in ("sex", "speaker")},
    }
    return HeldOutScore(score, temperature, curves)


def _predictions(place: str, classes: tuple[str, ...], n_rows: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Read the labels and the probabilities, as written, of all test rows: (n_rows,) and (n_rows, n_classes)."""
    try:
        rows = list(csv.DictReader(io.StringIO(read_bytes(place).decode(), newline="")))
        labels = np.array([classes.index(row["emotion"]) for row in rows])
        probabilities = np.array([[float(row[f"p_{name}"]) for name in classes] for row in rows])
    except (FileNotFoundError, ValueError, LookupError, TypeError) as err:
        raise UsageError(f"{redact(place)} does not hold the predictions of this evaluation: evaluate again") from err
    if len(rows) != n_rows:
        raise UsageError(f"{redact(place)} has {len(rows)} rows, and metrics.json counts {n_rows}: evaluate again")
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return labels, as_written(probabilities, labels, [row.get("corpus", "") for row in rows], classes)


def score_held_out(
    speakers: tuple[str, ...],
    labels: NDArray[np.int64],
    probabilities: NDArray[np.float64],
    curves: list[dict[str, Any]],
) -> HeldOutScore:
    """Score and calibrate a model on recordings of held-out speakers.

    Parameters
    ----------
    speakers : tuple of str
        Speaker of each recording.
    labels : ndarray, shape (n,), int64
        Class indices.
    probabilities : ndarray, shape (n, n_classes), float64 in [0, 1]
        Predictions of the model.
    curves : list of dict
        Its learning curves, one record per epoch.

    Returns
    -------
    HeldOutScore
        Score, temperature and curves.
    """
    temperature = round(fit_temperature(probabilities, labels), 4)
    confusion = confusion_matrix(labels, np.argmax(probabilities, axis=1), probabilities.shape[1])
    score = {
        "protocol": f"held-out speakers {', '.join(sorted(set(speakers)))}",
        "speaker_independent": True,
        "n": len(labels),
        "n_seeds": 1,
        "uar": float(uar(confusion)),
        "accuracy": float(accuracy(confusion)),
        "ece_before": float(ece(labels, probabilities)),
        "ece": float(ece(labels, apply_temperature(probabilities, temperature))),
    }
    return HeldOutScore(score, temperature, curves)


def is_at_chance(score: dict[str, Any], n_classes: int) -> bool:
    """Whether a score is no better than guessing.

    Parameters
    ----------
    score : dict
        One of ``scores`` in ``model.json``.
    n_classes : int
        Number of classes.

    Returns
    -------
    bool
        True if the UAR is less than two standard errors of guessing above that of guessing, 1 / `n_classes`.
    """
    chance = 1 / n_classes
    return bool(score["uar"] < chance + 2 * np.sqrt(chance * (1 - chance) / score["n"]))
