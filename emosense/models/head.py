"""The last layer of a model that makes an embedding first: an affine map of the embedding to one logit per class.

Such a graph has the outputs ``embedding`` and ``probabilities``, and the head as the tensors ``head_mean``,
``head_scale``, ``head_weight`` and ``head_bias``. They are read from the graph's protobuf message without the package
onnx, which only training installs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator
from typing import Final

import numpy as np

from emosense.arrays import Float32

EMBEDDING: Final = "embedding"
TENSORS: Final = ("head_mean", "head_scale", "head_weight", "head_bias")
# Numbers of fields in onnx.proto3, and the number of float32 in TensorProto.DataType.
_GRAPH, _INITIALIZER, _DIMS, _DATA_TYPE, _NAME, _RAW_DATA = 7, 5, 1, 2, 8, 9
_FLOAT: Final = 1


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Head:
    """An affine map from an embedding to logits: ``((embedding - mean) / scale) @ weight + bias``.

    The softmax of the logits is what the graph returns as ``probabilities``: calibration is part of the weights.

    Parameters
    ----------
    mean, scale : ndarray, shape (n_dims,), float32
        Mean and scale of the embeddings of the training recordings; the scale is positive.
    weight : ndarray, shape (n_dims, n_classes), float32
        One column per class, in the order of the model's classes.
    bias : ndarray, shape (n_classes,), float32
        One value per class.

    Raises
    ------
    ValueError
        If the shapes do not fit, a value is not finite, or a scale is not positive.
    """

    mean: Float32
    scale: Float32
    weight: Float32
    bias: Float32

    def __post_init__(self) -> None:
        """Refuse tensors from which no logit can be computed."""
        n_dims, n_classes = self.weight.shape
        if self.mean.shape != (n_dims,) or self.scale.shape != (n_dims,) or self.bias.shape != (n_classes,):
            raise ValueError("mean, scale, weight and bias of a head have shapes that do not fit")
        if not all(np.isfinite(values).all() for values in (self.mean, self.scale, self.weight, self.bias)):
            raise ValueError("the values of a head must be finite")
        if not (self.scale > 0).all():
            raise ValueError("the scale of a head must be positive")

    def probabilities(self, embeddings: Float32) -> Float32:
        """Compute what the graph computes from its embeddings.

        Parameters
        ----------
        embeddings : ndarray, shape (n_recordings, n_dims), float32
            The graph's output ``embedding``.

        Returns
        -------
        ndarray, shape (n_recordings, n_classes), float32
            Sums to 1 in each row.
        """
        logits = (embeddings - self.mean) / self.scale @ self.weight + self.bias
        exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(exponents / exponents.sum(axis=1, keepdims=True), np.float32)


def read_head(weights: bytes) -> Head | None:
    """Read the head out of a model's graph.

    Parameters
    ----------
    weights : bytes
        Content of ``model.onnx``.

    Returns
    -------
    Head or None
        None if the graph has no head of its own: an MLP, a CNN, or several networks joined.

    Raises
    ------
    ValueError
        If the graph is damaged, or its head is of another type than float32 or of shapes that do not fit.
    """
    found = read_tensors(weights, TENSORS)
    if found is None:
        return None
    if found["head_weight"].ndim != 2:
        raise ValueError("head_weight must have two axes")
    return Head(*(found[name] for name in TENSORS))


def read_tensors(weights: bytes, names: Collection[str]) -> dict[str, Float32] | None:
    """Read tensors by name out of a model's graph.

    Parameters
    ----------
    weights : bytes
        Content of ``model.onnx``.
    names : collection of str
        Names of the tensors.

    Returns
    -------
    dict of str to ndarray, or None
        None if the graph lacks one of them.

    Raises
    ------
    ValueError
        If the graph is damaged, or a tensor is of another type than float32.
    """
    found = {}
    for graph in _submessages(memoryview(weights), _GRAPH):
        for tensor in _submessages(graph, _INITIALIZER):
            name = b"".join(_submessages(tensor, _NAME)).decode(errors="replace")
            if name in names:
                found[name] = _values(tensor, name)
    return found if found.keys() == {*names} else None


def _values(tensor: memoryview, name: str) -> Float32:
    shape: list[int] = []
    for number, value in _fields(tensor):
        if number == _DATA_TYPE and value != _FLOAT:
            raise ValueError(f"{name} must be float32")
        if number == _DIMS:
            # A repeated number is packed into one field, or has a field for each value.
            shape += [value] if isinstance(value, int) else _varints(value)
    return np.frombuffer(b"".join(_submessages(tensor, _RAW_DATA)), "<f4").reshape(shape).astype(np.float32)


def _submessages(message: memoryview, wanted: int) -> Iterator[memoryview]:
    """Yield the fields with a number that have a length: messages, text and bytes."""
    return (value for number, value in _fields(message) if number == wanted and not isinstance(value, int))


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield numbers and values of a message's fields (https://protobuf.dev/programming-guides/encoding)."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == 0:
            value, at = _varint(message, at)
            yield tag >> 3, value
            continue
        if kind == 2:
            size, at = _varint(message, at)
        else:
            size = {1: 8, 5: 4}.get(kind, len(message) + 1)
        if at + size > len(message):
            raise ValueError("the ONNX graph is damaged")
        yield tag >> 3, message[at : at + size]
        at += size


def _varints(packed: memoryview) -> list[int]:
    values, at = [], 0
    while at < len(packed):
        value, at = _varint(packed, at)
        values.append(value)
    return values


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """Return a number, written in groups of 7 bits with the lowest first, and the place after it."""
    value = 0
    for shift in range(0, 64, 7):
        if at >= len(message):
            break
        byte = message[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise ValueError("the ONNX graph is damaged")
