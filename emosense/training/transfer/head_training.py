"""Embeddings of labelled recordings of several corpora -> a head, by softmax regression with a Gaussian prior.

Every emotion of a corpus counts the same, and what a corpus lacks is no evidence: see `emosense.training.balance`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from emosense.arrays import Float32
from emosense.models.head import Head
from emosense.training.balance import class_mask, row_weights
from emosense.training.features.table import FeatureTable

_MAX_STEPS: Final = 200
# A value that is constant in training, such as that of a dead unit, would otherwise be divided by 0.
_SMALLEST_SCALE: Final = 1e-3
_EXCLUDED: Final = np.float32(-1e9)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class TrainingRows:
    """Labelled embeddings.

    Parameters
    ----------
    embeddings : ndarray, shape (n_rows, n_dims), float32
        Of recordings.
    labels : ndarray, shape (n_rows,), int64
        Class of each row.
    weights : ndarray, shape (n_rows,), float32
        How much each row counts; positive.
    allowed : ndarray, shape (n_rows, n_classes), bool
        The classes among which a row's probabilities are taken.
    """

    embeddings: Float32
    labels: NDArray[np.int64]
    weights: Float32
    allowed: NDArray[np.bool_]

    @classmethod
    def of(cls, table: FeatureTable, classes: tuple[str, ...], embeddings: Float32) -> Self:
        """Weight the recordings of a table, and say among which classes each is told apart.

        Parameters
        ----------
        table : FeatureTable
            Recordings of the emotions in `classes`.
        classes : tuple of str
            Emotions to tell apart.
        embeddings : ndarray, shape (n_rows, n_dims), float32
            Of the recordings.

        Returns
        -------
        TrainingRows
        """
        labels = table.labels(classes)
        allowed = class_mask(table.corpora, labels, len(classes))
        return cls(embeddings, labels, row_weights(table.corpora, labels, allowed), allowed)

    def with_embeddings(self, embeddings: Float32) -> Self:
        """Return the same rows with other embeddings.

        Parameters
        ----------
        embeddings : ndarray, shape (n_rows, n_dims), float32

        Returns
        -------
        TrainingRows
        """
        return dataclasses.replace(self, embeddings=embeddings)

    def select(self, kept: NDArray[np.bool_]) -> Self:
        """Return some of the rows.

        Parameters
        ----------
        kept : ndarray, shape (n_rows,), bool
            Which.

        Returns
        -------
        TrainingRows
        """
        return type(self)(self.embeddings[kept], self.labels[kept], self.weights[kept], self.allowed[kept])

    def with_copies(self, copies: Sequence[Float32]) -> Self:
        """Return the rows and further copies of them.

        Parameters
        ----------
        copies : sequence of ndarray, each of shape (n_rows, n_dims), float32
            Embeddings of changed copies of the recordings.

        Returns
        -------
        TrainingRows
            Of ``(1 + len(copies)) * n_rows`` rows.
        """
        n = 1 + len(copies)
        return type(self)(
            np.concatenate([self.embeddings, *copies]),
            np.tile(self.labels, n),
            np.tile(self.weights, n),
            np.tile(self.allowed, (n, 1)),
        )


def train_head(rows: TrainingRows, l2: float, like: Head | None = None) -> tuple[Head, float]:
    """Train a head to the optimum of its convex loss.

    Parameters
    ----------
    rows : TrainingRows
        Of recordings and their copies.
    l2 : float
        Half of it times the sum of the squared weights is added to the mean cross-entropy.
    like : Head or None
        The head whose mean and scale are taken; None for those of the embeddings.

    Returns
    -------
    head : Head
        With the mean and scale of the embeddings.
    loss : float
        Weighted mean of the cross-entropy, without the prior.
    """
    from scipy.optimize import minimize

    embeddings, labels, weights, allowed = (getattr(rows, each.name) for each in dataclasses.fields(rows))
    if like is None:
        mean = embeddings.mean(axis=0, dtype=np.float64).astype(np.float32)
        scale = np.maximum(embeddings.std(axis=0, dtype=np.float64), _SMALLEST_SCALE).astype(np.float32)
    else:
        mean, scale = like.mean, like.scale
    standardised = (embeddings - mean) / scale
    shares = (weights / weights.sum()).astype(np.float32)[:, np.newaxis]
    n_classes = allowed.shape[1]
    truth = np.eye(n_classes, dtype=np.float32)[labels]
    offsets = np.where(allowed, np.float32(0), _EXCLUDED)
    cross_entropy = 0.0

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        nonlocal cross_entropy
        weight, bias = np.split(flat.astype(np.float32).reshape(-1, n_classes), [-1])
        logits = standardised @ weight + bias + offsets
        logits -= logits.max(axis=1, keepdims=True)
        exponents = np.exp(logits)
        totals = exponents.sum(axis=1, keepdims=True)
        cross_entropy = float((shares * (np.log(totals) - (logits * truth).sum(axis=1, keepdims=True))).sum())
        errors = shares * (exponents / totals - truth)
        gradient = np.vstack([standardised.T @ errors + np.float32(l2) * weight, errors.sum(axis=0)])
        return cross_entropy + l2 / 2 * float((weight**2).sum()), gradient.ravel().astype(np.float64)

    start = np.zeros((embeddings.shape[1] + 1) * n_classes)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": _MAX_STEPS})
    loss(found.x)
    weight, bias = np.split(found.x.astype(np.float32).reshape(-1, n_classes), [-1])
    return Head(mean, scale, weight, bias[0]), cross_entropy
