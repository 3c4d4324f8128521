"""Nodes and tensors, added one by one -> an ONNX graph: how MLPs and transfer models are exported.

A graph of a network takes ``features`` and gives ``probabilities``; `emosense.training.graphs` joins such graphs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

FEATURES: Final = "features"
PROBABILITIES: Final = "probabilities"
# As in the CNN's export (tf2onnx): networks of one graph must use the same operator set.
OPSET: Final = 17
_IR_VERSION: Final = 8


class GraphBuilder:
    """A graph that is being written. Nodes and tensors keep the order in which they are added."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._tensors: dict[str, Any] = {}

    def node(self, kind: str, inputs: Sequence[str], output: str = "", **attributes: Any) -> str:
        """Add a node with one output.

        Parameters
        ----------
        kind : str
            Operator of ONNX.
        inputs : sequence of str
            Names of values and tensors.
        output : str
            Name of the output; empty for a name that is not taken.
        **attributes
            Attributes of the operator.

        Returns
        -------
        str
            Name of the output.
        """
        from onnx import helper

        name = output or f"value_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def tensor(self, values: NDArray[Any], name: str = "") -> str:
        """Add a tensor, once for each name.

        Parameters
        ----------
        values : ndarray
            Its values.
        name : str
            Its name; empty for a name that is not taken.

        Returns
        -------
        str
            The name.
        """
        from onnx import numpy_helper

        name = name or f"tensor_{len(self._tensors)}"
        if name not in self._tensors:
            self._tensors[name] = numpy_helper.from_array(np.ascontiguousarray(values), name)
        return name

    def to_onnx(self, name: str, features: Sequence[str | int], sizes: Mapping[str, int]) -> bytes:
        """Return the graph, checked.

        Parameters
        ----------
        name : str
            Name of the graph.
        features : sequence of str or int
            Axes of the input ``features``; names for lengths that may vary.
        sizes : mapping of str to int
            For each output, in order, the length of its second axis. The first is the batch.

        Returns
        -------
        bytes
            The ONNX model.
        """
        import onnx
        from onnx import TensorProto, helper

        graph = helper.make_graph(
            self._nodes,
            name,
            [helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, list(features))],
            [helper.make_tensor_value_info(each, TensorProto.FLOAT, ["batch", size]) for each, size in sizes.items()],
            list(self._tensors.values()),
        )
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="emosense")
        onnx.checker.check_model(model)
        return bytes(model.SerializeToString())
