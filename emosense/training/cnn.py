"""Feature sequences and labels -> a Keras CNN that gives probabilities, and its ONNX form.

Inputs are float32 arrays with axes (frames, bands), labels are indices into the classes. Standardisation is the model's
first layer and softmax its last, so that the ONNX file needs nothing beside it. All randomness derives from (seed,
epoch): a run resumed after any epoch ends with the weights of an uninterrupted one. TensorFlow is imported by the
functions that use it, never by importing this module.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from emosense.arrays import Float32
from emosense.errors import UsageError
from emosense.training.augmentation import augment, fit_length, mix
from emosense.training.cnn_settings import CnnConfig
from emosense.training.networks import build

if TYPE_CHECKING:
    import keras

Labels = NDArray[np.int64]
# All that a run needs to go on, as np.savez writes it: "epoch", "weight_<i>", "average_<i>", "optimizer_<i>".
TrainingState = dict[str, NDArray[Any]]

# The share of the one-cycle schedule in which the learning rate rises.
_WARM_UP: Final = 0.15
_EPSILON: Final = 1e-7
# Whole recordings one by one after each of 120 epochs would be a fifth of the work.
_MEASUREMENTS: Final = 40
_OPSET: Final = 17


class AllReduce(Protocol):
    """Connects the workers of a data-parallel run.

    `mean` returns, to every worker, bit-equal means of the arrays that all workers passed in the same call.
    """

    rank: int
    n_workers: int

    def mean(self, arrays: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """Mean over the workers of each array; waits until every worker has called."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class EpochResult:
    """What an epoch reached; validation figures are those of the averaged weights, None where none were measured.

    `snapshot` returns the `TrainingState` after this epoch, as copies; call it before the next epoch begins.
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
    config: CnnConfig,
    *,
    n_classes: int,
    seed: int,
    validation: tuple[Sequence[Float32], Labels] | None = None,
    state: TrainingState | None = None,
    on_epoch: Callable[[EpochResult], None] | None = None,
    all_reduce: AllReduce | None = None,
) -> keras.Model:
    """Train a network for exactly ``config.epochs`` epochs; validation data is measured, never used to choose.

    Parameters
    ----------
    train_features : sequence of ndarray, each shape (n_frames, n_bands)
        All training recordings, in the same order on every worker.
    train_labels : ndarray, shape (n_recordings,)
        Class indices.
    config : CnnConfig
        A preset.
    n_classes, seed : int
        Number of classes; start of all randomness.
    validation : tuple of features and labels, optional
        Measured some 40 times in the course of the training, and after its last epoch.
    state : TrainingState, optional
        Goes on after the epoch in which it was taken; everything else must be as it was then.
    on_epoch : callable, optional
        Told every epoch's result.
    all_reduce : AllReduce, optional
        Makes this one worker of several: each computes the gradient of its slice of every batch.

    Returns
    -------
    keras.Model
        With the averaged weights where ``config.average`` is set.

    Raises
    ------
    UsageError
        If there are more workers than clips in a batch.
    """
    if all_reduce and all_reduce.n_workers > config.batch_size:
        raise UsageError(f"{all_reduce.n_workers} workers share batches of {config.batch_size}: use fewer workers")
    run = _Run(train_features, train_labels, config, n_classes, seed, all_reduce)
    for epoch in range(run.restore(state) if state else 0, config.epochs):
        loss, accuracy = run.train_epoch(epoch)
        if on_epoch:
            is_due = (epoch + 1) % max(1, config.epochs // _MEASUREMENTS) == 0 or epoch + 1 == config.epochs
            loss_there, accuracy_there, uar_there = (
                run.measure(*validation) if validation and is_due else (None, None, None)
            )
            figures = (loss, accuracy, loss_there, accuracy_there, uar_there)
            on_epoch(EpochResult(epoch + 1, *figures, functools.partial(run.snapshot, epoch + 1)))
    run.use_average()
    return run.model


class _Run:
    """Model, optimizer and moving average of one training run, which live from batch to batch."""

    def __init__(
        self,
        features: Sequence[Float32],
        labels: Labels,
        config: CnnConfig,
        n_classes: int,
        seed: int,
        all_reduce: AllReduce | None,
    ) -> None:
        import keras

        keras.utils.set_random_seed(seed)
        self.features, self.config, self.seed, self.all_reduce = features, config, seed, all_reduce
        self.targets = np.eye(n_classes, dtype=np.float32)[labels]
        counts = np.maximum(1, self.targets.sum(axis=0))
        self.class_weights = len(labels) / (n_classes * counts) if config.balance else np.ones(n_classes, np.float32)
        self.rank, self.n_workers = (all_reduce.rank, all_reduce.n_workers) if all_reduce else (0, 1)
        self.n_steps = max(1, len(features) // config.batch_size)
        n_bands = features[0].shape[1]
        self.model = build(config, n_bands, None if config.crop_frames else len(features[0]), n_classes)
        rows = np.concatenate(features)
        statistics = rows.mean(axis=0, dtype=np.float64), rows.var(axis=0, dtype=np.float64)
        self.model.get_layer("standardise").set_weights([np.float32(value) for value in statistics])
        self.optimizer = _optimizer(config)
        self.optimizer.build(self.model.trainable_variables)
        self._compile()

    def _compile(self) -> None:
        """Trace the two halves of a step; between them the gradients of the workers are exchanged."""
        import tensorflow as tf

        model, config = self.model, self.config
        inputs = tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)
        floats = [w for w in model.weights if w.dtype == "float32"]
        self.averages = [tf.Variable(w.value) for w in floats]
        self.floats = floats

        def gradients(x: Any, target: Any, n_rows: Any) -> Any:
            with tf.GradientTape() as tape:
                probabilities = model(x, training=True)
                smooth = target * (1 - config.label_smoothing) + config.label_smoothing / target.shape[1]
                row_losses = -tf.reduce_sum(smooth * tf.math.log(probabilities + _EPSILON), axis=1)
                loss = tf.reduce_sum(row_losses * tf.linalg.matvec(target, self.class_weights)) / n_rows
            hits = tf.cast(tf.argmax(probabilities, 1) == tf.argmax(target, 1), tf.float32)
            return [loss, tf.reduce_sum(hits) / n_rows, *tape.gradient(loss, model.trainable_variables)]

        def apply(values: Any) -> None:
            self.optimizer.apply(values, model.trainable_variables)
            for average, weight in zip(self.averages, floats, strict=True):
                average.assign(config.average * average + (1 - config.average) * weight.value)

        target = tf.TensorSpec((None, self.targets.shape[1]), tf.float32)
        self.gradients = tf.function(gradients, input_signature=[inputs, target, tf.TensorSpec((), tf.float32)])
        self.apply = tf.function(apply)
        # Traced once for all lengths: eager calls on recordings of 200 lengths cost as much as the epoch itself.
        self.infer = tf.function(lambda x: model(x, training=False), input_signature=[inputs])

    def train_epoch(self, epoch: int) -> tuple[float, float]:
        """Run all batches of an epoch; return mean loss and accuracy over all workers."""
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.features))
        for i, layer in enumerate(layer for layer in self.model.layers if hasattr(layer, "seed_generator")):
            words = np.random.SeedSequence([self.seed, epoch, self.rank, i]).generate_state(2)
            layer.seed_generator.state.assign(words)
        sums = np.zeros(2)
        for step in range(self.n_steps):
            rows = order[step * self.config.batch_size :][: self.config.batch_size]
            if self.config.optimizer == "adamw":
                done = (epoch * self.n_steps + step) / (self.config.epochs * self.n_steps)
                self.optimizer.learning_rate.assign(self.config.learning_rate * _one_cycle(done))
            x, target = self._examples(rows[self.rank :: self.n_workers], epoch, step)
            # Divided by the mean slice, so that the workers' mean is the gradient of the whole batch.
            values = self.gradients(x, target, np.float32(len(rows) / self.n_workers))
            if self.all_reduce:
                values = self.all_reduce.mean([np.asarray(value) for value in values])
            sums += float(values[0]), float(values[1])
            self.apply([*values[2:]])
        self._agree()
        return float(sums[0] / self.n_steps), float(sums[1] / self.n_steps)

    def _examples(self, rows: NDArray[np.intp], epoch: int, step: int) -> tuple[Float32, Float32]:
        """Augmented inputs and targets; an example depends on (seed, epoch, row) and not on its worker."""
        examples = []
        for row in rows:
            rng = np.random.default_rng([self.seed, epoch, int(row)])
            example = self.features[row]
            if self.config.augment:
                example = augment(example, rng, self.config.augment)
            examples.append(fit_length(example, rng, self.config.crop_frames) if self.config.crop_frames else example)
        rng = np.random.default_rng([self.seed, epoch, step, self.rank])
        return mix(np.stack(examples), self.targets[rows], rng, self.config.mixup)

    def _agree(self) -> None:
        """Give all workers the same batch statistics, the only weights that the gradients do not keep equal."""
        if not self.all_reduce:
            return
        variables = [v for pair in zip(self.floats, self.averages, strict=True) if not pair[0].trainable for v in pair]
        for variable, value in zip(variables, self.all_reduce.mean([v.numpy() for v in variables]), strict=True):
            variable.assign(value)

    def measure(self, features: Sequence[Float32], labels: Labels) -> tuple[float, float, float]:
        """Loss, accuracy and UAR of the averaged weights."""
        kept = [weight.numpy() for weight in self.floats]
        self.use_average()
        probabilities = np.concatenate([self.infer(feature[np.newaxis]) for feature in features])
        for weight, value in zip(self.floats, kept, strict=True):
            weight.assign(value)
        hits = probabilities.argmax(axis=1) == labels
        loss = -np.log(probabilities[np.arange(len(labels)), labels] + _EPSILON).mean()
        uar = np.mean([hits[labels == label].mean() for label in np.unique(labels)])
        return float(loss), float(hits.mean()), float(uar)

    def use_average(self) -> None:
        """Put the moving averages, where there are any, into the model."""
        for weight, average in zip(self.floats, self.averages if self.config.average else self.floats, strict=True):
            weight.assign(average)

    def snapshot(self, epoch: int) -> TrainingState:
        """Copy everything that changes from epoch to epoch."""
        groups = {"weight": self.floats, "average": self.averages, "optimizer": self.optimizer.variables}
        state = {f"{name}_{i}": v.numpy() for name, group in groups.items() for i, v in enumerate(group)}
        return {"epoch": np.array(epoch), **state}

    def restore(self, state: TrainingState) -> int:
        """Take over a snapshot; return the number of epochs that it has behind it."""
        groups = {"weight": self.floats, "average": self.averages, "optimizer": self.optimizer.variables}
        for name, group in groups.items():
            for i, variable in enumerate(group):
                variable.assign(state[f"{name}_{i}"])
        return int(state["epoch"])


def _optimizer(config: CnnConfig) -> Any:
    import keras

    if config.optimizer == "rmsprop":
        return keras.optimizers.RMSprop(config.learning_rate)
    optimizer = keras.optimizers.AdamW(config.learning_rate, config.weight_decay, beta_2=0.99)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _one_cycle(done: float) -> float:
    """Return the share of the peak learning rate: up in a line, down in half a cosine (Smith & Topin 2019)."""
    if done < _WARM_UP:
        return done / _WARM_UP
    return float(0.5 * (1 + np.cos(np.pi * (done - _WARM_UP) / (1 - _WARM_UP))))


def to_onnx(model: keras.Model, config: CnnConfig, n_bands: int) -> bytes:
    """Return the model as ONNX: "features" (batch, frames, bands) -> "probabilities" (batch, classes).

    Batch and, but with ``architecture="reference"``, frames are free.
    """
    import tensorflow as tf
    import tf2onnx

    n_frames = None if config.crop_frames else model.input_shape[1]
    signature = [tf.TensorSpec((None, n_frames, n_bands), tf.float32, name="features")]
    function = tf.function(lambda features: {"probabilities": model(features, training=False)})
    graph, _ = tf2onnx.convert.from_function(function, signature, opset=_OPSET)
    shape = graph.graph.input[0].type.tensor_type.shape
    for size, name in zip(shape.dim, ("batch", "frames"), strict=False):
        if not size.dim_value:
            size.dim_param = name
    graph.graph.output[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    return bytes(graph.SerializeToString())
