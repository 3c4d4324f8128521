"""The steps of a training by gradients: updates, the moving average of the weights, snapshots to resume from.

A step is one TensorFlow function: the gradient of a batch, its sum over the workers, and the update. All randomness
derives from (seed, epoch), so a resumed training needs no state of a generator.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from emosense.arrays import Float32
from emosense.training.cnn_settings import StepsConfig
from emosense.training.gradient_descent.batches import Batches
from emosense.training.gradient_descent.collectives import Alone, Workers
from emosense.training.gradient_descent.optimizer import for_workers, make_optimizer, one_cycle
from emosense.training.gradient_descent.training_set import TrainingSet, Validation

if TYPE_CHECKING:
    import keras

# All that a training needs to resume, as np.savez writes it: "epoch", "weight_<i>", "average_<i>", "optimizer_<i>".
TrainingState = dict[str, NDArray[Any]]

_EPSILON: Final = 1e-7


class GradientSteps:
    """Model, optimizer and moving average of a training, which change from batch to batch.

    Parameters
    ----------
    build : callable
        Returns the network with its first weights.
    examples : TrainingSet
        Recordings of this worker.
    masks : ndarray, shape (n_masks, n_classes), float32
        See `emosense.training.gradient_descent.training_set.make_training_set`.
    config : CnnConfig or TuningConfig
        Settings for one worker; each of several has batches of this size.
    seed : int
        Decides all randomness.
    workers : Workers or Alone
        Sums gradients.

    Attributes
    ----------
    model : keras.Model
        The network that is trained.
    n_steps : int
        Number of steps in an epoch.
    """

    def __init__(
        self,
        build: Callable[[], keras.Model],
        examples: TrainingSet,
        masks: Float32,
        config: StepsConfig,
        seed: int,
        workers: Workers | Alone,
    ) -> None:
        import keras

        keras.utils.set_random_seed(seed)
        self._masks, self._seed, self._workers = masks, seed, workers
        self._config = for_workers(config, workers.n_workers)
        self._batches = Batches(examples, config, seed, workers.rank)
        self.n_steps: Final = self._batches.n_steps
        self.model = build()
        self._optimizer = make_optimizer(self._config)
        self._optimizer.build(self.model.trainable_variables)
        self._compile()

    def _compile(self) -> None:
        """Make the TensorFlow functions; each is traced once, for all lengths."""
        import tensorflow as tf

        inputs = tf.TensorSpec((None, *self.model.input_shape[1:]), tf.float32)
        target = tf.TensorSpec((None, self._masks.shape[1] + len(self._masks) + 1), tf.float32)
        self._floats = [weight for weight in self.model.weights if weight.dtype == "float32"]
        self._averages = [tf.Variable(weight.value) for weight in self._floats]
        self._step = tf.function(self._stepped, input_signature=[inputs, target])
        self._infer = tf.function(lambda x: self.model(x, training=False), input_signature=[inputs])
        self._mean = tf.function(lambda values: [v / self._workers.n_workers for v in self._workers.sum(values)])

    def _stepped(self, x: Any, target: Any) -> Any:
        """Take one step; returns loss and accuracy over the batches of all workers."""
        import tensorflow as tf

        model, masks = self.model, self._masks
        classes, mask_of_row, weights = tf.split(target, [masks.shape[1], len(masks), 1], axis=1)
        n_rows = tf.cast(tf.shape(x)[0] * self._workers.n_workers, tf.float32)
        with tf.GradientTape() as tape:
            probabilities = model(x, training=True)
            among = tf.matmul(probabilities, masks, transpose_b=True)
            row_losses = tf.reduce_sum(mask_of_row * tf.math.log(among + _EPSILON), axis=1)
            row_losses -= tf.reduce_sum(classes * tf.math.log(probabilities + _EPSILON), axis=1)
            loss = tf.reduce_sum(row_losses * weights[:, 0]) / n_rows
        hits = tf.reduce_sum(tf.cast(tf.argmax(probabilities, 1) == tf.argmax(classes, 1), tf.float32)) / n_rows
        gradients = tape.gradient(loss, model.trainable_variables)
        loss, hits, *gradients = self._workers.sum([loss, hits, *gradients])
        self._optimizer.apply(gradients, model.trainable_variables)
        if self._config.average:
            for average, weight in zip(self._averages, self._floats, strict=True):
                average.assign_add((1 - self._config.average) * (weight.value - average))
        return loss, hits

    def train_epoch(self, epoch: int, on_step: Callable[[], None]) -> tuple[float, float]:
        """Run all batches of an epoch.

        Parameters
        ----------
        epoch : int
            Number of the epoch, from 0; decides its order, augmentation and dropout.
        on_step : callable
            Is called after each step.

        Returns
        -------
        loss, accuracy : float
            Means over the batches and all workers.
        """
        for i, layer in enumerate(layer for layer in self.model.layers if hasattr(layer, "seed_generator")):
            words = np.random.SeedSequence([self._seed, epoch, self._workers.rank, i]).generate_state(2)
            layer.seed_generator.state.assign(words)
        sums = np.zeros(2)
        for step, (x, target) in enumerate(self._batches.of_epoch(epoch)):
            if self._config.optimizer == "adamw":
                done = (epoch * self.n_steps + step) / (self._config.epochs * self.n_steps)
                self._optimizer.learning_rate.assign(self._config.learning_rate * one_cycle(done))
            sums += [float(value) for value in self._step(x, target)]
            on_step()
        self._average_statistics()
        return float(sums[0] / self.n_steps), float(sums[1] / self.n_steps)

    def _average_statistics(self) -> None:
        """Average the batch statistics over the workers: equal gradients keep all other weights equal."""
        pairs = zip(self._floats, self._averages, strict=True)
        variables = [variable for pair in pairs if not pair[0].trainable for variable in pair]
        if self._workers.n_workers > 1 and variables:
            means = self._mean([variable.numpy() for variable in variables])
            for variable, value in zip(variables, means, strict=True):
                variable.assign(value)

    def measure(self, validation: Validation) -> tuple[float, float, float]:
        """Measure the averaged weights.

        Parameters
        ----------
        validation : Validation
            Recordings and their labels.

        Returns
        -------
        loss, accuracy, uar : float
            Accuracy and UAR in [0, 1].
        """
        labels = validation.labels
        kept = [weight.numpy() for weight in self._floats]
        self.use_average()
        probabilities = np.concatenate([self._infer(feature[np.newaxis]) for feature in validation.features])
        for weight, value in zip(self._floats, kept, strict=True):
            weight.assign(value)
        hits = probabilities.argmax(axis=1) == labels
        loss = -np.log(probabilities[np.arange(len(labels)), labels] + _EPSILON).mean()
        uar = np.mean([hits[labels == label].mean() for label in np.unique(labels)])
        return float(loss), float(hits.mean()), float(uar)

    def use_average(self) -> None:
        """Put the moving averages into the model; without ``config.average`` nothing changes."""
        if self._config.average:
            for weight, average in zip(self._floats, self._averages, strict=True):
                weight.assign(average)

    def snapshot(self, epoch: int) -> TrainingState:
        """Copy everything that changes from epoch to epoch.

        Parameters
        ----------
        epoch : int
            Number of epochs that are done.

        Returns
        -------
        TrainingState
            For `restore`.
        """
        state = {f"{name}_{i}": v.numpy() for name, group in self._groups().items() for i, v in enumerate(group)}
        return {"epoch": np.array(epoch), **state}

    def restore(self, state: TrainingState) -> int:
        """Restore a snapshot.

        Parameters
        ----------
        state : TrainingState
            What `snapshot` returned in a training with the same settings.

        Returns
        -------
        int
            Number of epochs that are done.
        """
        for name, group in self._groups().items():
            for i, variable in enumerate(group):
                variable.assign(state[f"{name}_{i}"])
        return int(state["epoch"])

    def _groups(self) -> dict[str, Any]:
        return {"weight": self._floats, "average": self._averages, "optimizer": self._optimizer.variables}
