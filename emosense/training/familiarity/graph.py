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
from emosense.training.graph_builder import GraphBuilder

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
    opset = next(opset.version for opset in model.opset_import if opset.domain in ("", "ai.onnx"))
    graph = _DistanceGraph(opset)
    values = EMBEDDING if _has_embedding(session) else session.get_inputs()[_measured(session)].name
    measure = familiarity.measure
    if isinstance(measure, SpeakerDistance):
        speakers = _Speakers(graph, values, measure)
        both = speakers.nearest(), speakers.direction()
    else:
        averages = _Speakers(graph, graph.over_time(values), measure.averages)
        both = averages.nearest(), graph.unexplained(values, measure.codebook)
    scaled = [
        graph.node("Div", [distance, graph.tensor(np.array([limit], np.float32))])
        for distance, limit in zip(both, familiarity.limits, strict=True)
    ]
    graph.node("Reshape", [graph.node("Max", scaled), graph.integers(-1)], DISTANCE)
    graph.add_to(model.graph)
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


class _DistanceGraph(GraphBuilder):
    """The nodes of the distance. Each function adds some, and returns the name of what they compute."""

    def __init__(self, opset: int) -> None:
        super().__init__(_PREFIX)
        self._opset = opset

    def reduced(self, kind: str, value: str, axis: int = 1) -> str:
        """Reduce an axis and keep it; it became an input in operator set 13 for sums, and in 18 for the others."""
        if self._opset >= (13 if kind == "ReduceSum" else 18):
            return self.node(kind, [value, self.integers(axis)], keepdims=1)
        return self.node(kind, [value], axes=[axis], keepdims=1)

    def root(self, value: str) -> str:
        """Add the square root of what rounding may make negative."""
        return self.node("Sqrt", [self.node("Max", [value, self.number(0)])])

    def over_time(self, frames: str) -> str:
        """Add the averages of `section_codebook.over_time`, with the axes (batch, values)."""
        before = self.slice(self.node("Concat", [self.slice(frames, 1, 0, 1), frames], axis=1), 1, 0, -1)
        mean, centred = self._centred(frames)
        _, changes = self._centred(self.node("Sub", [frames, before]))
        joined = self.node("Concat", [mean, self._deviation(centred), self._deviation(changes)], axis=2)
        # 0 keeps the first axis.
        return self.node("Reshape", [joined, self.integers(0, -1)])

    def unexplained(self, frames: str, codebook: SectionCodebook) -> str:
        """Add the share of `SectionCodebook.unexplained`, with the axes (batch, 1)."""
        _, centred = self._centred(self.node("MatMul", [frames, self.tensor(codebook.cosines)]))
        smallest = self.number(float(SMALLEST))
        deviation = self.node("Add", [self.reduced("ReduceMean", self._deviation(centred), 2), smallest])
        scaled = self.node("Mul", [self.node("Div", [centred, deviation]), self.tensor(codebook.scale)])
        # (batch, coefficients, frames): sections are what a convolution over time multiplies.
        scaled = self.node("Transpose", [scaled], perm=[0, 2, 1])
        products = self._sections(scaled, codebook.words)
        length_of = np.square(codebook.words.astype(np.float32)).sum(axis=(1, 2))[:, np.newaxis]
        twice = self.node("Sub", [self.node("Add", [products, products]), self.tensor(length_of)])
        explained = self.node("Max", [self.reduced("ReduceMax", twice), self.number(0)])
        length = self._sections(self.node("Mul", [scaled, scaled]), np.ones_like(codebook.words[:1]))
        rest = self.node("Sub", [length, explained])
        sums = [self.reduced("ReduceSum", value, 2) for value in (rest, length)]
        share = self.node("Div", [sums[0], self.node("Add", [sums[1], smallest])])
        return self.node("Reshape", [share, self.integers(0, -1)])

    def _sections(self, coefficients: str, weights: NDArray[np.float16]) -> str:
        """Multiply sections with weights, shape (n, N_TAPS, n_coefficients); gives the axes (batch, n, sections)."""
        return self.node(
            "Conv",
            [coefficients, self.float32(self.tensor(weights.transpose(0, 2, 1)))],
            kernel_shape=[N_TAPS],
            dilations=[DILATION],
            strides=[STRIDE],
            pads=[PADDING, PADDING],
        )

    def _centred(self, values: str) -> tuple[str, str]:
        """Add the mean over time, and what is left without it."""
        mean = self.reduced("ReduceMean", values)
        return mean, self.node("Sub", [values, mean])

    def _deviation(self, centred: str) -> str:
        return self.node("Sqrt", [self.reduced("ReduceMean", self.node("Mul", [centred, centred]))])


class _Speakers:
    """Adds the distances of `SpeakerDistance`, each with the axes (batch, 1)."""

    def __init__(self, graph: _DistanceGraph, vectors: str, measure: SpeakerDistance) -> None:
        self._graph = graph
        centred = graph.node("Sub", [vectors, graph.tensor(measure.mean)])
        whitened = graph.node("MatMul", [centred, graph.float32(graph.tensor(measure.whitening))])
        self._products = graph.node("MatMul", [whitened, graph.float32(graph.tensor(measure.speakers.T))])
        self._length = graph.reduced("ReduceSum", graph.node("Mul", [whitened, whitened]))
        self._length_of = graph.tensor(np.square(measure.speakers.astype(np.float32)).sum(axis=1))

    def nearest(self) -> str:
        graph = self._graph
        twice = graph.node("Add", [self._products, self._products])
        squared = graph.node("Sub", [graph.node("Add", [self._length, self._length_of]), twice])
        return graph.root(graph.node("Neg", [graph.reduced("ReduceMax", graph.node("Neg", [squared]))]))

    def direction(self) -> str:
        graph = self._graph
        lengths = graph.node("Mul", [self._length, self._length_of])
        lengths = graph.node("Sqrt", [graph.node("Max", [lengths, graph.number(_SMALLEST)])])
        cosine = graph.reduced("ReduceMax", graph.node("Div", [self._products, lengths]))
        two = graph.number(2)
        return graph.root(graph.node("Sub", [two, graph.node("Mul", [cosine, two])]))
