"""A model's graph -> the same graph with the output ``distance``: how far a recording is from those of the training.

The distance is measured on the output ``embedding`` of the graph or, if it has none, on its features. It has the axes
(batch,): above 1 is unfamiliar.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emosense.arrays import Float32
from emosense.models.head import EMBEDDING
from emosense.models.model import DISTANCE, input_names
from emosense.onnx_session import open_session
from emosense.training.familiarity.distance import Familiarity
from emosense.training.familiarity.section_codebook import DILATION, N_TAPS, PADDING, SMALLEST, STRIDE, SectionCodebook
from emosense.training.familiarity.speaker_distance import SpeakerDistance
from emosense.training.features.table import FeatureTable

_PREFIX: Final = f"{DISTANCE}_"
_SMALLEST: Final = 1e-12


def recording_values(weights: bytes, tables: Sequence[FeatureTable]) -> list[Float32]:
    """Compute what the distance is measured on.

    Parameters
    ----------
    weights : bytes
        ONNX graph of a model.
    tables : sequence of FeatureTable
        The same utterances in each; one for every feature set that the model takes.

    Returns
    -------
    list of ndarray, each shape (n_values,) or (n_frames, n_bands), float32
        The embedding of each recording, or its features.
    """
    session, names = open_session(weights), input_names(len(tables))
    if not _has_embedding(session):
        return list(tables[_measured(session)].features)
    rows = zip(*(table.features for table in tables), strict=True)
    feeds = ({name: each[np.newaxis] for name, each in zip(names, row, strict=True)} for row in rows)
    return [session.run([EMBEDDING], feed)[0][0] for feed in feeds]


def _has_embedding(session: Any) -> bool:
    return any(output.name == EMBEDDING for output in session.get_outputs())


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
    values = EMBEDDING if _has_embedding(session) else session.get_inputs()[_measured(session)].name
    measure = familiarity.measure
    if isinstance(measure, SpeakerDistance):
        speakers = _Speakers(nodes, values, measure)
        both = speakers.nearest(), speakers.direction()
    else:
        averages = _Speakers(nodes, nodes.over_time(values), measure.averages)
        both = averages.nearest(), nodes.unexplained(values, measure.codebook)
    scaled = [
        nodes.add("Div", distance, nodes.tensor(np.float32(limit)))
        for distance, limit in zip(both, familiarity.limits, strict=True)
    ]
    larger = nodes.add("Max", *scaled)
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

    def reduced(self, kind: str, value: str, axis: int = 1) -> str:
        """Reduce an axis and keep it; it became an input in operator set 13 for sums, and in 18 for the others."""
        if self._opset >= (13 if kind == "ReduceSum" else 18):
            return self.add(kind, value, self.tensor(np.array([axis])), keepdims=1)
        return self.add(kind, value, axes=[axis], keepdims=1)

    def root(self, value: str) -> str:
        """Add the square root of what rounding may make negative."""
        return self.add("Sqrt", self.add("Max", value, self.tensor(np.float32(0))))

    def over_time(self, frames: str) -> str:
        """Add the averages of `section_codebook.over_time`, with the axes (batch, values)."""
        zero, one, last = (self.tensor(np.array([number])) for number in (0, 1, -1))
        first = self.add("Slice", frames, zero, one, one)
        before = self.add("Slice", self.add("Concat", first, frames, axis=1), zero, last, one)
        mean, centred = self._centred(frames)
        _, changes = self._centred(self.add("Sub", frames, before))
        joined = self.add("Concat", mean, self._deviation(centred), self._deviation(changes), axis=2)
        # 0 keeps the first axis.
        return self.add("Reshape", joined, self.tensor(np.array([0, -1])))

    def unexplained(self, frames: str, codebook: SectionCodebook) -> str:
        """Add the share of `SectionCodebook.unexplained`, with the axes (batch, 1)."""
        _, centred = self._centred(self.add("MatMul", frames, self.tensor(codebook.cosines)))
        smallest = self.tensor(SMALLEST)
        deviation = self.add("Add", self.reduced("ReduceMean", self._deviation(centred), 2), smallest)
        scaled = self.add("Mul", self.add("Div", centred, deviation), self.tensor(codebook.scale))
        # (batch, coefficients, frames): sections are what a convolution over time multiplies.
        scaled = self.add("Transpose", scaled, perm=[0, 2, 1])
        products = self._sections(scaled, codebook.words)
        length_of = np.square(codebook.words.astype(np.float32)).sum(axis=(1, 2))[:, np.newaxis]
        twice = self.add("Sub", self.add("Add", products, products), self.tensor(length_of))
        explained = self.add("Max", self.reduced("ReduceMax", twice), self.tensor(np.float32(0)))
        length = self._sections(self.add("Mul", scaled, scaled), np.ones_like(codebook.words[:1]))
        rest = self.add("Sub", length, explained)
        sums = [self.reduced("ReduceSum", value, 2) for value in (rest, length)]
        share = self.add("Div", sums[0], self.add("Add", sums[1], smallest))
        return self.add("Reshape", share, self.tensor(np.array([0, -1])))

    def _sections(self, coefficients: str, weights: NDArray[np.float16]) -> str:
        """Multiply sections with weights, shape (n, N_TAPS, n_coefficients); gives the axes (batch, n, sections)."""
        import onnx

        stored = self.tensor(np.ascontiguousarray(weights.transpose(0, 2, 1)))
        kernel = self.add("Cast", stored, to=onnx.TensorProto.FLOAT)
        return self.add(
            "Conv",
            coefficients,
            kernel,
            kernel_shape=[N_TAPS],
            dilations=[DILATION],
            strides=[STRIDE],
            pads=[PADDING, PADDING],
        )

    def _centred(self, values: str) -> tuple[str, str]:
        """Add the mean over time, and what is left without it."""
        mean = self.reduced("ReduceMean", values)
        return mean, self.add("Sub", values, mean)

    def _deviation(self, centred: str) -> str:
        return self.add("Sqrt", self.reduced("ReduceMean", self.add("Mul", centred, centred)))


class _Speakers:
    """Adds the distances of `SpeakerDistance`, each with the axes (batch, 1)."""

    def __init__(self, nodes: _Nodes, vectors: str, measure: SpeakerDistance) -> None:
        import onnx

        self._nodes = nodes
        whitening = nodes.add("Cast", nodes.tensor(measure.whitening), to=onnx.TensorProto.FLOAT)
        whitened = nodes.add("MatMul", nodes.add("Sub", vectors, nodes.tensor(measure.mean)), whitening)
        transposed = nodes.tensor(np.ascontiguousarray(measure.speakers.T))
        speakers = nodes.add("Cast", transposed, to=onnx.TensorProto.FLOAT)
        self._products = nodes.add("MatMul", whitened, speakers)
        self._length = nodes.reduced("ReduceSum", nodes.add("Mul", whitened, whitened))
        self._length_of = nodes.tensor(np.square(measure.speakers.astype(np.float32)).sum(axis=1))

    def nearest(self) -> str:
        nodes = self._nodes
        twice = nodes.add("Add", self._products, self._products)
        squared = nodes.add("Sub", nodes.add("Add", self._length, self._length_of), twice)
        return nodes.root(nodes.add("Neg", nodes.reduced("ReduceMax", nodes.add("Neg", squared))))

    def direction(self) -> str:
        nodes = self._nodes
        lengths = nodes.add("Mul", self._length, self._length_of)
        lengths = nodes.add("Sqrt", nodes.add("Max", lengths, nodes.tensor(np.float32(_SMALLEST))))
        cosine = nodes.reduced("ReduceMax", nodes.add("Div", self._products, lengths))
        two = nodes.tensor(np.float32(2))
        return nodes.root(nodes.add("Sub", two, nodes.add("Mul", cosine, two)))
