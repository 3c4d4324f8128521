"""Labelled recordings -> a network that is trained by gradient steps: the CNN, or the front of a transfer model.

All randomness derives from (seed, epoch): a training that is resumed after any epoch ends with the weights of an
uninterrupted one. TensorFlow is imported by the functions that use it, never by importing this module.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol

from emosense.arrays import Float32
from emosense.training.cnn_settings import StepsConfig
from emosense.training.gradient_descent.collectives import Alone, Workers
from emosense.training.gradient_descent.pace import Pace
from emosense.training.gradient_descent.steps import GradientSteps, TrainingState
from emosense.training.gradient_descent.training_set import TrainingSet, Validation
from emosense.training.trained_network import EpochResult, TrainedNetwork

if TYPE_CHECKING:
    import keras

# Whole recordings one by one after each of 80 epochs would be a fifth of the work.
_MEASUREMENTS: Final = 40


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class GradientTraining:
    """What decides a training by gradient steps, except its examples.

    Parameters
    ----------
    config : CnnConfig or TuningConfig
        Settings of the steps.
    seed : int
        Decides all randomness.
    masks : ndarray, shape (n_masks, n_classes), float32
        See `emosense.training.gradient_descent.training_set.make_training_set`.
    build : callable
        Returns the network with its first weights; can be pickled.
    finish : callable
        Turns the trained network into the bytes that are kept of it; can be pickled.
    """

    config: StepsConfig
    seed: int
    masks: Float32
    build: Callable[[], keras.Model]
    finish: Callable[[keras.Model], bytes]

    def in_mixed_precision(self) -> GradientTraining:
        """Return the same training with layers that compute in bfloat16; weights, loss and result stay float32.

        Returns
        -------
        GradientTraining
            For GPUs that have bfloat16 (Ampere and later).
        """
        return dataclasses.replace(
            self,
            build=functools.partial(_in_bfloat16, self.build),
            finish=functools.partial(_in_float32, self.build, self.finish),
        )


class Runner(Protocol):
    """Where a training by gradient steps takes place: in this process (`train_here`) or in workers of Ray Train."""

    def __call__(
        self, training: GradientTraining, examples: TrainingSet, validation: Validation | None
    ) -> TrainedNetwork:
        """Train; see `train_here`."""
        ...


def train_here(
    training: GradientTraining,
    examples: TrainingSet,
    validation: Validation | None,
    *,
    state: TrainingState | None = None,
    on_epoch: Callable[[EpochResult, Callable[[], TrainingState]], None] | None = None,
    on_pace: Callable[[float, float], None] | None = None,
    workers: Workers | Alone | None = None,
) -> TrainedNetwork:
    """Train for exactly ``config.epochs`` epochs in this process; validation data decides nothing.

    Parameters
    ----------
    training : GradientTraining
        What to train, and how.
    examples : TrainingSet
        Recordings to train on; with several workers, the shard of this one.
    validation : Validation or None
        Measured about 40 times during the training, and after the last epoch.
    state : TrainingState, optional
        Resumes after the epoch of this snapshot; all other arguments must be the same as then.
    on_epoch : callable, optional
        Receives the `EpochResult` of every epoch, and a function that returns the `TrainingState` after it; call that
        before the next epoch begins.
    on_pace : callable, optional
        Receives, after the first steps, how many seconds this training will take, and which share of the whole that is.
    workers : Workers, optional
        Makes this one of several workers, each with a shard of equal length.

    Returns
    -------
    TrainedNetwork
        With the averaged weights where ``config.average`` is set. Its curves begin with the first epoch of this call.
    """
    steps = GradientSteps(training.build, examples, training.masks, training.config, training.seed, workers or Alone())
    history: list[dict[str, Any]] = []
    n_epochs = training.config.epochs
    first_epoch = steps.restore(state) if state else 0
    pace = Pace(training.config, first_epoch, steps.n_steps, on_pace or (lambda *_: None))
    for epoch in range(first_epoch, n_epochs):
        loss, accuracy = steps.train_epoch(epoch, pace.step_done)
        is_due = (epoch + 1) % max(1, n_epochs // _MEASUREMENTS) == 0 or epoch + 1 == n_epochs
        there = steps.measure(validation) if validation and is_due else (None, None, None)
        result = EpochResult(epoch + 1, loss, accuracy, *there)
        history.append(result.record())
        if on_epoch:
            on_epoch(result, functools.partial(steps.snapshot, epoch + 1))
    steps.use_average()
    return TrainedNetwork(training.finish(steps.model), history)


def _in_bfloat16(build: Callable[[], keras.Model]) -> keras.Model:
    import keras

    usual = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        return build()
    finally:
        keras.config.set_dtype_policy(usual)


def _in_float32(build: Callable[[], keras.Model], finish: Callable[[keras.Model], bytes], model: keras.Model) -> bytes:
    """Finish a copy that computes in float32, as the graph that is kept does."""
    whole = build()
    whole.set_weights(model.get_weights())
    return finish(whole)
