"""A model without a head of its own -> the same model with one: its embedding is the logarithm of its probabilities."""

from __future__ import annotations

from typing import Final

import numpy as np

from emosense.models.head import EMBEDDING, TENSORS, read_head
from emosense.training.graph_builder import PROBABILITIES, GraphBuilder, rename_probabilities

# Keeps the logarithm finite, and limits the influence of a model that is too sure.
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
    from onnx import helper

    model = onnx.load_from_string(weights)
    before = rename_probabilities(model.graph, f"{PROBABILITIES}_before")
    added = GraphBuilder("head_")
    values = (np.zeros(n_classes), np.ones(n_classes), np.eye(n_classes), np.zeros(n_classes))
    mean, scale, weight, bias = (
        added.tensor(each.astype(np.float32), name) for name, each in zip(TENSORS, values, strict=True)
    )
    embedding = added.node("Log", [added.node("Max", [before, added.number(_SMALLEST)])], EMBEDDING)
    standardised = added.node("Div", [added.node("Sub", [embedding, mean]), scale])
    logits = added.node("Add", [added.node("MatMul", [standardised, weight]), bias])
    added.node("Softmax", [logits], PROBABILITIES, axis=1)
    added.add_to(model.graph)
    output = helper.make_tensor_value_info(EMBEDDING, onnx.TensorProto.FLOAT, ["batch", n_classes])
    model.graph.output.append(output)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
