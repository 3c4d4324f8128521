"""ONNX graphs of trained networks -> one graph: several members, several views of a recording, a temperature.

A graph takes ``features`` (or ``features_0``, ``features_1``, ... where its members take different features), axes
(batch, ...), and returns ``probabilities``, axes (batch, classes). One graph is the whole model, so inference needs to
know neither members nor views.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from emosense.models.head import read_head
from emosense.models.model import input_names
from emosense.models.speaker_head import read_speaker_head
from emosense.training.graph_builder import FEATURES, PROBABILITIES
from emosense.training.head_graph import sharpened, with_head

# Far below any probability that matters; keeps the logarithm finite.
_SMALLEST: Final = 1e-12


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """One network of a combined graph.

    Parameters
    ----------
    weights : bytes
        ONNX graph of the network.
    position : int
        Index of its features among the inputs of the combined graph.
    tempo : float
        Speed-up of the recording: its frames are interpolated to a length of n_frames / tempo.
    """

    weights: bytes
    position: int = 0
    tempo: float = 1.0


def combine(parts: Sequence[Part]) -> bytes:
    """Build the graph of the normalised geometric mean of the parts' probabilities.

    A product of experts (Hinton 2002, doi 10.1162/089976602760128018): an emotion that one part rules out is ruled out.

    Parameters
    ----------
    parts : sequence of Part
        Networks with the same classes; parts with the same weights share their tensors.

    Returns
    -------
    bytes
        The combined ONNX graph.

    Raises
    ------
    ValueError
        If parts use different operator sets.
    """
    import onnx
    from onnx import helper, numpy_helper

    names = input_names(1 + max(part.position for part in parts))
    merged = _Merged(names)
    logs = []
    for number, part in enumerate(parts):
        found = merged.add(onnx.load_from_string(part.weights), number, names[part.position], part.tempo)
        logs.append(merged.node("Log", [merged.node("Max", [found, merged.constant(np.float32(_SMALLEST))])]))
    total = merged.node("Sum", logs)
    mean = merged.node("Mul", [total, merged.constant(np.float32(1 / len(parts)))])
    merged.nodes.append(helper.make_node("Softmax", [mean], [PROBABILITIES], axis=1))
    graph = helper.make_graph(
        merged.nodes,
        "combined",
        [merged.inputs[name] for name in names],
        [merged.output],
        [numpy_helper.from_array(value, name) for name, value in merged.constants.items()] + merged.tensors,
    )
    opsets = [helper.make_opsetid(domain, version) for domain, version in merged.opsets.items()]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=merged.ir_version, producer_name="emosense")
    onnx.checker.check_model(model)
    result: bytes = model.SerializeToString()
    return result


class _Merged:
    """Nodes and tensors of the combined graph; names are prefixed with the number of their part."""

    def __init__(self, names: list[str]) -> None:
        self.nodes: list[Any] = []
        self.tensors: list[Any] = []
        self.constants: dict[str, np.ndarray[Any, Any]] = {}
        self.inputs: dict[str, Any] = dict.fromkeys(names)
        self.output: Any = None
        self.opsets: dict[str, int] = {}
        self.ir_version = 0
        self._by_content: dict[bytes, str] = {}

    def node(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        """Add a node with one output; return the name of the output."""
        from onnx import helper

        name = f"combined_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def constant(self, value: Any) -> str:
        """Add a constant and return its name."""
        name = f"constant_{len(self.constants)}"
        self.constants[name] = np.asarray(value)
        return name

    def add(self, model: Any, number: int, features: str, tempo: float) -> str:
        """Add a part's nodes and tensors; return the name of its probabilities."""
        graph, prefix = model.graph, f"part_{number}_"
        renamed = {FEATURES: features if tempo == 1.0 else self._faster(features, tempo), "": ""}
        if self.inputs[features] is None:
            self.inputs[features] = graph.input[0]
            graph.input[0].name = features
        for tensor in graph.initializer:
            name, tensor.name = tensor.name, ""
            content = tensor.SerializeToString()
            if content not in self._by_content:
                self._by_content[content] = tensor.name = prefix + name
                self.tensors.append(tensor)
            renamed[name] = self._by_content[content]
        for node in graph.node:
            node.name = prefix + node.name if node.name else ""
            node.input[:] = [renamed.get(name, prefix + name) for name in node.input]
            node.output[:] = [prefix + name if name else "" for name in node.output]
            self.nodes.append(node)
        self.output = self.output or graph.output[0]
        used = {node.domain for node in graph.node}
        for opset in model.opset_import:
            # Converters also list operator sets that no node uses, in different versions.
            if opset.domain in used and self.opsets.setdefault(opset.domain, opset.version) != opset.version:
                raise ValueError(f"parts use the operator sets {opset.version} and {self.opsets[opset.domain]}")
        self.ir_version = max(self.ir_version, model.ir_version)
        return prefix + PROBABILITIES

    def _faster(self, features: str, tempo: float) -> str:
        """Interpolate the frames linearly, as `augmentation.change_tempo` does in training."""
        import onnx

        lengths = self.node("Cast", [self.node("Shape", [features])], to=onnx.TensorProto.FLOAT)
        scaled = self.node("Mul", [lengths, self.constant(np.array([1, 1 / tempo, 1], np.float32))])
        whole = self.node("Max", [self.node("Round", [scaled]), self.constant(np.array([1], np.float32))])
        sizes = self.node("Cast", [whole], to=onnx.TensorProto.INT64)
        return self.node(
            "Resize", [features, "", "", sizes], mode="linear", coordinate_transformation_mode="align_corners"
        )


def with_temperature(weights: bytes, temperature: float) -> bytes:
    """Put temperature scaling into an ONNX graph.

    The softmax of ``logits / T`` is ``p ** (1 / T)``, normalised (Guo et al. 2017, arXiv 1706.04599), so no logits are
    needed. A graph with a head of its own has its logits divided, so that the head still gives what the graph gives.

    Parameters
    ----------
    weights : bytes
        ONNX graph with the output ``probabilities``.
    temperature : float
        Above 0; 1 returns the graph unchanged.

    Returns
    -------
    bytes
        ONNX graph with the same inputs and output.
    """
    if temperature == 1.0:
        return weights
    head = read_head(weights)
    if head is not None:
        speaker_head = read_speaker_head(weights)
        return with_head(weights, sharpened(head, temperature), speaker_head and speaker_head.sharpened(temperature))
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load_from_string(weights)
    graph = model.graph
    for node in graph.node:
        node.output[:] = ["uncalibrated" if name == PROBABILITIES else name for name in node.output]
        node.input[:] = ["uncalibrated" if name == PROBABILITIES else name for name in node.input]
    graph.initializer.append(numpy_helper.from_array(np.array(1 / temperature, np.float32), "inverse_temperature"))
    graph.initializer.append(numpy_helper.from_array(np.array([1], np.int64), "class_axis"))
    graph.node.extend(
        [
            helper.make_node("Pow", ["uncalibrated", "inverse_temperature"], ["sharpened"]),
            helper.make_node("ReduceSum", ["sharpened", "class_axis"], ["sharpened_sum"], keepdims=1),
            helper.make_node("Div", ["sharpened", "sharpened_sum"], [PROBABILITIES]),
        ]
    )
    onnx.checker.check_model(model)
    result: bytes = model.SerializeToString()
    return result
