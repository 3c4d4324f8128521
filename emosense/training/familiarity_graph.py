"""A model's graph -> the same graph with the output ``distance``: how far a recording is from those of the training.

The distance is measured on the output ``embedding`` of the graph or, if it has none, on its features; of features with
frames, on the mean over time, the deviation, and that of the changes from frame to frame. It has the axes (batch,):
above 1 is unfamiliar.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from emosense.arrays import Float32, Float64
from emosense.models.head import EMBEDDING
from emosense.models.model import DISTANCE, input_names
from emosense.onnx_session import open_session
from emosense.training.familiarity import Familiarity
from emosense.training.features.table import FeatureTable

_PREFIX: Final = f"{DISTANCE}_"
_SMALLEST: Final = 1e-12
# Share of the directions that are measured: as good as all (docs/results.md), and smaller. Bands next to each other
# resemble each other, so that fewer directions say as much.
_SHARE: Final = 1 / 2
_SHARE_OF_BANDS: Final = 1 / 5
_MIN_DIRECTIONS: Final = 32


def recording_values(weights: bytes, tables: Sequence[FeatureTable]) -> tuple[Float64, int]:
    """Compute the vector of each recording that the distance is measured on.

    Parameters
    ----------
    weights : bytes
        ONNX graph of a model.
    tables : sequence of FeatureTable
        The same utterances in each; one for every feature set that the model takes.

    Returns
    -------
    tuple of (ndarray, shape (n, n_values), float64; and int)
        One row per recording, and how many directions of these values are to be measured.
    """
    session, names = open_session(weights), input_names(len(tables))
    if any(output.name == EMBEDDING for output in session.get_outputs()):
        rows = zip(*(table.features for table in tables), strict=True)
        feeds = ({name: each[np.newaxis] for name, each in zip(names, row, strict=True)} for row in rows)
        values = np.array([session.run([EMBEDDING], feed)[0][0] for feed in feeds], np.float64)
        return values, _n_directions(values, _SHARE)
    features = tables[_measured(session)].features
    values = np.array([_over_time(each) if each.ndim == 2 else each for each in features], np.float64)
    return values, _n_directions(values, _SHARE_OF_BANDS if features[0].ndim == 2 else _SHARE)


def _n_directions(values: Float64, share: float) -> int:
    n_values = values.shape[1]
    return int(max(round(share * n_values), min(n_values, _MIN_DIRECTIONS)))


def _over_time(frames: Float32) -> Float32:
    changes = np.diff(frames, axis=0, prepend=frames[:1])
    return np.concatenate([frames.mean(axis=0), frames.std(axis=0), changes.std(axis=0)])


def _measured(session: Any) -> int:
    """Return which of the inputs is measured: the first without frames, or else the first."""
    without_frames = [place for place, node in enumerate(session.get_inputs()) if len(node.shape) == 2]
    return without_frames[0] if without_frames else 0


def with_distance(weights: bytes, familiarity: Familiarity) -> bytes:
    """Give a graph the output ``distance``.

    Parameters
    ----------
    weights : bytes
        ONNX graph of a model; a distance that it has is replaced.
    familiarity : Familiarity
        What the distance is computed with, from `recording_values` of this graph.

    Returns
    -------
    bytes
        ONNX graph with the same inputs and one more output.
    """
    import onnx
    from onnx import helper

    session = open_session(weights)
    model = onnx.load_from_string(weights)
    _remove_distance(model.graph)
    nodes = _Nodes(model)
    if any(output.name == EMBEDDING for output in session.get_outputs()):
        values = EMBEDDING
    else:
        node = session.get_inputs()[_measured(session)]
        values = node.name if len(node.shape) == 2 else nodes.over_time(node.name)
    speakers = familiarity.speakers.astype(np.float32)
    length_of = np.square(speakers).sum(axis=1)
    whitening = nodes.add("Cast", nodes.tensor(familiarity.whitening), to=onnx.TensorProto.FLOAT)
    whitened = nodes.add("MatMul", nodes.add("Sub", values, nodes.tensor(familiarity.mean)), whitening)
    transposed = nodes.add(
        "Cast", nodes.tensor(np.ascontiguousarray(familiarity.speakers.T)), to=onnx.TensorProto.FLOAT
    )
    products = nodes.add("MatMul", whitened, transposed)
    length = nodes.reduced("ReduceSum", nodes.add("Mul", whitened, whitened))
    twice = nodes.add("Add", products, products)
    squared = nodes.add("Sub", nodes.add("Add", length, nodes.tensor(length_of)), twice)
    both = nodes.add("Mul", length, nodes.tensor(length_of))
    cosine = nodes.add("Div", products, nodes.add("Sqrt", nodes.add("Max", both, nodes.tensor(np.float32(_SMALLEST)))))
    nearest = nodes.add("Neg", nodes.reduced("ReduceMax", nodes.add("Neg", squared)))
    two = nodes.tensor(np.float32(2))
    angle = nodes.add("Sub", two, nodes.add("Mul", nodes.reduced("ReduceMax", cosine), two))
    found = []
    for value, limit in zip((nearest, angle), familiarity.limits, strict=True):
        root = nodes.add("Sqrt", nodes.add("Max", value, nodes.tensor(np.float32(0))))
        found.append(nodes.add("Div", root, nodes.tensor(np.float32(limit))))
    larger = nodes.add("Max", *found)
    model.graph.node.append(helper.make_node("Reshape", [larger, nodes.tensor(np.array([-1]))], [DISTANCE]))
    model.graph.output.append(helper.make_tensor_value_info(DISTANCE, onnx.TensorProto.FLOAT, ["batch"]))
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _remove_distance(graph: Any) -> None:
    kept = (
        (graph.node, [node for node in graph.node if not node.output[0].startswith(DISTANCE)]),
        (graph.initializer, [tensor for tensor in graph.initializer if not tensor.name.startswith(_PREFIX)]),
        (graph.output, [output for output in graph.output if output.name != DISTANCE]),
    )
    for field, values in kept:
        copies = [type(value).FromString(value.SerializeToString()) for value in values]
        del field[:]
        field.extend(copies)


class _Nodes:
    """Adds nodes and tensors to a graph, with names of their own."""

    def __init__(self, model: Any) -> None:
        self._graph = model.graph
        self._opset = next(opset.version for opset in model.opset_import if opset.domain in ("", "ai.onnx"))
        self._n = 0

    def _name(self) -> str:
        self._n += 1
        return f"{_PREFIX}{self._n}"

    def tensor(self, value: Any) -> str:
        """Add a constant."""
        from onnx import numpy_helper

        name = self._name()
        self._graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output."""
        from onnx import helper

        name = self._name()
        self._graph.node.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def reduced(self, kind: str, value: str) -> str:
        """Reduce axis 1 and keep it; the axis became an input in operator set 13 for sums, and in 18 for the others."""
        if self._opset >= (13 if kind == "ReduceSum" else 18):
            return self.add(kind, value, self.tensor(np.array([1])), keepdims=1)
        return self.add(kind, value, axes=[1], keepdims=1)

    def over_time(self, features: str) -> str:
        """Add the mean over time, the deviation, and that of the changes from frame to frame, in one vector."""
        zero, one, last = (self.tensor(np.array([number])) for number in (0, 1, -1))
        first = self.add("Slice", features, zero, one, one)
        before = self.add("Slice", self.add("Concat", first, features, axis=1), zero, last, one)
        mean, deviation = self._mean_and_deviation(features)
        _, of_changes = self._mean_and_deviation(self.add("Sub", features, before))
        joined = self.add("Concat", mean, deviation, of_changes, axis=2)
        # 0 keeps the first axis.
        return self.add("Reshape", joined, self.tensor(np.array([0, -1])))

    def _mean_and_deviation(self, values: str) -> tuple[str, str]:
        mean = self.reduced("ReduceMean", values)
        centred = self.add("Sub", values, mean)
        return mean, self.add("Sqrt", self.reduced("ReduceMean", self.add("Mul", centred, centred)))
