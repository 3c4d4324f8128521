"""One interface over the model families: a feature table in, ONNX weights and learning curves out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Final, Protocol

import numpy as np

from emosense.registry import Registry
from emosense.training import cnn, cnn_export, mlp, transfer
from emosense.training.cnn_settings import CnnConfig
from emosense.training.cnn_steps import AllReduce, TrainingState
from emosense.training.ensemble import copies_of
from emosense.training.feature_table import FeatureTable
from emosense.training.mlp_settings import MlpConfig
from emosense.training.settings import NetworkConfig
from emosense.training.transfer_settings import TransferConfig


@dataclasses.dataclass(frozen=True, slots=True)
class TrainedNetwork:
    """A trained network.

    Parameters
    ----------
    weights : bytes
        ONNX graph from ``features`` to ``probabilities``; `ensemble.assemble` makes a model of it.
    history : list of dict
        One record per epoch: ``epoch``, ``train_loss`` and other figures where they are known.
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
        The first words of the model card, such as ``A multilayer perceptron``.
    packages : tuple of str
        Distributions whose versions ``model.json`` states.
    modules : tuple of str
        Modules whose code decides the weights: stored networks are trained again after it changes.
    train : Trainer
        Trains a network from the family's settings, a subclass of `NetworkConfig`.
    uses_ray_train : bool
        Whether `train` also takes ``state``, ``on_epoch`` and ``all_reduce`` (see `emosense.training.cnn.fit`), so that
        Ray Train can run it in several workers and resume it.
    """

    description: str
    packages: tuple[str, ...]
    modules: tuple[str, ...]
    train: Trainer
    uses_ray_train: bool = False


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
    variants = [table.features, *(table.copies[copy] for copy in copies_of(config))]
    rows = np.stack([features for variant in variants for features in variant])
    labels = np.tile(table.labels(classes), len(variants))
    corpora = table.corpora * len(variants)
    pipeline = mlp.fit(rows, labels, dataclasses.replace(config, classes=classes), seed=seed, corpora=corpora)
    losses = pipeline[-1].loss_curve_
    history = [{"epoch": number, "train_loss": float(loss)} for number, loss in enumerate(losses, start=1)]
    return TrainedNetwork(mlp.to_onnx(pipeline, len(table.features[0]), len(classes)), history)


def fit_cnn(
    table: FeatureTable,
    classes: tuple[str, ...],
    config: CnnConfig,
    *,
    seed: int,
    validation: FeatureTable | None = None,
    state: TrainingState | None = None,
    on_epoch: Callable[[cnn.EpochResult], None] | None = None,
    all_reduce: AllReduce | None = None,
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
    history: list[dict[str, Any]] = []
    model = cnn.fit(
        table.features,
        table.labels(classes),
        config,
        n_classes=len(classes),
        seed=seed,
        validation=None if validation is None else (validation.features, validation.labels(classes)),
        state=state,
        on_epoch=_recorded(history, on_epoch),
        all_reduce=all_reduce,
        corpora=table.corpora,
    )
    return TrainedNetwork(cnn_export.to_onnx(model, config, table.features[0].shape[-1]), history)


def fit_transfer(
    table: FeatureTable,
    classes: tuple[str, ...],
    config: TransferConfig,
    *,
    seed: int,
    validation: FeatureTable | None = None,
    state: TrainingState | None = None,
    on_epoch: Callable[[cnn.EpochResult], None] | None = None,
    all_reduce: AllReduce | None = None,
) -> TrainedNetwork:
    """Train a transfer model.

    Parameters
    ----------
    table, classes, config, seed, validation
        See `fit`.
    state, on_epoch, all_reduce
        See `emosense.training.cnn.fit`.

    Returns
    -------
    TrainedNetwork
        Its curves have the figures of `epoch_record`.
    """
    history: list[dict[str, Any]] = []
    weights = transfer.fit(
        table,
        classes,
        config,
        seed=seed,
        validation=validation,
        state=state,
        on_epoch=_recorded(history, on_epoch),
        all_reduce=all_reduce,
    )
    return TrainedNetwork(weights, history)


def _recorded(
    history: list[dict[str, Any]], on_epoch: Callable[[cnn.EpochResult], None] | None
) -> Callable[[cnn.EpochResult], None]:
    """Return what appends the record of each epoch to a history, and passes the epoch on."""

    def record(result: cnn.EpochResult) -> None:
        history.append(epoch_record(result))
        if on_epoch:
            on_epoch(result)

    return record


FAMILIES.register(
    "mlp",
    Family(
        "A multilayer perceptron",
        ("scikit-learn",),
        (
            "emosense.training.balance",
            "emosense.training.fitting",
            "emosense.training.masked_mlp",
            "emosense.training.mlp",
        ),
        fit_mlp,
    ),
)
FAMILIES.register(
    "cnn",
    Family(
        "A convolutional network",
        ("keras",),
        (
            "emosense.features.filterbanks",
            "emosense.features.mel",
            "emosense.training.augmentation",
            "emosense.training.balance",
            "emosense.training.cnn",
            "emosense.training.cnn_export",
            "emosense.training.cnn_steps",
            "emosense.training.fitting",
            "emosense.training.gradients_on_ray",
            "emosense.training.networks",
            "emosense.training.optimizer",
        ),
        fit_cnn,
        uses_ray_train=True,
    ),
)
FAMILIES.register(
    "transfer",
    Family(
        "The first layers of a published encoder with a linear head",
        ("onnx",),
        (
            "emosense.features.filterbanks",
            "emosense.features.mel",
            "emosense.models.head",
            "emosense.models.speaker_head",
            "emosense.training.augmentation",
            "emosense.training.balance",
            "emosense.training.cnn",
            "emosense.training.cnn_steps",
            "emosense.training.fitting",
            "emosense.training.gradients_on_ray",
            "emosense.training.head_training",
            "emosense.training.networks",
            "emosense.training.optimizer",
            "emosense.training.speaker_head_training",
            "emosense.training.transfer",
            "emosense.training.tuning",
            "emosense.training.whisper_front",
            "emosense.training.whisper_graph",
        ),
        fit_transfer,
        uses_ray_train=True,
    ),
)


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
