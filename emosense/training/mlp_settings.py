"""The MLP's settings."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Final, Literal

from emosense.training.settings import NetworkConfig

# Training without copies has a third of the rows, and needs more passes; chosen with the preset (docs/results.md).
PASSES_WITHOUT_COPIES: Final = 20


@dataclasses.dataclass(frozen=True, slots=True)
class MlpConfig(NetworkConfig):
    """Everything that decides an MLP except its data and its seed.

    Parameters
    ----------
    name, feature, classes
        See `NetworkConfig`; the features are one vector per recording.
    alpha, batch_size, learning_rate, learning_rate_init, epsilon, max_iter
        As in `sklearn.neural_network.MLPClassifier`.
    hidden_units : int
        Width of the one hidden layer. 0 leaves it out: a softmax regression (a linear probe), trained to its optimum,
        for which batches and learning rate have no meaning.
    standardise : bool
        Whether each value is scaled to mean 0 and variance 1 first.
    whitening : float or None
        Trains in coordinates where the covariance within classes, shrunk by this share (0 to 1) towards the identity,
        is the identity, as in linear discriminant analysis: differences between speakers and takes become small.
        The transform is linear and is folded into the hidden layer, so the model stays an MLP on standardised values.
        None trains on the values as they are.
    balance : bool
        Whether recordings are weighted so that each class counts the same (RAVDESS has half as many neutral ones).
    speeds : tuple of float
        Speeds of the copies of each training recording; 1.0 is the recording itself. A copy at 1.1 is 10 % shorter and
        higher, which makes it another speaker to the model.
    """

    kind: ClassVar[str] = "mlp"

    hidden_units: int = 300
    alpha: float = 0.01
    batch_size: int = 256
    learning_rate: Literal["constant", "invscaling", "adaptive"] = "constant"
    learning_rate_init: float = 1e-3
    epsilon: float = 1e-8
    max_iter: int = 500
    standardise: bool = False
    whitening: float | None = None
    balance: bool = False
    speeds: tuple[float, ...] = (1.0,)
