"""Writing an ONNX graph: which tensors are shared."""

from __future__ import annotations

from emosense.training.graph_builder import GraphBuilder


def test_a_number_is_added_once_and_its_neighbour_is_another() -> None:
    graph = GraphBuilder()
    root = 2**0.5
    assert graph.number(root) == graph.number(root)
    # They differ by one step of float32.
    assert graph.number(root) != graph.number(root + 2**-23)
