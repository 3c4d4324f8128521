"""The model families, and one way to train a network of any of them: a feature table in, an ONNX graph out."""

from __future__ import annotations

import dataclasses
from typing import Any, Final, Protocol

from emosense.registry import Registry
from emosense.training import cnn, mlp
from emosense.training.epochs import OnEpoch
from emosense.training.features.table import FeatureTable
from emosense.training.gradient_descent.training import Runner, train_here
from emosense.training.settings import NetworkConfig
from emosense.training.trained_network import TrainedNetwork
from emosense.training.transfer import transfer_model


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


# Modules whose code decides the weights of every network, and of networks that are trained by gradient steps.
_EVERY: Final = (
    "emosense.training.balance",
    "emosense.training.families",
    "emosense.training.trained_network",
)
_BY_STEPS: Final = (
    *_EVERY,
    "emosense.features.filterbanks",
    "emosense.features.mel",
    "emosense.models.head",
    "emosense.training.augmentation",
    "emosense.training.gradient_descent.batches",
    "emosense.training.gradient_descent.collectives",
    "emosense.training.gradient_descent.optimizer",
    "emosense.training.gradient_descent.steps",
    "emosense.training.gradient_descent.training",
    "emosense.training.gradient_descent.training_set",
    "emosense.training.networks",
    "emosense.training.transfer.head_training",
)

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


FAMILIES.register(
    "mlp",
    Family(
        "A multilayer perceptron",
        ("scikit-learn",),
        (
            *_EVERY,
            "emosense.training.graph_builder",
            "emosense.training.masked_mlp",
            "emosense.training.mlp",
            "emosense.training.mlp_export",
        ),
        mlp.fit,
        tells_epochs=True,
    ),
)
FAMILIES.register(
    "cnn",
    Family(
        "A convolutional network",
        ("keras",),
        (
            *_BY_STEPS,
            "emosense.training.cnn",
            "emosense.training.cnn_export",
            "emosense.training.transfer.teacher",
        ),
        cnn.fit,
        takes_steps=True,
    ),
)
FAMILIES.register(
    "transfer",
    Family(
        "The first layers of a published encoder with a linear head",
        ("onnx",),
        (
            *_BY_STEPS,
            "emosense.models.speaker_head",
            "emosense.training.graph_builder",
            "emosense.training.transfer.speaker_head_training",
            "emosense.training.transfer.transfer_model",
            "emosense.training.transfer.tuning",
            "emosense.training.transfer.whisper_front",
            "emosense.training.transfer.whisper_graph",
            "emosense.training.transfer.whisper_network",
        ),
        transfer_model.fit,
        takes_steps=True,
    ),
)
