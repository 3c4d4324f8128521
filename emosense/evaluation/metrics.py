"""Confusion matrices, and the scores that follow from them.

A confusion matrix has the truth in rows and the prediction in columns, in the order of the model's classes. The scores
take matrices of shape (..., n_classes, n_classes) and reduce the last two axes, so that thousands of resampled matrices
(`emosense.evaluation.intervals`) are scored in one call. All scores lie in [0, 1].
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emosense.emotions import EMOTIONS, HIGH_AROUSAL
from emosense.evaluation.input_checks import check_labels


def confusion_matrix(labels: ArrayLike, predictions: ArrayLike, n_classes: int) -> NDArray[np.int64]:
    """Count rows by truth and prediction.

    Parameters
    ----------
    labels, predictions : array, shape (n,), integers from 0 to n_classes - 1
        The truth and the prediction of each row.
    n_classes : int
        Number of classes.

    Returns
    -------
    ndarray, shape (n_classes, n_classes), int64
        Entry [i, j] counts the rows of class i that were predicted as class j.

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
    """Return the recall of each class: the share of its rows that are predicted correctly.

    Parameters
    ----------
    confusion : ndarray, shape (..., n_classes, n_classes)
        Truth in rows, prediction in columns.

    Returns
    -------
    ndarray, shape (..., n_classes)
        In [0, 1]; NaN for a class without rows.
    """
    hits = np.diagonal(confusion, axis1=-2, axis2=-1).astype(np.float64)
    support = confusion.sum(axis=-1)
    return np.asarray(np.divide(hits, support, out=np.full_like(hits, np.nan), where=support > 0))


def uar(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the unweighted average recall: the mean recall over the classes that have rows.

    A class without rows has no recall and is left out, as in scikit-learn's ``balanced_accuracy_score``; rows predicted
    as this class still count as errors.

    Parameters
    ----------
    confusion : ndarray, shape (..., n_classes, n_classes)
        Truth in rows, prediction in columns.

    Returns
    -------
    ndarray, shape (...)
        One number per matrix, in [0, 1].

    Raises
    ------
    ValueError
        If a matrix counts no rows.
    """
    _check_counts(confusion)
    recall = recall_per_class(confusion)
    return np.asarray(np.nansum(recall, axis=-1) / np.isfinite(recall).sum(axis=-1))


def accuracy(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the share of rows that are right.

    Parameters
    ----------
    confusion : ndarray, shape (..., n_classes, n_classes)
        Truth in rows, prediction in columns.

    Returns
    -------
    ndarray, shape (...)
        One number per matrix, in [0, 1].

    Raises
    ------
    ValueError
        If a matrix counts no rows.
    """
    _check_counts(confusion)
    return np.asarray(np.trace(confusion, axis1=-2, axis2=-1) / confusion.sum(axis=(-2, -1)))


def macro_f1(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the mean F1 over the classes that the labels or the predictions have.

    Equal to scikit-learn's ``f1_score(average="macro")``: a class that is predicted but has no rows counts as 0.

    Parameters
    ----------
    confusion : ndarray, shape (..., n_classes, n_classes)
        Truth in rows, prediction in columns.

    Returns
    -------
    ndarray, shape (...)
        One number per matrix, in [0, 1].

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
    """Merge the classes into low and high arousal: errors across the two are worse than errors within them.

    High are happy, angry, fearful and surprised (`emosense.emotions.HIGH_AROUSAL`); low are neutral, calm, sad and
    disgust. The division is coarse: arousal is a continuum, acted disgust and grief are often loud, and the intensity
    of the acting (RAVDESS has two) moves a recording more than its class does.

    Parameters
    ----------
    confusion : ndarray, shape (n_classes, n_classes)
        Truth in rows, prediction in columns.
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


def _check_counts(confusion: NDArray[np.int64]) -> None:
    if not confusion.sum(axis=(-2, -1)).all():
        raise ValueError("a confusion matrix without rows has no score")
