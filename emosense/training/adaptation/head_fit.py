"""Embeddings with labels -> a head: softmax regression that starts from a head of other recordings.

The maximum a posteriori under a Gaussian prior around the base head's weights (MacKay 1992,
doi 10.1162/neco.1992.4.5.720, for one that starts at zero). The base head is all that is kept of the base data:
docs/own-labels.md compares this with what needs more of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emosense.arrays import Float32
from emosense.models.head import Head

# Precision of the prior, chosen on five corpora, each left out of the base model once.
_PRECISION: Final = 10.0
_MAX_STEPS: Final = 200


def fit_head(base: Head, positions: Sequence[int | None], embeddings: Float32, labels: NDArray[np.int64]) -> Head:
    """Fit a head to labelled embeddings.

    Every class weighs as much as any other, however many rows it has.

    Parameters
    ----------
    base : Head
        The head to start from. Its mean and scale are kept.
    positions : sequence of int or None, length n_classes
        For each class, its column in the base head; None for a class that the base head does not have.
    embeddings : ndarray, shape (n, n_dims), float32
        One row per recording.
    labels : ndarray, shape (n,), int64
        Class of each row, from 0. A class may have no row.

    Returns
    -------
    Head
        With one column per class.
    """
    from scipy.optimize import minimize

    standardised = (embeddings - base.mean).astype(np.float64) / base.scale
    prior = np.array([_column(base, position) for position in positions]).T
    n_classes, truth = len(positions), np.eye(len(positions))[labels]
    counts = np.bincount(labels, minlength=n_classes)
    weights = (len(labels) / np.count_nonzero(counts) / np.maximum(counts, 1))[labels][:, np.newaxis]

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weight, bias = np.split(flat.reshape(-1, n_classes), [-1])
        logits = standardised @ weight + bias
        logits -= logits.max(axis=1, keepdims=True)
        exponents = np.exp(logits)
        totals = exponents.sum(axis=1, keepdims=True)
        errors = weights * (exponents / totals - truth)
        change = weight - prior[:-1]
        value = (weights * (np.log(totals) - (logits * truth).sum(axis=1, keepdims=True))).sum()
        # The bias has no prior: how frequent the emotions are says nothing about other recordings.
        gradient = np.vstack([standardised.T @ errors + _PRECISION * change, errors.sum(axis=0)])
        return float(value + _PRECISION / 2 * (change**2).sum()), gradient.ravel()

    found = minimize(loss, prior.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": _MAX_STEPS})
    weight, bias = np.split(found.x.reshape(-1, n_classes).astype(np.float32), [-1])
    return Head(base.mean, base.scale, weight, bias[0])


def _column(base: Head, position: int | None) -> Float32:
    """Return the weights and the bias of a class; the mean over all classes for one that the base head lacks."""
    both = np.vstack([base.weight, base.bias])
    return np.asarray(both.mean(axis=1) if position is None else both[:, position], np.float32)
