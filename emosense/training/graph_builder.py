"""Nodes and tensors, added one by one -> an ONNX graph, or more of one that exists.

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
    """A graph that is being written. Nodes and tensors keep the order in which they are added.

    Parameters
    ----------
    prefix : str
        Start of the names that are chosen here; for nodes of a graph that exists, one that no name of it starts with.
    """

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
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

        name = output or f"{self._prefix}value_{len(self._nodes)}"
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

        name = name or f"{self._prefix}tensor_{len(self._tensors)}"
        if name not in self._tensors:
            self._tensors[name] = numpy_helper.from_array(np.ascontiguousarray(values), name)
        return name

    def number(self, value: float) -> str:
        """Add a number, once for each.

        Parameters
        ----------
        value : float
            The number.

        Returns
        -------
        str
            Name of a float32 tensor, shape (1,).
        """
        # Nine digits tell any two numbers of float32 apart.
        return self.tensor(np.array([value], np.float32), f"{self._prefix}number_{np.float32(value):.9g}")

    def integers(self, *values: int) -> str:
        """Add integers, such as axes and shapes.

        Parameters
        ----------
        *values : int
            The integers.

        Returns
        -------
        str
            Name of an int64 tensor, shape (n,).
        """
        return self.tensor(np.array(values, np.int64), f"{self._prefix}integers_{'_'.join(map(str, values))}")

    def slice(self, x: str, axis: int, start: int, end: int, step: int = 1) -> str:
        """Add a slice of a value.

        Parameters
        ----------
        x : str
            Name of the value.
        axis, start, end, step : int
            As in ``x[start:end:step]`` along the axis.

        Returns
        -------
        str
            Name of the slice.
        """
        return self.node("Slice", [x, *map(self.integers, (start, end, axis, step))])

    def float32(self, x: str) -> str:
        """Add a conversion to float32.

        Parameters
        ----------
        x : str
            Name of a value of another type.

        Returns
        -------
        str
            Name of the float32 value.
        """
        from onnx import TensorProto

        return self.node("Cast", [x], to=TensorProto.FLOAT)

    def add_to(self, graph: Any) -> None:
        """Add the nodes and tensors to a graph.

        Parameters
        ----------
        graph : onnx.GraphProto
            What they are added to.
        """
        graph.node.extend(self._nodes)
        graph.initializer.extend(self._tensors.values())

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


def rename_probabilities(graph: Any, name: str) -> str:
    """Rename the output ``probabilities`` within a graph, so that nodes which are added can compute another one.

    Parameters
    ----------
    graph : onnx.GraphProto
        The graph of a model.
    name : str
        Name that no value of it has.

    Returns
    -------
    str
        The name.
    """
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [name if each == PROBABILITIES else each for each in names]
    return name
