"""One interface over the model families: a feature table in, ONNX weights and learning curves out."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, Final, Protocol

import numpy as np

from emosense.registry import Registry
from emosense.training import cnn_export, mlp, networks, transfer
from emosense.training.cnn_settings import CnnConfig
from emosense.training.ensemble import copies_of
from emosense.training.epochs import OnEpoch
from emosense.training.feature_table import FeatureTable
from emosense.training.gradient_training import GradientTraining, Runner, TrainedNetwork, train_here
from emosense.training.mlp_settings import MlpConfig
from emosense.training.settings import NetworkConfig
from emosense.training.teacher import teacher_probabilities
from emosense.training.training_set import Taught, Validation, make_training_set
from emosense.training.transfer_settings import TransferConfig


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
    takes_steps : bool
        Whether `train` also takes ``run``, a `Runner`: Ray Train can then run its gradient steps in several workers and
        resume them.
    tells_epochs : bool
        Whether `train` also takes ``on_epoch``, an `OnEpoch`, and calls it after every epoch.
    """

    description: str
    packages: tuple[str, ...]
    modules: tuple[str, ...]
    train: Trainer
    takes_steps: bool = False
    tells_epochs: bool = False


# Keys are kinds, as in `NetworkConfig.kind`.
FAMILIES: Final[Registry[Family]] = Registry("model family", "emosense.families")


def fit(
    table: FeatureTable,
    classes: tuple[str, ...],
    config: NetworkConfig,
    *,
    seed: int,
    validation: FeatureTable | None = None,
    run: Runner = train_here,
    on_epoch: OnEpoch | None = None,
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
    run : Runner
        Runs gradient steps, in families that take any, and tells their epochs.
    on_epoch : callable, optional
        Receives the epochs of the other families, where they tell them.

    Returns
    -------
    TrainedNetwork
        Weights and learning curves.

    Raises
    ------
    UsageError
        If no installed family has the configuration's kind.
    """
    family = FAMILIES.find(config.kind)
    more: dict[str, Any] = {"run": run} if family.takes_steps else {}
    more |= {"on_epoch": on_epoch} if family.tells_epochs else {}
    return family.train(table, classes, config, seed=seed, validation=validation, **more)


def fit_mlp(
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

    def tell(number: int, loss: float) -> None:
        if on_epoch is not None:
            on_epoch(number, config.max_iter, {"train_loss": loss})

    of_classes = dataclasses.replace(config, classes=classes)
    pipeline = mlp.fit(rows, labels, of_classes, seed=seed, corpora=corpora, on_pass=tell)
    losses = pipeline[-1].loss_curve_
    if on_epoch is not None and len(losses) < config.max_iter:
        # It stopped early: this many passes were all.
        on_epoch(len(losses), len(losses), {"train_loss": float(losses[-1])})
    history = [{"epoch": number, "train_loss": float(loss)} for number, loss in enumerate(losses, start=1)]
    return TrainedNetwork(mlp.to_onnx(pipeline, len(table.features[0]), len(classes)), history)


def fit_cnn(
    table: FeatureTable,
    classes: tuple[str, ...],
    config: CnnConfig,
    *,
    seed: int,
    validation: FeatureTable | None = None,
    run: Runner = train_here,
) -> TrainedNetwork:
    """Train a CNN.

    Parameters
    ----------
    table, classes, config, seed, validation, run
        See `fit`.

    Returns
    -------
    TrainedNetwork
        Its curves have the figures of `EpochResult.record`.
    """
    labels, n_bands = table.labels(classes), table.features[0].shape[-1]
    taught = None
    if config.teacher:
        (copy,) = copies_of(config)
        answers = teacher_probabilities(table, classes, np.stack(table.copies[copy]), config.teacher.l2)
        taught = Taught(answers, config.teacher_share)
    examples, masks = make_training_set(table.features, labels, table.corpora, config, len(classes), taught)
    training = GradientTraining(
        config,
        seed,
        masks,
        build=networks.builder(config, table.features, len(classes)),
        finish=functools.partial(cnn_export.to_onnx, config=config, n_bands=n_bands),
    )
    return run(
        training, examples, None if validation is None else Validation(validation.features, validation.labels(classes))
    )


def fit_transfer(
    table: FeatureTable,
    classes: tuple[str, ...],
    config: TransferConfig,
    *,
    seed: int,
    validation: FeatureTable | None = None,
    run: Runner = train_here,
) -> TrainedNetwork:
    """Train a transfer model.

    Parameters
    ----------
    table, classes, config, seed, validation, run
        See `fit`.

    Returns
    -------
    TrainedNetwork
        Its curves have the figures of `EpochResult.record`.
    """
    return transfer.fit(table, classes, config, seed=seed, validation=validation, run=run)


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
        tells_epochs=True,
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
            "emosense.models.head",
            "emosense.training.augmentation",
            "emosense.training.balance",
            "emosense.training.cnn_export",
            "emosense.training.collectives",
            "emosense.training.fitting",
            "emosense.training.gradient_steps",
            "emosense.training.gradient_training",
            "emosense.training.head_training",
            "emosense.training.networks",
            "emosense.training.optimizer",
            "emosense.training.teacher",
            "emosense.training.training_set",
        ),
        fit_cnn,
        takes_steps=True,
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
            "emosense.training.collectives",
            "emosense.training.fitting",
            "emosense.training.gradient_steps",
            "emosense.training.gradient_training",
            "emosense.training.head_training",
            "emosense.training.networks",
            "emosense.training.optimizer",
            "emosense.training.speaker_head_training",
            "emosense.training.training_set",
            "emosense.training.transfer",
            "emosense.training.tuning",
            "emosense.training.whisper_front",
            "emosense.training.whisper_network",
            "emosense.training.whisper_graph",
        ),
        fit_transfer,
        takes_steps=True,
    ),
)
