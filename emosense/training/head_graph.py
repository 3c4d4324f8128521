"""A model's graph with other heads: other classes, other weights, the same embedding."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from emosense.models.head import TENSORS, Head
from emosense.models.speaker_head import SPEAKER_LOGITS, SPEAKER_PROBABILITIES, SPEAKER_TENSORS, SpeakerHead
from emosense.training.graph_builder import PROBABILITIES


def with_head(weights: bytes, head: Head, speaker_head: SpeakerHead | None = None) -> bytes:
    """Replace the heads of a graph.

    Parameters
    ----------
    weights : bytes
        ONNX graph for which `emosense.models.head.read_head` finds a head.
    head : Head
        Of as many dims; it may have another number of classes.
    speaker_head : SpeakerHead or None
        Of the same classes. None removes the speaker head that the graph may have.

    Returns
    -------
    bytes
        ONNX graph with the same inputs and outputs.

    Raises
    ------
    ValueError
        If the graph has no head, or its embedding has another number of dims, or there is no speaker head to replace.
    """
    import onnx
    from onnx import numpy_helper

    model = onnx.load_from_string(weights)
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    if not tensors.keys() >= {*TENSORS}:
        raise ValueError("the graph has no head")
    if [*tensors["head_mean"].dims] != [*head.mean.shape]:
        raise ValueError(f"the graph's embedding has {tensors['head_mean'].dims[0]} dims, the head {len(head.mean)}")
    for name, field in zip(TENSORS, dataclasses.fields(head), strict=True):
        values = np.ascontiguousarray(getattr(head, field.name), np.float32)
        tensors[name].CopyFrom(numpy_helper.from_array(values, name))
    if speaker_head is None:
        _remove_speaker_head(model.graph)
    elif not tensors.keys() >= {*SPEAKER_TENSORS}:
        raise ValueError("the graph has no speaker head")
    else:
        for name, field in zip(SPEAKER_TENSORS, dataclasses.fields(speaker_head), strict=True):
            tensors[name].CopyFrom(numpy_helper.from_array(getattr(speaker_head, field.name), name))
    for output in model.graph.output:
        if output.name == PROBABILITIES:
            output.type.tensor_type.shape.dim[1].dim_value = len(head.bias)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _remove_speaker_head(graph: Any) -> None:
    """Remove the output of the speaker head, and the nodes and tensors of it alone."""
    names = {SPEAKER_PROBABILITIES, SPEAKER_LOGITS, *SPEAKER_TENSORS}
    for field in (graph.output, graph.initializer):
        for each in [each for each in field if each.name in names]:
            field.remove(each)
    for node in [node for node in graph.node if node.output[0] in names]:
        graph.node.remove(node)


def sharpened(head: Head, temperature: float) -> Head:
    """Put temperature scaling into a head: its logits are divided by the temperature.

    Parameters
    ----------
    head : Head
        The head.
    temperature : float
        Above 0.

    Returns
    -------
    Head
        Whose probabilities are calibrated.
    """
    inverse = np.float32(1 / temperature)
    return dataclasses.replace(head, weight=head.weight * inverse, bias=head.bias * inverse)
