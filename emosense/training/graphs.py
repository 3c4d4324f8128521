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
from emosense.training.graph_builder import FEATURES, PROBABILITIES, GraphBuilder, rename_probabilities
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
    from onnx import helper

    names = input_names(1 + max(part.position for part in parts))
    combined = _CombinedGraph(names)
    logs = []
    for number, part in enumerate(parts):
        found = combined.add_part(onnx.load_from_string(part.weights), number, names[part.position], part.tempo)
        logs.append(combined.node("Log", [combined.node("Max", [found, combined.number(_SMALLEST)])]))
    share = combined.tensor(np.array([1 / len(parts)], np.float32))
    mean = combined.node("Mul", [combined.node("Sum", logs), share])
    combined.node("Softmax", [mean], PROBABILITIES, axis=1)
    graph = helper.make_graph([], "combined", [combined.inputs[name] for name in names], [combined.output])
    combined.add_to(graph)
    opsets = [helper.make_opsetid(domain, version) for domain, version in combined.opsets.items()]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=combined.ir_version, producer_name="emosense")
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


class _CombinedGraph(GraphBuilder):
    """The combined graph; names of a part are prefixed with its number."""

    def __init__(self, names: list[str]) -> None:
        super().__init__("combined_")
        self.inputs: dict[str, Any] = dict.fromkeys(names)
        self.output: Any = None
        self.opsets: dict[str, int] = {}
        self.ir_version = 0
        self._by_content: dict[bytes, str] = {}

    def add_part(self, model: Any, number: int, features: str, tempo: float) -> str:
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
                self._tensors[tensor.name] = tensor
            renamed[name] = self._by_content[content]
        for node in graph.node:
            node.name = prefix + node.name if node.name else ""
            node.input[:] = [renamed.get(name, prefix + name) for name in node.input]
            node.output[:] = [prefix + name if name else "" for name in node.output]
            self._nodes.append(node)
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

        lengths = self.float32(self.node("Shape", [features]))
        scaled = self.node("Mul", [lengths, self.tensor(np.array([1, 1 / tempo, 1], np.float32))])
        whole = self.node("Max", [self.node("Round", [scaled]), self.number(1)])
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

    model = onnx.load_from_string(weights)
    before = rename_probabilities(model.graph, "uncalibrated")
    added = GraphBuilder("temperature_")
    powers = added.node("Pow", [before, added.tensor(np.array([1 / temperature], np.float32))])
    total = added.node("ReduceSum", [powers, added.integers(1)], keepdims=1)
    added.node("Div", [powers, total], PROBABILITIES)
    added.add_to(model.graph)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
