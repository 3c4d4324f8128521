"""The output folder of `emosense-batch evaluate` -> its scores, predictions and learning curves in memory."""

from __future__ import annotations

import csv
import dataclasses
import io
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emosense.errors import UsageError
from emosense.storage.cells import unescape_cell
from emosense.storage.locations import join, redact
from emosense.storage.reading import read_bytes, read_json

# Model families whose names are initials.
_INITIALS: Final = ("mlp", "cnn")


@dataclasses.dataclass(frozen=True, slots=True)
class Evaluation:
    """An evaluation, with one row per test recording and seed.

    Attributes
    ----------
    metrics : dict
        The content of ``metrics.json``.
    curves : list of dict
        The content of ``curves.json``: seed, fold and epochs of each training run that has learning curves.
    classes : tuple of str
    labels, predicted : ndarray, shape (n,), int64
        Class indices.
    confidence : ndarray, shape (n,)
        Highest probability of each row.
    paths, speakers, sexes : tuple of str, length n
    seeds : tuple of int, length n
    """

    metrics: dict[str, Any]
    curves: list[dict[str, Any]]
    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    predicted: NDArray[np.int64]
    confidence: NDArray[np.float64]
    paths: tuple[str, ...]
    speakers: tuple[str, ...]
    sexes: tuple[str, ...]
    seeds: tuple[int, ...]

    @property
    def name(self) -> str:
        """Name of the model, or of the model family with its preset."""
        if model := self.metrics.get("model"):
            return str(model)
        kind = str(self.metrics["kind"])
        return f"{kind.upper() if kind in _INITIALS else kind.capitalize()} {self.metrics['preset']}"

    @property
    def is_right(self) -> NDArray[np.bool_]:
        """Whether each row is right."""
        return np.asarray(self.labels == self.predicted)

    @property
    def confusion(self) -> NDArray[np.int64]:
        """Rows by truth and prediction, summed over the seeds."""
        return np.asarray(np.sum([seed["confusion"] for seed in self.metrics["seeds"]], axis=0), np.int64)


def read_evaluation(folder: str) -> Evaluation:
    """Read what `emosense-batch evaluate` wrote.

    Parameters
    ----------
    folder : str
        Location of metrics.json, predictions.csv and, if there are any, curves.json.

    Returns
    -------
    Evaluation
        Scores, predictions and curves.

    Raises
    ------
    UsageError
        If a file is missing or damaged.
    """
    where = redact(folder)
    try:
        metrics = read_json(join(folder, "metrics.json"))
        text = read_bytes(join(folder, "predictions.csv")).decode("utf-8")
    except (FileNotFoundError, NotADirectoryError) as err:
        raise UsageError(f"{where} has no evaluation: make one with emosense-batch evaluate") from err
    except (ValueError, OSError) as err:
        raise UsageError(f"{where} has a damaged evaluation: {err}") from err
    try:
        curves = _read_curves(folder)
        return _evaluation(metrics, list(csv.DictReader(io.StringIO(text, newline=""))), curves)
    except (LookupError, ValueError, TypeError, AttributeError, OSError, csv.Error) as err:
        raise UsageError(f"{where} has a damaged evaluation: {type(err).__name__} {err}") from err


def _read_curves(folder: str) -> Any:
    """Read the learning curves; the evaluation of a given model has none."""
    try:
        return read_json(join(folder, "curves.json"))
    except FileNotFoundError:
        return []


def _evaluation(metrics: dict[str, Any], rows: list[dict[str, str]], curves: list[dict[str, Any]]) -> Evaluation:
    classes = tuple(metrics["classes"])
    place = {name: index for index, name in enumerate(classes)}
    expected = sum(seed["n"] for seed in metrics["seeds"])
    if len(rows) != expected:
        raise ValueError(f"predictions.csv has {len(rows)} rows and metrics.json counts {expected}")
    return Evaluation(
        metrics=metrics,
        curves=[curve for curve in curves if curve["epochs"]],
        classes=classes,
        labels=np.array([place[row["emotion"]] for row in rows], np.int64),
        predicted=np.array([place[row["predicted"]] for row in rows], np.int64),
        confidence=np.array([max(float(row[f"p_{name}"]) for name in classes) for row in rows]),
        paths=tuple(unescape_cell(row["path"]) for row in rows),
        speakers=tuple(unescape_cell(row["speaker"]) for row in rows),
        sexes=tuple(unescape_cell(row["sex"]) or "unknown" for row in rows),
        seeds=tuple(int(row["seed"]) for row in rows),
    )
