"""A Whisper front with its head -> one ONNX graph, and the front back out of such a graph.

The graph is written node by node rather than converted, so that its tensors keep their published names and the front
can be read back. It takes ``features`` (batch, n_frames, n_mels) of any length, and gives ``probabilities`` (batch,
n_classes) and ``embedding`` (batch, n_dims). Positions after the last are equal to it.

Matrices are float16, as published, and the graph gives what Keras gives; or they are 8-bit integers with a scale for
each column, half as large. Either is made float32 once, when the graph is loaded. Products of 8-bit integers would be
2.5 times as fast, but they move an embedding by 8 % of the deviation between recordings, or by 13 % with the 7 bits
that give the same on all CPUs.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import Final

import numpy as np

from emosense.arrays import Float32
from emosense.models.head import EMBEDDING, TENSORS, Head
from emosense.models.speaker_head import SPEAKER_LOGITS, SPEAKER_PROBABILITIES, SPEAKER_TENSORS, SpeakerHead
from emosense.training.graph_builder import FEATURES, PROBABILITIES, GraphBuilder
from emosense.training.transfer.whisper_front import SPEECH_DB, WhisperFront, n_dims
from emosense.training.transfer_settings import Pooling, WeightBits

_EPSILON: Final = 1e-5
_SMALLEST_VARIANCE: Final = 1e-6
_PUBLISHED: Final = r"(conv[12]|embed_positions|layers\.\d+)\."
_SCALE: Final = ".scale"
_LARGEST_INTEGER: Final = 127
_END: Final = np.iinfo(np.int64).max


def to_onnx(
    front: WhisperFront,
    layers: Sequence[int],
    pooling: Pooling,
    head: Head | None,
    speaker_head: SpeakerHead | None = None,
    bits: WeightBits = 16,
) -> bytes:
    """Write the graph.

    Parameters
    ----------
    front : WhisperFront
        Weights of the front.
    layers, pooling
        See `emosense.training.transfer.whisper_network.build_front`.
    head : Head or None
        Head on the embedding; without one the graph gives the embedding only.
    speaker_head : SpeakerHead or None
        A second head beside it, for recordings that are adapted to a speaker.
    bits : int
        What a value of a matrix takes: 16 or 8.

    Returns
    -------
    bytes
        The ONNX graph.
    """
    graph = _WhisperGraph(front, bits)
    x = graph.embed()
    shares = graph.frame_shares(pooling)
    pooled = []
    last = max(layers)
    for i in range(last + 1):
        if i == last > 0 and pooling != "mean-sd":
            pooled.append(graph.mean_of_block(x, i - 1, shares))
            continue
        if i:
            x = graph.block(x, i - 1)
        if i in layers:
            pooled.append(graph.pool(x, shares, pooling))
    graph.node("Concat", pooled, output=EMBEDDING, axis=1)
    sizes = {} if head is None else graph.heads(head, speaker_head)
    sizes[EMBEDDING] = n_dims(front, layers, pooling)
    return graph.to_onnx("transfer", ["batch", "frames", front.n_mels], sizes)


class _WhisperGraph(GraphBuilder):
    """The graph, layer by layer. Each function adds nodes, and returns the name of what they compute."""

    def __init__(self, front: WhisperFront, bits: WeightBits) -> None:
        super().__init__()
        self._front, self._bits = front, bits

    def embed(self) -> str:
        """Add the convolutions, each as the product of three neighbouring frames with a matrix, and the positions."""
        x = FEATURES
        for name, stride in (("conv1", 1), ("conv2", 2)):
            padded = self.node("Pad", [x, self.integers(0, 1, 0, 0, 1, 0)])
            neighbours = [self.slice(padded, 1, k, k - 2 if k < 2 else _END, stride) for k in range(3)]
            x = self._gelu(self._linear(self.node("Concat", neighbours, axis=2), name))
        table = self.half("embed_positions.weight", self._front.tensors["embed_positions.weight"])
        length = self.node("Squeeze", [self.slice(self.node("Shape", [x]), 0, 1, 2), self.integers(0)])
        zero, one = (self.tensor(np.array(value, np.int64), f"scalar_{value}") for value in (0, 1))
        numbers = self.node("Range", [zero, length, one])
        numbers = self.node("Min", [numbers, self.integers(self._front.n_positions - 1)])
        return self.node("Add", [x, self.node("Gather", [table, numbers], axis=0)])

    def block(self, x: str, i: int) -> str:
        x, hidden = self._attended(x, i)
        return self.node("Add", [x, self._linear(hidden, f"layers.{i}.fc2")])

    def mean_of_block(self, x: str, i: int, shares: str) -> str:
        """Add the mean of a block's output; its last product is one of means, which saves a tenth of the work."""
        x, hidden = self._attended(x, i)
        means = [self._mean(values, shares) for values in (x, hidden)]
        totals = self.node("ReduceSum", [shares, self.integers(2)])
        return self._flat(self.node("Add", [means[0], self._linear(means[1], f"layers.{i}.fc2", totals)]))

    def _attended(self, x: str, i: int) -> tuple[str, str]:
        """Return a block's input with its attention added, and the hidden values of its last product."""
        name = f"layers.{i}"
        x = self.node("Add", [x, self._attention(self._norm(x, f"{name}.self_attn_layer_norm"), f"{name}.self_attn")])
        return x, self._gelu(self._linear(self._norm(x, f"{name}.final_layer_norm"), f"{name}.fc1"))

    def _attention(self, x: str, name: str) -> str:
        n_heads = self._front.n_heads
        width = self._front.width // n_heads

        def heads(part: str, order: list[int]) -> str:
            values = self.node("Reshape", [self._linear(x, f"{name}.{part}"), self.integers(0, -1, n_heads, width)])
            return self.node("Transpose", [values], perm=order)

        query = self.node("Mul", [heads("q_proj", [0, 2, 1, 3]), self.number(width**-0.5)])
        scores = self.node("MatMul", [query, heads("k_proj", [0, 2, 3, 1])])
        mixed = self.node("MatMul", [self.node("Softmax", [scores], axis=-1), heads("v_proj", [0, 2, 1, 3])])
        mixed = self.node("Transpose", [mixed], perm=[0, 2, 1, 3])
        return self._linear(self.node("Reshape", [mixed, self.integers(0, -1, n_heads * width)]), f"{name}.out_proj")

    def frame_shares(self, pooling: Pooling) -> str:
        """Add the weights of frames, (batch, n_weights, n_frames), as `frame_shares` of `whisper_network` does."""
        log_e = self.node("Mul", [self.node("Sub", [FEATURES, self.number(1)]), self.number(4 * np.log(10))])
        power = self.node("ReduceSum", [self.node("Exp", [log_e]), self.integers(2)], keepdims=0)
        padded = self.node("Pad", [power, self.integers(0, 0, 0, 1)])
        power = self.node("Add", [self.slice(padded, 1, 0, -1, 2), self.slice(padded, 1, 1, _END, 2)])
        if pooling == "mean-all-frames":
            kept = self.node("Add", [self.node("Mul", [power, self.number(0)]), self.number(1)])
        else:
            limit = self.node("Mul", [self.node("ReduceMax", [power], axes=[1]), self.number(10 ** (-SPEECH_DB / 10))])
            kept = self.float32(self.node("Greater", [power, limit]))
        number = self.node("ReduceSum", [kept, self.integers(1)])
        shares = self.node("Div", [kept, number])
        if pooling != "mean-trend":
            return self.node("Unsqueeze", [shares, self.integers(1)])
        axis = self.tensor(np.array(1, np.int64), "time_axis")
        passed = self.node("Sub", [self.node("CumSum", [kept, axis]), self.number(0.5)])
        angles = self.node("Mul", [self.node("Div", [passed, number]), self.number(np.pi)])
        rows = [shares, self.node("Mul", [shares, self.node("Cos", [angles])])]
        return self.node("Concat", [self.node("Unsqueeze", [row, self.integers(1)]) for row in rows], axis=1)

    def pool(self, x: str, shares: str, pooling: Pooling) -> str:
        mean = self._flat(self._mean(x, shares))
        if pooling != "mean-sd":
            return mean
        centred = self.node("Sub", [x, self.node("Unsqueeze", [mean, self.integers(1)])])
        variance = self._flat(self._mean(self.node("Mul", [centred, centred]), shares))
        sd = self.node("Sqrt", [self.node("Max", [variance, self.number(_SMALLEST_VARIANCE)])])
        return self.node("Concat", [mean, sd], axis=1)

    def _mean(self, x: str, shares: str) -> str:
        """Add the weighted sums of the frames, (batch, n_weights, width)."""
        return self.node("MatMul", [shares, x])

    def _flat(self, means: str) -> str:
        return self.node("Flatten", [means], axis=1)

    def heads(self, head: Head, speaker_head: SpeakerHead | None) -> dict[str, int]:
        """Add the heads; return the sizes of their outputs by name."""
        for name, field in zip(TENSORS, dataclasses.fields(head), strict=True):
            self.tensor(np.asarray(getattr(head, field.name), np.float32), name)
        standardised = self.node("Div", [self.node("Sub", [EMBEDDING, "head_mean"]), "head_scale"])
        logits = self.node("Gemm", [standardised, "head_weight", "head_bias"])
        self.node("Softmax", [logits], output=PROBABILITIES, axis=1)
        if speaker_head is None:
            return {PROBABILITIES: len(head.bias)}
        for name, field in zip(SPEAKER_TENSORS, dataclasses.fields(speaker_head), strict=True):
            self.tensor(np.asarray(getattr(speaker_head, field.name), np.float32), name)
        logits = self.node("Gemm", [standardised, *SPEAKER_TENSORS[:2]], output=SPEAKER_LOGITS)
        self.node("Softmax", [logits], output=SPEAKER_PROBABILITIES, axis=1)
        return {PROBABILITIES: len(head.bias), SPEAKER_PROBABILITIES: len(head.bias)}

    def _norm(self, x: str, name: str) -> str:
        parts = [self.tensor(self._front.tensors[each], each) for each in (f"{name}.weight", f"{name}.bias")]
        return self.node("LayerNormalization", [x, *parts], axis=-1, epsilon=_EPSILON)

    def _gelu(self, x: str) -> str:
        # In the order that ONNX Runtime recognises and computes as one operation.
        erf = self.node("Erf", [self.node("Div", [x, self.number(np.sqrt(2))])])
        return self.node("Mul", [self.node("Mul", [x, self.node("Add", [erf, self.number(1)])]), self.number(0.5)])

    def half(self, name: str, values: Float32) -> str:
        """Store as float16, which published weights are; the graph's loading turns it into float32."""
        return self.float32(self.tensor(values.astype(np.float16), name))

    def integer(self, name: str, values: Float32) -> str:
        """Store as 8-bit integers with a scale for each column; the graph's loading turns them into float32."""
        scale = np.maximum(np.abs(values).max(axis=0), np.finfo(np.float32).tiny) / np.float32(_LARGEST_INTEGER)
        rounded = self.tensor(np.rint(values / scale).astype(np.int8), name)
        return self.node("Mul", [self.float32(rounded), self.tensor(scale, f"{name}{_SCALE}")])

    def _linear(self, x: str, name: str, totals: str = "") -> str:
        """Add an affine map; of weighted sums of frames if `totals` names the sums of their weights."""
        weight = f"{name}.weight"
        stored = self.half if self._bits == 16 else self.integer
        product = self.node("MatMul", [x, stored(weight, _matrix(self._front.tensors[weight]))])
        bias = self._front.tensors.get(f"{name}.bias")
        if bias is None:
            return product
        added = self.tensor(bias, f"{name}.bias")
        return self.node("Add", [product, self.node("Mul", [totals, added]) if totals else added])


def _matrix(weight: Float32) -> Float32:
    """Return published weights (out, in) or (out, in, kernel) as a matrix from (kernel times) in to out."""
    return np.ascontiguousarray(weight.T.reshape(-1, len(weight)), np.float32)


def read_front(weights: bytes) -> WhisperFront | None:
    """Read the front back out of a graph.

    Parameters
    ----------
    weights : bytes
        Content of ``model.onnx``.

    Returns
    -------
    WhisperFront or None
        With the layers and positions that the graph has; None if it is not one of `to_onnx`.
    """
    import onnx
    from onnx import numpy_helper

    stored = {each.name: numpy_helper.to_array(each) for each in onnx.load_from_string(weights).graph.initializer}
    found = {}
    for name, each in stored.items():
        if re.match(_PUBLISHED, name) and not name.endswith(_SCALE):
            values = each.astype(np.float32) * stored.get(f"{name}{_SCALE}", np.float32(1))
            if name.startswith("conv") and values.ndim == 2:
                values = values.reshape(3, -1, values.shape[1])
            is_matrix = name.endswith(".weight") and not name.startswith("embed_positions")
            found[name] = values.T if is_matrix else values
    return WhisperFront(found) if "conv1.weight" in found else None
