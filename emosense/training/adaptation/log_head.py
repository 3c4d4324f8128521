"""A model without a head of its own -> the same model with one: its embedding is the logarithm of its probabilities."""

from __future__ import annotations

from typing import Final

import numpy as np

from emosense.models.head import EMBEDDING, TENSORS, read_head
from emosense.training.graph_builder import PROBABILITIES

# Keeps the logarithm finite, and a model that is too sure from being believed without end.
_SMALLEST: Final = 1e-6


def headed(weights: bytes, n_classes: int) -> bytes:
    """Return a graph that has a head, with the probabilities that it had before.

    Parameters
    ----------
    weights : bytes
        ONNX graph of a model.
    n_classes : int
        Number of its classes.

    Returns
    -------
    bytes
        The graph itself if it has a head. Otherwise the graph with a head of ``n_classes`` dims that leaves the
        probabilities as they are, up to 1e-6.

    Raises
    ------
    ValueError
        If the graph is damaged.
    """
    if read_head(weights) is not None:
        return weights
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load_from_string(weights)
    graph, before = model.graph, f"{PROBABILITIES}_before"
    for node in graph.node:
        node.input[:] = [before if name == PROBABILITIES else name for name in node.input]
        node.output[:] = [before if name == PROBABILITIES else name for name in node.output]
    values = (np.zeros(n_classes), np.ones(n_classes), np.eye(n_classes), np.zeros(n_classes))
    tensors = dict(zip(TENSORS, values, strict=True)) | {"head_smallest": np.array(_SMALLEST)}
    graph.initializer.extend(numpy_helper.from_array(value.astype(np.float32), name) for name, value in tensors.items())
    mean, scale, weight, bias = TENSORS
    graph.node.extend(
        (
            helper.make_node("Max", [before, "head_smallest"], ["head_floor"]),
            helper.make_node("Log", ["head_floor"], [EMBEDDING]),
            helper.make_node("Sub", [EMBEDDING, mean], ["head_centred"]),
            helper.make_node("Div", ["head_centred", scale], ["head_standardised"]),
            helper.make_node("MatMul", ["head_standardised", weight], ["head_products"]),
            helper.make_node("Add", ["head_products", bias], ["head_logits"]),
            helper.make_node("Softmax", ["head_logits"], [PROBABILITIES], axis=1),
        )
    )
    graph.output.append(helper.make_tensor_value_info(EMBEDDING, onnx.TensorProto.FLOAT, ["batch", n_classes]))
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
