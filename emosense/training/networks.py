"""The CNN's architectures in Keras: feature sequence in, probabilities out.

Standardisation is the first layer and softmax the last, so the exported graph is the whole model.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from emosense.arrays import Float32
from emosense.training.cnn_settings import CnnConfig

if TYPE_CHECKING:
    import keras


def builder(config: CnnConfig, features: Sequence[Float32], n_classes: int) -> Callable[[], keras.Model]:
    """Return what builds the untrained network for some recordings.

    Parameters
    ----------
    config : CnnConfig
        Architecture and widths.
    features : sequence of ndarray, each shape (n_frames, n_bands), float32
        Recordings to train on.
    n_classes : int
        Number of classes.

    Returns
    -------
    callable
        Builds a network that standardises the bands as these recordings need it; can be pickled.
    """
    n_bands = features[0].shape[1]
    sums, squares, n_frames = np.zeros(n_bands), np.zeros(n_bands), 0
    for recording in features:
        sums += recording.sum(axis=0, dtype=np.float64)
        squares += np.einsum("ij,ij->j", recording, recording, dtype=np.float64)
        n_frames += len(recording)
    mean = sums / n_frames
    statistics = mean.astype(np.float32), (squares / n_frames - mean**2).astype(np.float32)
    length = None if config.crop_frames else len(features[0])
    return functools.partial(_standardised, config, n_bands, length, n_classes, statistics)


def _standardised(
    config: CnnConfig, n_bands: int, n_frames: int | None, n_classes: int, statistics: tuple[Float32, Float32]
) -> keras.Model:
    model = build(config, n_bands, n_frames, n_classes)
    model.get_layer("standardise").set_weights(list(statistics))
    return model


def build(config: CnnConfig, n_bands: int, n_frames: int | None, n_classes: int) -> keras.Model:
    """Build the untrained network.

    Parameters
    ----------
    config : CnnConfig
        Architecture and widths.
    n_bands : int
        Number of bands in a frame.
    n_frames : int or None
        Length of all inputs; None for any length, which ``architecture="reference"`` does not allow.
    n_classes : int
        Number of classes.

    Returns
    -------
    keras.Model
        Input (n_clips, n_frames, n_bands), output (n_clips, n_classes): probabilities.
    """
    import keras

    features = keras.Input((n_frames, n_bands), name="features")
    # Not keras.layers.Normalization: tf2onnx turns its constants into two further inputs.
    standardise = keras.layers.BatchNormalization(
        center=False, scale=False, trainable=False, name="standardise", dtype="float32"
    )
    hidden = ARCHITECTURES[config.architecture](standardise(features), config)
    probabilities = keras.layers.Dense(n_classes, activation="softmax", name="probabilities", dtype="float32")(hidden)
    return keras.Model(features, probabilities, name=config.name)


def _reference(x: Any, config: CnnConfig) -> Any:
    """Two Conv1D layers, with the sizes of the well-known tutorial."""
    from keras import layers

    x = layers.Conv1D(128, 5, padding="same", activation="relu")(x)
    x = layers.Dropout(config.dropout)(x)
    x = layers.MaxPooling1D(8)(x)
    x = layers.Conv1D(128, 5, padding="same", activation="relu")(x)
    x = layers.Dropout(config.dropout)(x)
    return layers.Flatten()(x)


def _residual_mean(x: Any, config: CnnConfig) -> Any:
    """2-D residual stages that shrink the band axis, a convolution over time, and the mean over time."""
    from keras import layers

    x, _ = _frames(x, config)
    return layers.Dropout(0.3)(layers.GlobalAveragePooling1D()(x))


def _residual_attentive(x: Any, config: CnnConfig) -> Any:
    """Pool the same frames by attentive mean and standard deviation (Okabe et al. 2018)."""
    from keras import layers, ops

    x, width = _frames(x, config)
    share = ops.softmax(layers.Dense(width)(layers.Dense(32, activation="tanh")(x)), axis=1)
    mean = ops.sum(share * x, axis=1)
    variance = ops.sum(share * ops.square(x), axis=1) - ops.square(mean)
    pooled = layers.Concatenate()([mean, ops.sqrt(ops.maximum(variance, 1e-4))])
    return layers.Dropout(0.3)(pooled)


def _frames(x: Any, config: CnnConfig) -> tuple[Any, int]:
    """Output frames of the residual stages, a quarter as many as log-mel frames, and the number of values in each."""
    from keras import layers

    stem, *stages, width = config.channels
    x = layers.Reshape((-1, x.shape[-1], 1))(x)
    x = _conv_2d(x, stem, (5, 7), (2, 3))
    for i, filters in enumerate(stages):
        x = _conv_2d(x, filters, (3, 3), (2 if i == 1 else 1, 2))
        x = layers.ReLU()(x + _conv_2d(x, filters, (3, 3), (1, 1), relu=False))
    x = layers.Dropout(config.dropout)(layers.Reshape((-1, x.shape[2] * x.shape[3]))(x))
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(layers.Conv1D(width, 1, use_bias=False)(x)))
    y = layers.Conv1D(width, 5, padding="same", use_bias=False)(x)
    return layers.ReLU()(x + layers.BatchNormalization(momentum=0.9)(y)), width


def _conv_2d(x: Any, filters: int, kernel: tuple[int, int], strides: tuple[int, int], *, relu: bool = True) -> Any:
    from keras import layers

    x = layers.Conv2D(filters, kernel, strides, padding="same", use_bias=False, kernel_initializer="he_normal")(x)
    x = layers.BatchNormalization(momentum=0.9)(x)
    return layers.ReLU()(x) if relu else x


ARCHITECTURES: Final[dict[str, Callable[[Any, CnnConfig], Any]]] = {
    "reference": _reference,
    "residual-mean": _residual_mean,
    "residual-attentive": _residual_attentive,
}
