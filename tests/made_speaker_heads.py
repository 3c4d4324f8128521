"""A made speaker head, and a graph with it beside the head of `made_heads`."""

from __future__ import annotations

import dataclasses

import numpy as np
import onnx
from made_heads import head_graph, made_head
from onnx import TensorProto, helper, numpy_helper

from emosense.models.head import Head
from emosense.models.speaker_head import SpeakerHead


def made_speaker_head(head: Head, seed: int = 1) -> SpeakerHead:
    """Another head with the mean and scale of the first; the classes' means are random embeddings."""
    rng = np.random.default_rng(seed)
    n_dims, n_classes = head.weight.shape
    weight, bias = rng.normal(0, 1, (n_dims, n_classes)).astype(np.float32), np.zeros(n_classes, np.float32)
    means = rng.normal(0, 1, (n_classes, n_dims)).astype(np.float32)
    logits = [(means - head.mean) / head.scale @ each + b for each, b in ((head.weight, head.bias), (weight, bias))]
    return SpeakerHead(weight, bias, np.stack(logits, axis=1).astype(np.float32), np.ones(1, np.float32))


def speaker_graph(head: Head | None = None, speaker_head: SpeakerHead | None = None) -> bytes:
    """The mean over time is the embedding of both heads."""
    head = made_head() if head is None else head
    speaker_head = made_speaker_head(head) if speaker_head is None else speaker_head
    model = onnx.load_from_string(head_graph(head))
    graph = model.graph
    graph.node.extend(
        [
            helper.make_node("Gemm", ["standardised", "speaker_head_weight", "speaker_head_bias"], ["speaker_logits"]),
            helper.make_node("Softmax", ["speaker_logits"], ["speaker_probabilities"], axis=1),
        ]
    )
    graph.initializer.extend(
        numpy_helper.from_array(getattr(speaker_head, field.name), f"speaker_head_{field.name}")
        for field in dataclasses.fields(speaker_head)
    )
    shape = ["batch", len(head.bias)]
    graph.output.append(helper.make_tensor_value_info("speaker_probabilities", TensorProto.FLOAT, shape))
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content
