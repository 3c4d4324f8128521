"""Feature vectors and labels -> a scikit-learn MLP with one hidden layer, as an ONNX graph.

Features are (n, n_values), labels are indices into the configuration's classes, which are the model's output columns in
that order. Scaling is the pipeline's first step and part of the ONNX graph, which is the whole model.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emosense.arrays import Float64
from emosense.errors import UsageError
from emosense.training.balance import balanced_weights, class_mask
from emosense.training.ensemble import copies_of
from emosense.training.epochs import OnEpoch
from emosense.training.features.table import FeatureTable
from emosense.training.mlp_export import to_onnx
from emosense.training.mlp_settings import MlpConfig
from emosense.training.trained_network import TrainedNetwork

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline


def fit(
    table: FeatureTable,
    classes: tuple[str, ...],
    config: MlpConfig,
    *,
    seed: int,
    validation: FeatureTable | None = None,  # noqa: ARG001 - scikit-learn measures no other rows
    on_epoch: OnEpoch | None = None,
) -> TrainedNetwork:
    """Train an MLP; the copies at other speeds are further rows.

    Parameters
    ----------
    table, classes, config, seed, validation, on_epoch
        See `emosense.training.families.fit`.

    Returns
    -------
    TrainedNetwork
        Its curves have the training loss only.
    """
    variants = [table.features, *(table.copies[copy] for copy in copies_of(config))]
    rows = np.stack([features for variant in variants for features in variant])
    labels = np.tile(table.labels(classes), len(variants))
    corpora = table.corpora * len(variants)

    def tell(number: int, loss: float) -> None:
        if on_epoch is not None:
            on_epoch(number, config.max_iter, {"train_loss": loss})

    of_classes = dataclasses.replace(config, classes=classes)
    pipeline = fit_pipeline(rows, labels, of_classes, seed=seed, corpora=corpora, on_pass=tell)
    losses = pipeline[-1].loss_curve_
    if on_epoch is not None and len(losses) < config.max_iter:
        # It stopped early: this many passes were all.
        on_epoch(len(losses), len(losses), {"train_loss": float(losses[-1])})
    history = [{"epoch": number, "train_loss": float(loss)} for number, loss in enumerate(losses, start=1)]
    return TrainedNetwork(to_onnx(pipeline, len(table.features[0]), len(classes)), history)


def fit_pipeline(
    features: NDArray[Any],
    labels: NDArray[np.int64],
    config: MlpConfig,
    *,
    seed: int,
    corpora: Sequence[str] | None = None,
    on_pass: Callable[[int, float], None] | None = None,
) -> Pipeline:
    """Train an MLP.

    Parameters
    ----------
    features : ndarray, shape (n, n_values)
        Finite; copies at other speeds are further rows.
    labels : ndarray, shape (n,), int64
        Indices into ``config.classes``, of at least two of them.
    config : MlpConfig
        Settings of the network.
    seed : int
        Decides the initial weights and the order of the rows.
    corpora : sequence of str, length n, optional
        Corpus of each row; without it, all are of one corpus. The loss of a row is taken among the emotions that its
        corpus has.
    on_pass : callable, optional
        Receives the number of passes over the rows that are done, from 1, and the mean loss of the last one. Without a
        hidden layer there are none.

    Returns
    -------
    sklearn.pipeline.Pipeline
        Its `predict_proba` has a column for each class that occurs in `labels`.

    Raises
    ------
    UsageError
        If there are recordings of fewer than two classes, or a label is not the index of a class.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    from emosense.training.masked_mlp import MaskedMLPClassifier

    present = np.unique(labels)
    if len(present) < 2 or not 0 <= present[0] <= present[-1] < len(config.classes):
        raise UsageError("training needs recordings of at least two of the classes, and of no other")
    # Without a hidden layer the loss is convex, and L-BFGS finds its minimum.
    hidden, solver = ((config.hidden_units,), "adam") if config.hidden_units else ((), "lbfgs")
    network = MaskedMLPClassifier(
        hidden, solver=solver, alpha=config.alpha, batch_size=min(config.batch_size, len(labels)),
        learning_rate=config.learning_rate, learning_rate_init=config.learning_rate_init, epsilon=config.epsilon,
        max_iter=config.max_iter, random_state=seed,
    )  # fmt: skip
    network.on_pass = on_pass
    values, steps = features.astype(np.float64), []
    if config.standardise:
        scaler = StandardScaler().fit(values)
        values = scaler.transform(values)
        steps.append(("standardise", scaler))
    transform = None if config.whitening is None else _whitening(values, labels, config.whitening)
    values = values if transform is None else values @ transform
    corpora = corpora or [""] * len(labels)
    weight = balanced_weights(corpora, labels) if config.balance else None
    mask = class_mask(corpora, labels, len(config.classes))[:, present]
    with warnings.catch_warnings():
        # The number of passes is a setting: more passes only fit the training speakers better.
        warnings.simplefilter("ignore", ConvergenceWarning)
        # Two classes have a single logistic output, and a corpus with one of them says nothing about either.
        if mask.all() or len(present) == 2:
            network.fit(values, labels, sample_weight=weight)
        else:
            network.fit_masked(values, labels, mask, sample_weight=weight)
    if solver == "lbfgs":
        # scikit-learn keeps only the last loss.
        network.loss_curve_ = [network.loss_]
    network.on_pass = None
    if transform is not None:
        network.coefs_[0] = transform @ network.coefs_[0]
    return Pipeline([*steps, ("mlp", network)])


def _whitening(values: Float64, labels: NDArray[np.int64], shrinkage: float) -> Float64:
    """Return the matrix that whitens the shrunk covariance within classes; its result has variance 1 over all."""
    present, class_of_row = np.unique(labels, return_inverse=True)
    centres = np.stack([values[labels == label].mean(axis=0) for label in present])
    residual = values - centres[class_of_row]
    variance, axes = np.linalg.eigh(residual.T @ residual / len(residual))
    transform = axes / np.sqrt((1 - shrinkage) * np.maximum(variance, 0) + shrinkage)
    return np.asarray(transform / (values @ transform).std())
