"""The steps of a CNN's training: batches, gradients, the moving average of the weights, and snapshots to resume from.

Several workers average their gradients between the two halves of a step, through an `AllReduce`. All randomness derives
from (seed, epoch), so a resumed training needs no state of a generator.

The loss of a recording is the cross-entropy among the emotions that its corpus has (`emosense.training.balance`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from emosense.arrays import Float32
from emosense.training.augmentation import augment, fit_length, mix
from emosense.training.balance import balanced_weights, class_mask
from emosense.training.cnn_settings import CnnConfig
from emosense.training.networks import build
from emosense.training.optimizer import make_optimizer, one_cycle
from emosense.training.transfer_settings import StepsConfig

if TYPE_CHECKING:
    import keras

Labels = NDArray[np.int64]
# All that a training needs to resume, as np.savez writes it: "epoch", "weight_<i>", "average_<i>", "optimizer_<i>".
TrainingState = dict[str, NDArray[Any]]

_EPSILON: Final = 1e-7


class AllReduce(Protocol):
    """Connects the workers of a data-parallel run.

    `mean` returns, to every worker, bit-equal means of the arrays that all workers passed in the same call.
    """

    rank: int
    n_workers: int

    def mean(self, arrays: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """Mean over the workers of each array; waits until every worker has called."""
        ...


class CnnTraining:
    """Model, optimizer and moving average of a training, which change from batch to batch.

    Parameters
    ----------
    features, labels, config, n_classes, seed, all_reduce, corpora, model
        See `emosense.training.cnn.fit`.

    Attributes
    ----------
    model : keras.Model
        The network that is trained.
    """

    def __init__(
        self,
        features: Sequence[Float32],
        labels: Labels,
        config: StepsConfig,
        n_classes: int,
        seed: int,
        all_reduce: AllReduce | None,
        corpora: Sequence[str],
        model: keras.Model | None = None,
    ) -> None:
        import keras

        keras.utils.set_random_seed(seed)
        self._features, self._config, self._seed, self._all_reduce = features, config, seed, all_reduce
        self._n_classes = n_classes
        self._targets, self._masks = _targets(corpora, labels, config, n_classes)
        self._rank, self._n_workers = (all_reduce.rank, all_reduce.n_workers) if all_reduce else (0, 1)
        self._n_steps = max(1, len(features) // config.batch_size)
        self.model = model or _new_cnn(features, config, n_classes)
        self._optimizer = make_optimizer(config)
        self._optimizer.build(self.model.trainable_variables)
        self._compile()

    def _compile(self) -> None:
        """Trace the two halves of a step; the gradients of the workers are averaged between them."""
        import tensorflow as tf

        model, config = self.model, self._config
        inputs = tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)
        floats = [w for w in model.weights if w.dtype == "float32"]
        self._averages = [tf.Variable(w.value) for w in floats]
        self._floats = floats

        masks, n_classes = self._masks, self._n_classes

        def gradients(x: Any, target: Any, n_rows: Any) -> Any:
            classes, mask_of_row, weights = tf.split(target, [n_classes, len(masks), 1], axis=1)
            with tf.GradientTape() as tape:
                probabilities = model(x, training=True)
                among = tf.matmul(probabilities, masks, transpose_b=True)
                row_losses = tf.reduce_sum(mask_of_row * tf.math.log(among + _EPSILON), axis=1)
                row_losses -= tf.reduce_sum(classes * tf.math.log(probabilities + _EPSILON), axis=1)
                loss = tf.reduce_sum(row_losses * weights[:, 0]) / n_rows
            hits = tf.cast(tf.argmax(probabilities, 1) == tf.argmax(classes, 1), tf.float32)
            return [loss, tf.reduce_sum(hits) / n_rows, *tape.gradient(loss, model.trainable_variables)]

        def apply(values: Any) -> None:
            self._optimizer.apply(values, model.trainable_variables)
            for average, weight in zip(self._averages, floats, strict=True):
                average.assign(config.average * average + (1 - config.average) * weight.value)

        target = tf.TensorSpec((None, self._targets.shape[1]), tf.float32)
        self._gradients = tf.function(gradients, input_signature=[inputs, target, tf.TensorSpec((), tf.float32)])
        self._apply = tf.function(apply)
        # Traced once for all lengths: eager calls on recordings of 200 lengths take as long as the epoch itself.
        self._infer = tf.function(lambda x: model(x, training=False), input_signature=[inputs])

    def train_epoch(self, epoch: int) -> tuple[float, float]:
        """Run all batches of an epoch.

        Parameters
        ----------
        epoch : int
            Number of the epoch, from 0; decides its order, augmentation and dropout.

        Returns
        -------
        loss, accuracy : float
            Means over the batches and all workers.
        """
        order = np.random.default_rng([self._seed, epoch]).permutation(len(self._features))
        for i, layer in enumerate(layer for layer in self.model.layers if hasattr(layer, "seed_generator")):
            words = np.random.SeedSequence([self._seed, epoch, self._rank, i]).generate_state(2)
            layer.seed_generator.state.assign(words)
        sums = np.zeros(2)
        for step in range(self._n_steps):
            rows = order[step * self._config.batch_size :][: self._config.batch_size]
            if self._config.optimizer == "adamw":
                done = (epoch * self._n_steps + step) / (self._config.epochs * self._n_steps)
                self._optimizer.learning_rate.assign(self._config.learning_rate * one_cycle(done))
            x, target = self._examples(rows[self._rank :: self._n_workers], epoch, step)
            # Divided by the mean size of a slice, so that the workers' mean is the gradient of the whole batch.
            values = self._gradients(x, target, np.float32(len(rows) / self._n_workers))
            if self._all_reduce:
                values = self._all_reduce.mean([np.asarray(value) for value in values])
            sums += float(values[0]), float(values[1])
            self._apply([*values[2:]])
        self._average_statistics()
        return float(sums[0] / self._n_steps), float(sums[1] / self._n_steps)

    def _examples(self, rows: NDArray[np.intp], epoch: int, step: int) -> tuple[Float32, Float32]:
        """Augmented inputs and targets; an example depends on (seed, epoch, row) and not on its worker."""
        examples = []
        for row in rows:
            rng = np.random.default_rng([self._seed, epoch, int(row)])
            example = self._features[row]
            if self._config.augment:
                example = augment(example, rng, self._config.augment)
            examples.append(fit_length(example, rng, self._config.crop_frames) if self._config.crop_frames else example)
        rng = np.random.default_rng([self._seed, epoch, step, self._rank])
        return mix(np.stack(examples), self._targets[rows], rng, self._config.mixup)

    def _average_statistics(self) -> None:
        """Average the batch statistics over the workers: equal gradients keep all other weights equal."""
        if not self._all_reduce:
            return
        variables = [
            v for pair in zip(self._floats, self._averages, strict=True) if not pair[0].trainable for v in pair
        ]
        for variable, value in zip(variables, self._all_reduce.mean([v.numpy() for v in variables]), strict=True):
            variable.assign(value)

    def measure(self, features: Sequence[Float32], labels: Labels) -> tuple[float, float, float]:
        """Measure the averaged weights.

        Parameters
        ----------
        features : sequence of ndarray, each shape (n_frames, n_bands), float32
            Recordings.
        labels : ndarray, shape (n_recordings,), int64
            Class indices.

        Returns
        -------
        loss, accuracy, uar : float
            Accuracy and UAR in [0, 1].
        """
        kept = [weight.numpy() for weight in self._floats]
        self.use_average()
        probabilities = np.concatenate([self._infer(feature[np.newaxis]) for feature in features])
        for weight, value in zip(self._floats, kept, strict=True):
            weight.assign(value)
        hits = probabilities.argmax(axis=1) == labels
        loss = -np.log(probabilities[np.arange(len(labels)), labels] + _EPSILON).mean()
        uar = np.mean([hits[labels == label].mean() for label in np.unique(labels)])
        return float(loss), float(hits.mean()), float(uar)

    def use_average(self) -> None:
        """Put the moving averages into the model; without ``config.average`` nothing changes."""
        for weight, average in zip(self._floats, self._averages if self._config.average else self._floats, strict=True):
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
        groups = {"weight": self._floats, "average": self._averages, "optimizer": self._optimizer.variables}
        state = {f"{name}_{i}": v.numpy() for name, group in groups.items() for i, v in enumerate(group)}
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
        groups = {"weight": self._floats, "average": self._averages, "optimizer": self._optimizer.variables}
        for name, group in groups.items():
            for i, variable in enumerate(group):
                variable.assign(state[f"{name}_{i}"])
        return int(state["epoch"])


def _new_cnn(features: Sequence[Float32], config: StepsConfig, n_classes: int) -> keras.Model:
    """Build a CNN that standardises the bands as the training recordings need it."""
    assert isinstance(config, CnnConfig)
    model = build(config, features[0].shape[1], None if config.crop_frames else len(features[0]), n_classes)
    rows = np.concatenate(features)
    statistics = rows.mean(axis=0, dtype=np.float64), rows.var(axis=0, dtype=np.float64)
    model.get_layer("standardise").set_weights([np.float32(value) for value in statistics])
    return model


def _targets(corpora: Sequence[str], labels: Labels, config: StepsConfig, n_classes: int) -> tuple[Float32, Float32]:
    """Return what the loss needs of each row, and the distinct masks of classes, shape (n_masks, n_classes).

    A row has the smoothed probabilities of its classes, a one at the number of its mask, and its weight. The loss is
    linear in all of them but the weight, so mixing two rows mixes their losses.
    """
    masks, mask_of_row = np.unique(class_mask(corpora, labels, n_classes), axis=0, return_inverse=True)
    smoothing = config.label_smoothing * masks / masks.sum(axis=1, keepdims=True)
    classes = np.eye(n_classes)[labels] * (1 - config.label_smoothing) + smoothing[mask_of_row]
    weights = balanced_weights(corpora, labels) if config.balance else np.ones(len(labels))
    columns = [classes, np.eye(len(masks))[mask_of_row], weights[:, np.newaxis]]
    return np.concatenate(columns, axis=1).astype(np.float32), masks.astype(np.float32)
