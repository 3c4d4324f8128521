"""Checks of labels and probabilities before they are scored."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

# float32 probabilities of eight classes sum to one within 1e-6; a larger gap is not rounding.
_SUM_TOLERANCE: Final = 1e-3


def check_labels(labels: ArrayLike, n_classes: int) -> NDArray[np.int64]:
    """Return class indices as int64.

    Parameters
    ----------
    labels : array, shape (n,), integers
        Class indices.
    n_classes : int
        Number of classes.

    Returns
    -------
    ndarray, shape (n,), int64
        The indices.

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

    Parameters
    ----------
    labels : array, shape (n,), integers
        Class indices.
    probabilities : array, shape (n, n_classes)
        Rows sum to one.

    Returns
    -------
    labels : ndarray, shape (n,), int64
        Class indices.
    probabilities : ndarray, shape (n, n_classes), float64
        Probabilities.

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
