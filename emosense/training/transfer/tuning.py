"""A front with its trained head -> both trained further, by gradient steps with a small rate.

The steps are those of the CNN: batches of augmented sections of the recordings, several workers, snapshots to resume
from. Log-mel is in dB below its maximum there, as augmentation takes it.
"""

from __future__ import annotations

import functools
import io
import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from emosense.arrays import Float32
from emosense.features.whisper import PEAK
from emosense.models.head import Head
from emosense.training.features.table import FeatureTable
from emosense.training.gradient_descent.training import GradientTraining, Runner
from emosense.training.gradient_descent.training_set import Validation, make_training_set
from emosense.training.transfer.whisper_front import WhisperFront
from emosense.training.transfer.whisper_network import embedding, set_weights, weights_of
from emosense.training.transfer_settings import TransferConfig, TuningConfig

if TYPE_CHECKING:
    import keras

# Whisper's log-mel is (log10 of the power + 4) / 4.
_DB_PER_UNIT: Final = 40.0
_HIGHEST: Final = (PEAK + 4) / 4
# How much faster the head learns than the front: where the steps of weights are of one size, as AdamW's are, by the
# scale of what the weights multiply.
_HEAD_RATE: Final = np.float32(5)


def tune(
    table: FeatureTable,
    classes: tuple[str, ...],
    config: TransferConfig,
    tuning: TuningConfig,
    front: WhisperFront,
    head: Head,
    *,
    seed: int,
    validation: FeatureTable | None,
    run: Runner,
) -> tuple[WhisperFront, Head, list[dict[str, Any]]]:
    """Train a front and its head further, and go a share of the way to what training makes of them.

    Parameters
    ----------
    table, classes, config
        See `emosense.training.transfer.transfer_model.fit`.
    tuning : TuningConfig
        How.
    front, head : WhisperFront, Head
        Where to start.
    seed, validation, run
        See `emosense.training.families.fit`.

    Returns
    -------
    front : WhisperFront
        With the changed weights.
    head : Head
        Changed too; its mean and scale are kept.
    history : list of dict
        Learning curves.
    """
    examples, masks = make_training_set(decibels(table), table.labels(classes), table.corpora, tuning, len(classes))
    training = GradientTraining(
        tuning,
        seed,
        masks,
        build=functools.partial(build, front, head, config, tuning),
        finish=functools.partial(_trained, front),
    )
    measured = None if validation is None else Validation(decibels(validation), validation.labels(classes))
    trained = run(training, examples, measured)
    with np.load(io.BytesIO(trained.weights), allow_pickle=False) as arrays:
        after: dict[str, Float32] = dict(arrays)

    def moved(before: Float32, name: str) -> Float32:
        return np.asarray(before + tuning.share * (after[name] - before), np.float32)

    # The moving average rounds the weights of frozen layers too: those stay as they were published.
    tensors = {
        name: moved(values, name) if _is_trained(name, config, tuning) else values
        for name, values in front.tensors.items()
    }
    changed = Head(head.mean, head.scale, moved(head.weight, "head.weight"), moved(head.bias, "head.bias"))
    return WhisperFront(tensors), changed, trained.history


def _trained(front: WhisperFront, model: keras.Model) -> bytes:
    """Return the weights of a trained network, as np.savez writes them."""
    weight, bias = model.get_layer("probabilities").get_weights()
    file = io.BytesIO()
    arrays: dict[str, Any] = {
        **weights_of(model, front).tensors,
        "head.weight": weight * _HEAD_RATE,
        "head.bias": bias,
    }
    np.savez(file, **arrays)
    return file.getvalue()


def build(front: WhisperFront, head: Head, config: TransferConfig, tuning: TuningConfig) -> keras.Model:
    """Build the network with the weights of a front and a head.

    Parameters
    ----------
    front, head, config, tuning
        See `tune`.

    Returns
    -------
    keras.Model
        From log-mel in dB (n_recordings, n_frames, n_mels) to probabilities. Of the front, what `tuning` says can be
        trained; the head can.
    """
    import keras

    features = keras.Input((None, front.n_mels), name="features")
    in_units = keras.layers.Rescaling(1 / _DB_PER_UNIT, _HIGHEST)(features)
    x = embedding(in_units, front, config.layers, config.pooling, tuning.block_dropout)
    standardise = keras.layers.BatchNormalization(
        center=False, scale=False, epsilon=0.0, trainable=False, name="standardise"
    )
    output = keras.layers.Dense(len(head.bias), activation="softmax", name="probabilities")
    model = keras.Model(features, output(keras.layers.Dropout(tuning.dropout)(standardise(x))))
    set_weights(model, front)
    standardise.set_weights([head.mean, (head.scale / _HEAD_RATE) ** 2])
    output.set_weights([head.weight / _HEAD_RATE, head.bias])
    for layer in model.layers:
        layer.trainable = layer is output or _is_trained(layer.name, config, tuning)
    return model


def _is_trained(name: str, config: TransferConfig, tuning: TuningConfig) -> bool:
    if tuning.blocks is None:
        return name.startswith(("layers.", "conv"))
    block = re.match(r"layers\.(\d+)\.", name)
    return block is not None and int(block[1]) >= max(config.layers) - tuning.blocks


def decibels(table: FeatureTable) -> list[Float32]:
    """Return the recordings' log-mel in dB below the maximum.

    Parameters
    ----------
    table : FeatureTable
        With the feature set ``whisper``.

    Returns
    -------
    list of ndarray, shape (n_frames, n_mels), float32 in [-80, 0]
        One per recording.
    """
    highest: Any = np.float32(_HIGHEST)
    return [np.minimum((features - highest) * np.float32(_DB_PER_UNIT), np.float32(0)) for features in table.features]
