"""One interface over the model families: a feature table in, ONNX weights and learning curves out.

Held-out predictions are always made with the exported ONNX graph, one recording per call, as labelling does with
recordings of up to a model's window: what is measured is what is shipped.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import numpy as np

from emosense.arrays import Float64
from emosense.models.model import input_names
from emosense.onnx_session import open_session
from emosense.registry import Registry
from emosense.training import cnn, mlp
from emosense.training.cnn_settings import CnnConfig
from emosense.training.ensemble import copy_speeds
from emosense.training.feature_table import FeatureTable
from emosense.training.graphs import PROBABILITIES
from emosense.training.mlp_settings import MlpConfig
from emosense.training.settings import NetworkConfig


@dataclasses.dataclass(frozen=True, slots=True)
class TrainedNetwork:
    """A trained network.

    Parameters
    ----------
    weights : bytes
        ONNX graph from ``features`` to ``probabilities``; `ensemble.assemble` makes a model of it.
    history : list of dict
        One record per epoch: ``epoch``, ``train_loss`` and what else is known.
    """

    weights: bytes
    history: list[dict[str, Any]]


class Trainer(Protocol):
    """The function that trains a network of a family."""

    def __call__(
        self,
        table: FeatureTable,
        classes: tuple[str, ...],
        config: Any,
        *,
        seed: int,
        validation: FeatureTable | None = None,
    ) -> TrainedNetwork:
        """Train a network; see `fit`."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class Family:
    """A model family: networks that are trained in the same way.

    Parameters
    ----------
    description : str
        Begins the model card: ``A multilayer perceptron``.
    packages : tuple of str
        Distributions whose versions ``model.json`` states.
    train : Trainer
        Trains a network from the family's settings, a subclass of `NetworkConfig`.
    """

    description: str
    packages: tuple[str, ...]
    train: Trainer


# Keys are kinds, as in `NetworkConfig.kind`.
FAMILIES: Final[Registry[Family]] = Registry("model family", "emosense.families")


def fit(
    table: FeatureTable,
    classes: tuple[str, ...],
    config: NetworkConfig,
    *,
    seed: int,
    validation: FeatureTable | None = None,
) -> TrainedNetwork:
    """Train a network of any family.

    Parameters
    ----------
    table : FeatureTable
        Utterances of the emotions in `classes`, with the copies that the configuration asks for.
    classes : tuple of str
        Emotions to tell apart.
    config : NetworkConfig
        Settings of the network.
    seed : int
        Decides all randomness.
    validation : FeatureTable or None
        Utterances for the learning curves; they change no weight.

    Returns
    -------
    TrainedNetwork
        Weights and learning curves.

    Raises
    ------
    UsageError
        If no installed family has the configuration's kind.
    """
    return FAMILIES.find(config.kind).train(table, classes, config, seed=seed, validation=validation)


def fit_mlp(
    table: FeatureTable,
    classes: tuple[str, ...],
    config: MlpConfig,
    *,
    seed: int,
    validation: FeatureTable | None = None,  # noqa: ARG001 - scikit-learn measures no other rows
) -> TrainedNetwork:
    """Train an MLP; the copies at other speeds are further rows.

    Parameters
    ----------
    table, classes, config, seed, validation
        See `fit`.

    Returns
    -------
    TrainedNetwork
        Its curves have the training loss only.
    """
    variants = [table.features, *(table.copies[speed] for speed in copy_speeds(config))]
    rows = np.stack([features for variant in variants for features in variant])
    labels = np.tile(table.labels(classes), len(variants))
    pipeline = mlp.fit(rows, labels, dataclasses.replace(config, classes=classes), seed=seed)
    losses = pipeline[-1].loss_curve_
    history = [{"epoch": number, "train_loss": float(loss)} for number, loss in enumerate(losses, start=1)]
    return TrainedNetwork(mlp.to_onnx(pipeline, len(table.features[0])), history)


def fit_cnn(
    table: FeatureTable,
    classes: tuple[str, ...],
    config: CnnConfig,
    *,
    seed: int,
    validation: FeatureTable | None = None,
    state: cnn.TrainingState | None = None,
    on_epoch: Callable[[cnn.EpochResult], None] | None = None,
    all_reduce: cnn.AllReduce | None = None,
) -> TrainedNetwork:
    """Train a CNN.

    Parameters
    ----------
    table, classes, config, seed, validation
        See `fit`.
    state, on_epoch, all_reduce
        See `emosense.training.cnn.fit`.

    Returns
    -------
    TrainedNetwork
        Its curves have the figures of `epoch_record`, from the first epoch of this call.
    """
    history = []

    def record(result: cnn.EpochResult) -> None:
        history.append(epoch_record(result))
        if on_epoch:
            on_epoch(result)

    model = cnn.fit(
        table.features,
        table.labels(classes),
        config,
        n_classes=len(classes),
        seed=seed,
        validation=None if validation is None else (validation.features, validation.labels(classes)),
        state=state,
        on_epoch=record,
        all_reduce=all_reduce,
    )
    return TrainedNetwork(cnn.to_onnx(model, config, table.features[0].shape[-1]), history)


FAMILIES.register("mlp", Family("A multilayer perceptron", ("scikit-learn",), fit_mlp))
FAMILIES.register("cnn", Family("A convolutional network", ("keras",), fit_cnn))


def epoch_record(result: cnn.EpochResult) -> dict[str, Any]:
    """Return what the learning curves keep of an epoch.

    Parameters
    ----------
    result : EpochResult
        What `emosense.training.cnn.fit` reports after an epoch.

    Returns
    -------
    dict
        Its figures by name; those that were not measured are left out.
    """
    values = {field.name: getattr(result, field.name) for field in dataclasses.fields(result)}
    return {name: value for name, value in values.items() if isinstance(value, int | float)}


def predict(weights: bytes, tables: Sequence[FeatureTable], n_classes: int) -> Float64:
    """Return the probabilities of the classes for each utterance.

    Parameters
    ----------
    weights : bytes
        Graph of a model.
    tables : sequence of FeatureTable
        The same utterances in each; one for every feature set that the model takes, in the order of its inputs.
    n_classes : int
        Number of classes.

    Returns
    -------
    ndarray, shape (n_utterances, n_classes), float64 in [0, 1]
        Each row sums to 1.
    """
    session = open_session(weights)
    names = input_names(len(tables))
    probabilities = []
    for utterance in zip(*(table.features for table in tables), strict=True):
        feeds = {name: features[np.newaxis] for name, features in zip(names, utterance, strict=True)}
        probabilities.append(session.run([PROBABILITIES], feeds)[0][0])
    return np.array(probabilities, np.float64).reshape(len(tables[0]), n_classes)
