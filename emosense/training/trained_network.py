"""What a training gives: the graph of a network, and the figures of its epochs."""

from __future__ import annotations

import dataclasses
from typing import Any


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


@dataclasses.dataclass(frozen=True, slots=True)
class EpochResult:
    """Figures of an epoch.

    Parameters
    ----------
    epoch : int
        Number of epochs that are done.
    train_loss, train_accuracy : float
        Means over the batches of the epoch.
    validation_loss, validation_accuracy, validation_uar : float or None
        Of the averaged weights; None where they were not measured.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    validation_uar: float | None

    def record(self) -> dict[str, Any]:
        """Return what the learning curves keep.

        Returns
        -------
        dict
            Figures by name; those that were not measured are left out.
        """
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}
