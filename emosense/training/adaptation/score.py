"""Embeddings and labels of one's own -> a head, and an honest score of it beside that of the base model."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emosense.arrays import Float32
from emosense.emotions import EMOTIONS, own_emotions
from emosense.evaluation.calibration import apply_temperature, fit_temperature
from emosense.evaluation.choice import EmotionChoice
from emosense.evaluation.confidence import ece
from emosense.evaluation.intervals import Comparison, compare_uar
from emosense.evaluation.metrics import accuracy, confusion_matrix, uar
from emosense.evaluation.splits import Fold, folds
from emosense.models.head import Head
from emosense.progress import plural
from emosense.training.adaptation.head_fit import fit_head

_MAX_FOLDS: Final = 10
# Few rows, all of them right or all wrong, would give extreme temperatures.
_MIN_TEMPERATURE: Final = 0.5
_MAX_TEMPERATURE: Final = 4.0

Probabilities = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class OwnData:
    """Labelled embeddings of one's own.

    Parameters
    ----------
    embeddings : ndarray, shape (n, n_dims), float32
    labels : ndarray, shape (n,), int64
        Class of each row, from 0.
    speakers : tuple of str, length n
        Who speaks; of less than two different speakers, recordings are held out instead.
    classes : tuple of str
        The emotions of the labels.
    base_classes : tuple of str
        The emotions of the base model, in the order of its head.
    """

    embeddings: Float32
    labels: NDArray[np.int64]
    speakers: tuple[str, ...]
    classes: tuple[str, ...]
    base_classes: tuple[str, ...]

    @property
    def positions(self) -> tuple[int | None, ...]:
        """Column of each class in the base model's head; None for an emotion that it does not know."""
        known = self.base_classes
        return tuple(known.index(name) if name in known else None for name in self.classes)

    @property
    def has_speakers(self) -> bool:
        """Whether speakers can be held out: every row has one, and there are two or more."""
        return all(self.speakers) and len(set(self.speakers)) > 1

    @property
    def units(self) -> tuple[str, ...]:
        """What is held out together: a speaker, or a recording where speakers are not known."""
        return self.speakers if self.has_speakers else tuple(f"{place:06d}" for place in range(len(self.labels)))


@dataclasses.dataclass(frozen=True, slots=True)
class AdaptationScore:
    """What an adapted head does on recordings that it was not fitted to, and the base model on the same.

    Parameters
    ----------
    protocol : str
        What was held out, in words.
    n : int
        Number of recordings.
    uar, accuracy, ece : float
        Of the adapted head, 0 to 1.
    base_uar : float
        Of the base model, its answer limited to the emotions of the labels.
    comparison : Comparison
        Adapted minus base.
    temperature : float
        That calibrates the held-out probabilities.
    """

    protocol: str
    n: int
    uar: float
    accuracy: float
    ece: float
    base_uar: float
    comparison: Comparison
    temperature: float

    @property
    def is_better(self) -> bool:
        """Whether the adapted head finds more than the base model alone."""
        return self.comparison.uar_difference > 0

    def to_dict(self) -> dict[str, Any]:
        """Return an entry of the ``scores`` of ``model.json``.

        Returns
        -------
        dict
        """
        return {
            "protocol": self.protocol, "n": self.n, "uar": self.uar, "accuracy": self.accuracy, "ece": self.ece,
            "base_uar": self.base_uar, "gain": self.comparison.uar_difference,
            "gain_interval": self.comparison.interval, "p_value": self.comparison.p_value,
        }  # fmt: skip


def score_adaptation(base: Head, data: OwnData) -> AdaptationScore:
    """Score the adaptation of a head by cross-validation.

    Parameters
    ----------
    base : Head
        The head to adapt.
    data : OwnData

    Returns
    -------
    AdaptationScore
        Each row is predicted by a head that was fitted to others, and calibrated on others again.
    """
    units, n_classes = data.units, len(data.classes)
    n_folds = min(_MAX_FOLDS, len(set(units)))
    held_out = folds("kfold", units, data.labels, n_folds=n_folds)
    raw = np.zeros((len(data.labels), n_classes))
    for fold in held_out:
        head = fit_head(base, data.positions, data.embeddings[fold.train], data.labels[fold.train])
        raw[fold.test] = head.probabilities(data.embeddings[fold.test])
    probabilities = _calibrated(raw, data.labels, held_out)
    alone = base_probabilities(base, data)
    predictions, confusion = probabilities.argmax(axis=1), _confusion(data.labels, probabilities)
    noun = "speaker" if data.has_speakers else "recording"
    return AdaptationScore(
        protocol=f"own labels, {n_folds} folds over {plural(len(set(units)), noun)}",
        n=len(data.labels),
        uar=float(uar(confusion)),
        accuracy=float(accuracy(confusion)),
        ece=ece(data.labels, probabilities),
        base_uar=float(uar(_confusion(data.labels, alone))),
        comparison=compare_uar(data.labels, predictions, alone.argmax(axis=1), units),
        temperature=_temperature(raw, data.labels),
    )


def _calibrated(raw: Probabilities, labels: NDArray[np.int64], held_out: Sequence[Fold]) -> Probabilities:
    """Calibrate the probabilities of each fold on those of the others."""
    calibrated = np.zeros_like(raw)
    for fold in held_out:
        temperature = _temperature(raw[fold.train], labels[fold.train])
        calibrated[fold.test] = apply_temperature(raw[fold.test], temperature)
    return calibrated


def _temperature(probabilities: Probabilities, labels: NDArray[np.int64]) -> float:
    return float(np.clip(fit_temperature(probabilities, labels), _MIN_TEMPERATURE, _MAX_TEMPERATURE))


def base_probabilities(base: Head, data: OwnData) -> Probabilities:
    """Return the answer of the base model among the emotions of the labels, as ``label --emotions`` gives it.

    Parameters
    ----------
    base : Head
    data : OwnData

    Returns
    -------
    ndarray, shape (n, n_classes), float64
        Rows sum to one. 0 for an emotion that the base model does not know; all equal where it knows none of them.
    """
    own = own_emotions(data.base_classes)
    names = (*EMOTIONS, *own)
    of_all = np.zeros((len(data.labels), len(names)))
    of_all[:, [names.index(name) for name in data.base_classes]] = base.probabilities(data.embeddings)
    known = EmotionChoice(tuple(name for name in data.classes if name in names))
    if not known.emotions:
        return np.full((len(of_all), len(data.classes)), 1 / len(data.classes))
    limited = np.zeros((len(of_all), len(data.classes)))
    answers = known.apply(of_all, own)
    for place, name in enumerate(data.classes):
        if name in names:
            limited[:, place] = answers[:, names.index(name)]
    return limited


def _confusion(labels: NDArray[np.int64], probabilities: Probabilities) -> NDArray[np.int64]:
    return confusion_matrix(labels, probabilities.argmax(axis=1), probabilities.shape[1])
