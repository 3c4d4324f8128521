"""How often the label is right: confusion matrices, and the scores that follow from them.

A confusion matrix has the truth in rows and the prediction in columns, in the order of the model's classes. The scores
take matrices of shape (..., n_classes, n_classes) and reduce the last two axes, so that thousands of resampled matrices
(`emosense.evaluation.intervals`) are scored in one call. All scores lie in [0, 1].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emosense.emotions import EMOTIONS, HIGH_AROUSAL

# float32 probabilities of eight classes sum to one within 1e-6; a wider gap than this is no rounding.
_SUM_TOLERANCE: Final = 1e-3


@dataclass(frozen=True, slots=True)
class GroupScore:
    """The scores of the rows of one group, such as an actor, a sex or a fold.

    Attributes
    ----------
    group : str
        Name of the group, which has `n` rows.
    uar, accuracy : float
        In [0, 1]; the UAR is over the classes that the group has.
    mean_confidence : float
        Mean of the highest probability; above the accuracy where the model is too sure of itself.
    """

    group: str
    n: int
    uar: float
    accuracy: float
    mean_confidence: float


def check_labels(labels: ArrayLike, n_classes: int) -> NDArray[np.int64]:
    """Return class indices as int64.

    Raises
    ------
    ValueError
        If there are none, or they are not whole numbers from 0 to `n_classes` - 1.
    """
    indices = np.asarray(labels)
    if indices.ndim != 1 or indices.size == 0:
        raise ValueError(f"there are no rows to evaluate: expected a non-empty vector, got shape {indices.shape}")
    if not np.issubdtype(indices.dtype, np.integer):
        raise ValueError(f"class indices must be whole numbers, not {indices.dtype}")
    if indices.min() < 0 or indices.max() >= n_classes:
        raise ValueError(f"class indices must lie from 0 to {n_classes - 1}, not {indices.min()} to {indices.max()}")
    return indices.astype(np.int64)


def check_probabilities(labels: ArrayLike, probabilities: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return labels as int64 of shape (n,) and probabilities as float64 of shape (n, n_classes).

    Raises
    ------
    ValueError
        If there are no rows, the lengths differ, a label is out of range, or a row of probabilities holds NaN or a
        number outside [0, 1], or does not sum to one.
    """
    array = np.asarray(probabilities, dtype=np.float64)
    if array.ndim != 2:
        raise ValueError(f"probabilities must have the shape (rows, classes), not {array.shape}")
    indices = check_labels(labels, array.shape[1])
    if len(indices) != len(array):
        raise ValueError(f"{len(indices)} labels do not fit {len(array)} rows of probabilities")
    if not np.isfinite(array).all():
        raise ValueError(f"{int((~np.isfinite(array)).any(axis=1).sum())} rows of probabilities hold NaN or infinity")
    if array.min() < 0 or array.max() > 1 + _SUM_TOLERANCE or np.abs(array.sum(axis=1) - 1).max() > _SUM_TOLERANCE:
        raise ValueError("probabilities must lie in [0, 1] and each row must sum to 1")
    return indices, array


def confusion_matrix(labels: ArrayLike, predictions: ArrayLike, n_classes: int) -> NDArray[np.int64]:
    """Count rows by truth and prediction.

    Parameters
    ----------
    labels, predictions : array, shape (n,), integers from 0 to n_classes - 1

    Returns
    -------
    ndarray, shape (n_classes, n_classes), int64
        Entry [i, j] counts the rows of class i that were taken for class j.

    Raises
    ------
    ValueError
        If there are no rows, the lengths differ, or an index is out of range.
    """
    truth, predicted = check_labels(labels, n_classes), check_labels(predictions, n_classes)
    if len(truth) != len(predicted):
        raise ValueError(f"{len(truth)} labels do not fit {len(predicted)} predictions")
    return np.bincount(truth * n_classes + predicted, minlength=n_classes**2).reshape(n_classes, n_classes)


def recall_per_class(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the share of each class's rows that was recognised, shape (..., n_classes); NaN for an absent class."""
    hits = np.diagonal(confusion, axis1=-2, axis2=-1).astype(np.float64)
    support = confusion.sum(axis=-1)
    return np.asarray(np.divide(hits, support, out=np.full_like(hits, np.nan), where=support > 0))


def uar(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the unweighted average recall: the mean recall over the classes that the truth has.

    A class without a row in the truth has no recall and is left out, as scikit-learn's ``balanced_accuracy_score``
    does; rows taken for it still count as errors. Shape (...): one number a matrix.

    Raises
    ------
    ValueError
        If a matrix counts no rows.
    """
    _check_counts(confusion)
    recall = recall_per_class(confusion)
    return np.asarray(np.nansum(recall, axis=-1) / np.isfinite(recall).sum(axis=-1))


def accuracy(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the share of rows that are right, shape (...).

    Raises
    ------
    ValueError
        If a matrix counts no rows.
    """
    _check_counts(confusion)
    return np.asarray(np.trace(confusion, axis1=-2, axis2=-1) / confusion.sum(axis=(-2, -1)))


def macro_f1(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the mean F1 over the classes that the truth or the predictions have, shape (...).

    This is scikit-learn's ``f1_score(average="macro")``: a class that is predicted but absent counts as 0.

    Raises
    ------
    ValueError
        If a matrix counts no rows.
    """
    _check_counts(confusion)
    hits = np.diagonal(confusion, axis1=-2, axis2=-1).astype(np.float64)
    involved = confusion.sum(axis=-1) + confusion.sum(axis=-2)
    f1 = np.divide(2 * hits, involved, out=np.zeros_like(hits), where=involved > 0)
    return np.asarray(f1.sum(axis=-1) / (involved > 0).sum(axis=-1))


def arousal_confusion(confusion: NDArray[np.int64], emotions: Sequence[str] = EMOTIONS) -> NDArray[np.int64]:
    """Merge the classes into low and high arousal: errors across the two are grave, errors within them understandable.

    High are happy, angry, fearful and surprised (`emosense.emotions.HIGH_AROUSAL`); low are neutral, calm, sad and
    disgust. The division is coarse: arousal is a continuum, acted disgust and grief are often loud, and the intensity
    of the acting (RAVDESS has two) moves a recording more than its class does.

    Parameters
    ----------
    confusion : ndarray, shape (n_classes, n_classes)
    emotions : sequence of str, length n_classes
        The names of the classes.

    Returns
    -------
    ndarray, shape (2, 2), int64
        Truth in rows, prediction in columns, in the order low, high.

    Raises
    ------
    ValueError
        If the names do not fit the matrix.
    """
    if confusion.shape != (len(emotions), len(emotions)):
        raise ValueError(f"{len(emotions)} emotions do not fit a confusion matrix of shape {confusion.shape}")
    is_high = np.array([emotion in HIGH_AROUSAL for emotion in emotions])
    membership = np.stack([~is_high, is_high]).astype(np.int64)
    return np.asarray(membership @ confusion @ membership.T)


def by_group(labels: ArrayLike, probabilities: ArrayLike, groups: Sequence[str]) -> list[GroupScore]:
    """Return the scores of each group of rows, ordered by the group's name.

    Parameters
    ----------
    labels : array, shape (n,), integers
    probabilities : array, shape (n, n_classes)
    groups : sequence of str, length n
        The group of each row: its actor, sex or fold.

    Raises
    ------
    ValueError
        If the lengths differ, or as in `check_probabilities`.
    """
    truth, shares = check_probabilities(labels, probabilities)
    if len(groups) != len(truth):
        raise ValueError(f"{len(groups)} groups do not fit {len(truth)} rows")
    of_row = np.asarray(groups, dtype=np.str_)
    table = []
    for group in np.unique(of_row):
        rows = of_row == group
        matrix = confusion_matrix(truth[rows], shares[rows].argmax(axis=1), shares.shape[1])
        mean_confidence = float(shares[rows].max(axis=1).mean())
        n = int(rows.sum())
        table.append(GroupScore(str(group), n, float(uar(matrix)), float(accuracy(matrix)), mean_confidence))
    return table


def _check_counts(confusion: NDArray[np.int64]) -> None:
    if not confusion.sum(axis=(-2, -1)).all():
        raise ValueError("a confusion matrix without rows has no score")
