"""A made head, a graph whose embedding is the mean over time, and a graph of a vector."""

from __future__ import annotations

import dataclasses

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from emosense.models.head import Head


def made_head(n_dims: int = 5, n_classes: int = 3) -> Head:
    rng = np.random.default_rng(0)
    shapes = (n_dims,), (n_dims,), (n_dims, n_classes), (n_classes,)
    mean, scale, weight, bias = (rng.normal(0, 1, shape).astype(np.float32) for shape in shapes)
    return Head(mean, np.exp(scale), weight, bias)


def head_graph(head: Head, dtype: type = np.float32) -> bytes:
    """The mean over time is the embedding."""
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["features"], ["embedding"], axes=[1], keepdims=0),
            helper.make_node("Sub", ["embedding", "head_mean"], ["centred"]),
            helper.make_node("Div", ["centred", "head_scale"], ["standardised"]),
            helper.make_node("Gemm", ["standardised", "head_weight", "head_bias"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        ],
        "head",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", "frames", len(head.mean)])],
        [
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", len(head.bias)]),
            helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", len(head.mean)]),
        ],
        [
            numpy_helper.from_array(getattr(head, field.name).astype(dtype), f"head_{field.name}")
            for field in dataclasses.fields(head)
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    content: bytes = model.SerializeToString()
    return content


def vector_graph(n_values: int, seed: int) -> bytes:
    """A softmax regression on a vector, of other operator sets than `tiny_graph` names."""
    weights = np.random.default_rng(seed).standard_normal((n_values, 8)).astype(np.float32)
    nodes = [
        helper.make_node("MatMul", ["features", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "vector",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", n_values])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 8])],
        [numpy_helper.from_array(weights, "weights")],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 1)]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())
