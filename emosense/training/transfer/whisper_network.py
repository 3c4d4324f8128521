"""The first layers of a Whisper encoder in Keras: log-mel frames in, one vector per recording out.

The architecture is that of Radford et al. 2022 (arXiv 2212.04356): two convolutions, sinusoidal positions, pre-norm
transformer blocks. Recordings are not padded to 30 s: the positions are cut to their length. Recordings of a batch are
padded with `PADDING`, which no log-mel value reaches; padded frames change nothing. Keras is imported when it is used.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from emosense.training.transfer.whisper_front import SPEECH_DB, WhisperFront
from emosense.training.transfer_settings import Pooling

if TYPE_CHECKING:
    import keras

# Whisper's log-mel is (log10 of the power + 4) / 4, at least -1.5.
PADDING: Final = -9.0
_LOWEST: Final = -5.0
_EPSILON: Final = 1e-5
# Below the variance of any value that tells recordings apart; keeps the gradient of the root finite.
_SMALLEST_VARIANCE: Final = 1e-6


def build_front(front: WhisperFront, layers: Sequence[int], pooling: Pooling) -> keras.Model:
    """Build the network that makes an embedding of a recording.

    Parameters
    ----------
    front : WhisperFront
        Its weights; blocks after the last of `layers` are not used.
    layers : sequence of int
        Blocks whose output is pooled, counted from 1; 0 is the input of the first block. The pooled values follow one
        another.
    pooling : str
        ``mean`` over the frames of speech; ``mean-trend`` with their trend too, which is the second coefficient of a
        discrete cosine transform over time; ``mean-sd`` with the standard deviation; or ``mean-all-frames``.

    Returns
    -------
    keras.Model
        From ``features`` (n_recordings, n_frames, n_mels) to (n_recordings, n_dims). Its layers have the published
        names.
    """
    import keras

    features = keras.Input((None, front.n_mels), name="features")
    model = keras.Model(features, embedding(features, front, layers, pooling))
    set_weights(model, front)
    return model


def embedding(features: Any, front: WhisperFront, layers: Sequence[int], pooling: Pooling, dropout: float = 0.0) -> Any:
    """Apply the layers of a front, with new weights.

    Parameters
    ----------
    features : KerasTensor, shape (n_recordings, n_frames, n_mels)
        Whisper's log-mel.
    front, layers, pooling
        See `build_front`.
    dropout : float
        Share of the values that are left out in training of what each half of a block adds, the same in all frames.

    Returns
    -------
    KerasTensor, shape (n_recordings, n_dims)
        The embeddings.
    """
    from keras import ops

    x, valid = embed(features, front)
    share = frame_shares(features, valid, pooling)
    pooled = []
    for i in range(max(layers) + 1):
        if i:
            x = block(x, valid, front, i - 1, dropout)
        if i in layers:
            pooled.append(pool(x, share, pooling))
    return pooled[0] if len(pooled) == 1 else ops.concatenate(pooled, axis=1)


def set_weights(model: keras.Model, front: WhisperFront) -> None:
    """Put published weights into the layers of their names.

    Parameters
    ----------
    model : keras.Model
        With layers of `embed` and `block`.
    front : WhisperFront
        The weights.
    """
    for layer in model.layers:
        weight = front.tensors.get(f"{layer.name}.weight")
        if weight is not None:
            # Keras: (kernel, in, out) and (in, out); published: (out, in, kernel) and (out, in).
            parts = [weight if layer.name == "embed_positions" else weight.T]
            if f"{layer.name}.bias" in front.tensors:
                parts.append(front.tensors[f"{layer.name}.bias"])
            layer.set_weights(parts)


def weights_of(model: keras.Model, front: WhisperFront) -> WhisperFront:
    """Read the weights back out of a network.

    Parameters
    ----------
    model : keras.Model
        With layers of `embed` and `block`.
    front : WhisperFront
        Weights of the layers that the network lacks.

    Returns
    -------
    WhisperFront
        With the network's weights, also those that training has changed.
    """
    tensors = dict(front.tensors)
    for layer in model.layers:
        if f"{layer.name}.weight" in tensors:
            weight, *bias = layer.get_weights()
            tensors[f"{layer.name}.weight"] = weight if layer.name == "embed_positions" else weight.T
            if bias:
                tensors[f"{layer.name}.bias"] = bias[0]
    return WhisperFront(tensors)


def embed(features: Any, front: WhisperFront) -> tuple[Any, Any]:
    """Convolutions and positions.

    Parameters
    ----------
    features : KerasTensor, shape (n_recordings, n_frames, n_mels)
        Whisper's log-mel, padded with `PADDING`.
    front : WhisperFront
        Sizes.

    Returns
    -------
    x : KerasTensor, shape (n_recordings, ceil(n_frames / 2), width)
        Frames of 20 ms.
    valid : KerasTensor, shape (n_recordings, ceil(n_frames / 2))
        1 where a frame is not padding.
    """
    from keras import layers, ops

    valid = ops.cast(ops.max(features, axis=2) > _LOWEST, "float32")
    x = features
    for name, stride in (("conv1", 1), ("conv2", 2)):
        # Beyond its end, a recording is 0, as it is where it is not padded.
        x = layers.ZeroPadding1D(1)(x * valid[:, :, None])
        x = ops.gelu(layers.Conv1D(front.width, 3, stride, name=name)(x), approximate=False)
    valid = valid[:, ::2]
    numbers = ops.cast(ops.cumsum(ops.ones_like(valid), axis=1), "int32") - 1
    return x + layers.Embedding(front.n_positions, front.width, name="embed_positions")(numbers), valid


def block(x: Any, valid: Any, front: WhisperFront, i: int, dropout: float) -> Any:
    """Apply one transformer block: attention, then a network of four times the width.

    Parameters
    ----------
    x, valid : KerasTensor
        What `embed` returned.
    front : WhisperFront
        Sizes.
    i : int
        Number of the block, from 0.
    dropout : float
        See `embedding`.

    Returns
    -------
    KerasTensor, shape of `x`
        Its output.
    """
    from keras import layers, ops

    norm = functools.partial(layers.LayerNormalization, epsilon=_EPSILON)
    attended = _attention(norm(name=f"layers.{i}.self_attn_layer_norm")(x), valid, front, f"layers.{i}.self_attn")
    x = x + layers.SpatialDropout1D(dropout)(attended)
    hidden = layers.Dense(4 * front.width, name=f"layers.{i}.fc1")(norm(name=f"layers.{i}.final_layer_norm")(x))
    added = layers.Dense(front.width, name=f"layers.{i}.fc2")(ops.gelu(hidden, approximate=False))
    return x + layers.SpatialDropout1D(dropout)(added)


def _attention(x: Any, valid: Any, front: WhisperFront, name: str) -> Any:
    from keras import layers, ops

    def heads(part: str, *, bias: bool = True) -> Any:
        values = layers.Dense(front.width, use_bias=bias, name=f"{name}.{part}")(x)
        return ops.transpose(layers.Reshape((-1, front.n_heads, width))(values), (0, 2, 1, 3))

    width = front.width // front.n_heads
    query, key, value = heads("q_proj") * width**-0.5, heads("k_proj", bias=False), heads("v_proj")
    scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2))) + (valid[:, None, None, :] - 1) * 1e9
    mixed = ops.transpose(ops.matmul(ops.softmax(scores, axis=-1), value), (0, 2, 1, 3))
    return layers.Dense(front.width, name=f"{name}.out_proj")(layers.Reshape((-1, front.width))(mixed))


def frame_shares(features: Any, valid: Any, pooling: Pooling) -> Any:
    """Return the weight of each frame in the pooled values: equal for all frames of speech, 0 for others.

    With ``mean-trend``, also weights that fall as a cosine from the first frame of speech to the last.

    Parameters
    ----------
    features, valid : KerasTensor
        Log-mel, and what `embed` returned.
    pooling : str
        See `build_front`.

    Returns
    -------
    KerasTensor, shape (n_recordings, n_weights, n_frames)
        The first row of each recording sums to 1, the second to 0.
    """
    from keras import layers, ops

    kept = valid
    if pooling != "mean-all-frames":
        # 10 ** (4 * x - 4), Whisper's log-mel turned back into power; padding becomes 1e-40, which is 0 in float32.
        power = ops.sum(ops.exp((4 * features - 4) * np.float32(np.log(10))), axis=2, keepdims=True)
        # A frame of 20 ms has the power of two of 10 ms; a last one has its half.
        power = 2 * layers.AveragePooling1D(2)(layers.ZeroPadding1D((0, 1))(power))[:, :, 0]
        kept = valid * ops.cast(power > ops.max(power, axis=1, keepdims=True) * 10 ** (-SPEECH_DB / 10), "float32")
    number = ops.sum(kept, axis=1, keepdims=True)
    shares = kept / number
    if pooling != "mean-trend":
        return shares[:, None, :]
    angles = (ops.cumsum(kept, axis=1) - 0.5) / number * np.float32(np.pi)
    return ops.stack([shares, shares * ops.cos(angles)], axis=1)


def pool(x: Any, share: Any, pooling: Pooling) -> Any:
    """Average over the frames.

    Parameters
    ----------
    x, share : KerasTensor
        Output of a block, and what `frame_shares` returned.
    pooling : str
        See `build_front`.

    Returns
    -------
    KerasTensor, shape (n_recordings, width) or (n_recordings, 2 * width)
        Means, and trends with ``mean-trend`` or deviations with ``mean-sd``.
    """
    from keras import layers, ops

    means = ops.matmul(share, x)
    if pooling != "mean-sd":
        return layers.Flatten()(means)
    mean = means[:, 0]
    variance = ops.matmul(share, ops.square(x - means))[:, 0]
    return ops.concatenate([mean, ops.sqrt(ops.maximum(variance, _SMALLEST_VARIANCE))], axis=1)
