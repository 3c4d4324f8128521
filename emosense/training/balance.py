"""Rows of several corpora -> their weights in training, and the emotions that each row says something about.

Corpora differ in size and in their emotions. Without weights, the largest corpus and its most frequent emotion decide.
Without a mask, a corpus that has no disgust teaches that its language, rooms and microphones are never disgusted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emosense.arrays import Float32

# A cell of a few rows would otherwise decide whole batches: one row of 6,500 in 27 cells would count 240 times.
_LARGEST_WEIGHT: Final = 10.0
# A corpus with many emotions tells more of them apart: its rows count by the square of their number.
_EMOTIONS_POWER: Final = 2


def balanced_weights(corpora: Sequence[str], labels: NDArray[np.int64]) -> Float32:
    """Return row weights with which every emotion of every corpus counts the same.

    Within one corpus these are the usual class weights, the inverse of the class's frequency.

    Parameters
    ----------
    corpora : sequence of str, length n_rows
        Corpus of each row.
    labels : ndarray, shape (n_rows,), int64
        Class of each row.

    Returns
    -------
    ndarray, shape (n_rows,), float32
        Positive and at most 10. The rows of each pair of corpus and class have the same sum, except where one row would
        count more than 10; without such rows the mean is 1.

    Raises
    ------
    ValueError
        If the lengths differ, or there are no rows.
    """
    corpus_of_row, _ = _indices(corpora, labels)
    n_labels = int(labels.max()) + 1
    _, cell_of_row, counts = np.unique(corpus_of_row * n_labels + labels, return_inverse=True, return_counts=True)
    of_cell = np.minimum(len(labels) / (len(counts) * counts), _LARGEST_WEIGHT)
    return np.asarray(of_cell[cell_of_row], np.float32)


def class_mask(corpora: Sequence[str], labels: NDArray[np.int64], n_classes: int) -> NDArray[np.bool_]:
    """Return the classes that the corpus of each row has.

    The probability of a row's class is to be taken among these only: the others are missing from the corpus, whatever
    the recording sounds like.

    Parameters
    ----------
    corpora : sequence of str, length n_rows
        Corpus of each row.
    labels : ndarray, shape (n_rows,), int64, from 0 to `n_classes` - 1
        Class of each row.
    n_classes : int
        Number of classes.

    Returns
    -------
    ndarray, shape (n_rows, n_classes), bool
        True for the classes of the row's corpus; all rows of a corpus are equal. A class that no corpus has is True
        everywhere, so that a model learns not to give it.

    Raises
    ------
    ValueError
        If the lengths differ, there are no rows, or a label is out of range.
    """
    corpus_of_row, n_corpora = _indices(corpora, labels)
    if labels.min() < 0 or labels.max() >= n_classes:
        raise ValueError(f"labels must lie from 0 to {n_classes - 1}, not {labels.min()} to {labels.max()}")
    has = np.zeros((n_corpora, n_classes), np.bool_)
    has[corpus_of_row, labels] = True
    has[:, ~has.any(axis=0)] = True
    return has[corpus_of_row]


def row_weights(corpora: Sequence[str], labels: NDArray[np.int64], allowed: NDArray[np.bool_]) -> Float32:
    """Return row weights with which a corpus of many emotions counts more than one of few.

    Parameters
    ----------
    corpora : sequence of str, length n_rows
        Corpus of each row.
    labels : ndarray, shape (n_rows,), int64
        Class of each row.
    allowed : ndarray, shape (n_rows, n_classes), bool
        The classes of each row's corpus, from `class_mask`.

    Returns
    -------
    ndarray, shape (n_rows,), float32
        Those of `balanced_weights`, times the square of the number of classes of the corpus; their mean is 1.
    """
    weights = balanced_weights(corpora, labels) * allowed.sum(axis=1, dtype=np.float32) ** _EMOTIONS_POWER
    return np.asarray(weights / weights.mean(), np.float32)


def _indices(corpora: Sequence[str], labels: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    """Return the number of each row's corpus, and the number of corpora."""
    if len(corpora) != len(labels) or not len(labels):
        raise ValueError(f"{len(corpora)} corpora and {len(labels)} labels: each row needs one of each")
    names, corpus_of_row = np.unique(np.asarray(corpora, np.str_), return_inverse=True)
    return corpus_of_row.astype(np.int64), len(names)
