"""Feature sequences and labels -> a trained Keras CNN.

Inputs are float32 arrays with axes (frames, bands), labels are indices into the classes. All randomness derives from
(seed, epoch): a training that is resumed after any epoch ends with the weights of an uninterrupted one. TensorFlow is
imported by the functions that use it, never by importing this module.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from emosense.arrays import Float32
from emosense.errors import UsageError
from emosense.training.cnn_steps import AllReduce, CnnTraining, Labels, TrainingState
from emosense.training.transfer_settings import StepsConfig

if TYPE_CHECKING:
    import keras

# Whole recordings one by one after each of 120 epochs would be a fifth of the work.
_MEASUREMENTS: Final = 40


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
    snapshot : callable
        Returns a copy of the `TrainingState` after this epoch; call it before the next epoch begins.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    validation_uar: float | None
    snapshot: Callable[[], TrainingState]


def fit(
    train_features: Sequence[Float32],
    train_labels: Labels,
    config: StepsConfig,
    *,
    n_classes: int,
    seed: int,
    validation: tuple[Sequence[Float32], Labels] | None = None,
    state: TrainingState | None = None,
    on_epoch: Callable[[EpochResult], None] | None = None,
    all_reduce: AllReduce | None = None,
    corpora: Sequence[str] | None = None,
    model: keras.Model | None = None,
) -> keras.Model:
    """Train a CNN for exactly ``config.epochs`` epochs; validation data decides nothing.

    Parameters
    ----------
    train_features : sequence of ndarray, each shape (n_frames, n_bands), float32
        All training recordings, in the same order on every worker.
    train_labels : ndarray, shape (n_recordings,), int64
        Class indices.
    config : CnnConfig or TuningConfig
        Settings of the network.
    n_classes : int
        Number of classes.
    seed : int
        Decides all randomness.
    validation : tuple of features and labels, optional
        Measured about 40 times during the training, and after the last epoch.
    state : TrainingState, optional
        Resumes after the epoch of this snapshot; all other arguments must be the same as then.
    on_epoch : callable, optional
        Receives the `EpochResult` of every epoch.
    all_reduce : AllReduce, optional
        Makes this one of several workers: each computes the gradient of its slice of every batch.
    corpora : sequence of str, length n_recordings, optional
        Corpus of each training recording; without it, all are of one corpus.

    model : keras.Model, optional
        A network that has been trained before, from features to probabilities; by default a new CNN is built.

    Returns
    -------
    keras.Model
        With the averaged weights where ``config.average`` is set.

    Raises
    ------
    UsageError
        If there are more workers than recordings in a batch.
    """
    if all_reduce and all_reduce.n_workers > config.batch_size:
        raise UsageError(f"{all_reduce.n_workers} workers share batches of {config.batch_size}: use fewer workers")
    training = CnnTraining(
        train_features, train_labels, config, n_classes, seed, all_reduce, corpora or [""] * len(train_labels), model
    )
    for epoch in range(training.restore(state) if state else 0, config.epochs):
        loss, accuracy = training.train_epoch(epoch)
        if on_epoch:
            is_due = (epoch + 1) % max(1, config.epochs // _MEASUREMENTS) == 0 or epoch + 1 == config.epochs
            loss_there, accuracy_there, uar_there = (
                training.measure(*validation) if validation and is_due else (None, None, None)
            )
            figures = (loss, accuracy, loss_there, accuracy_there, uar_there)
            on_epoch(EpochResult(epoch + 1, *figures, functools.partial(training.snapshot, epoch + 1)))
    training.use_average()
    return training.model
