"""A trained CNN -> its ONNX graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from emosense.training.cnn_settings import CnnConfig

if TYPE_CHECKING:
    import keras

_OPSET: Final = 17


def to_onnx(model: keras.Model, config: CnnConfig, n_bands: int) -> bytes:
    """Convert a trained CNN.

    Parameters
    ----------
    model : keras.Model
        A network of `emosense.training.networks.build`.
    config : CnnConfig
        Settings of the network.
    n_bands : int
        Number of bands in a frame.

    Returns
    -------
    bytes
        A graph from ``features``, float32 (batch, n_frames, n_bands), to ``probabilities``, float32 (batch, n_classes).
        It takes any batch size and, except with ``architecture="reference"``, any number of frames.
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
