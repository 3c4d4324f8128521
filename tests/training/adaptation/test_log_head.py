"""A model without a head gets one, and answers as before."""

from __future__ import annotations

import numpy as np
from conftest import tiny_graph
from made_heads import head_graph, made_head

from emosense.models.head import read_head
from emosense.onnx_session import open_session
from emosense.training.adaptation.log_head import headed
from emosense.training.head_graph import with_head

FEATURES = np.random.default_rng(0).normal(0, 5, (3, 9, 128)).astype(np.float32)


def run(weights: bytes, *outputs: str) -> list[np.ndarray]:
    return open_session(weights).run(list(outputs), {"features": FEATURES})


def test_the_probabilities_stay_as_they_were() -> None:
    before = tiny_graph()
    probabilities, embedding = run(headed(before, 8), "probabilities", "embedding")
    (expected,) = run(before, "probabilities")
    np.testing.assert_allclose(probabilities, expected, atol=2e-6)
    np.testing.assert_allclose(np.exp(embedding), np.maximum(expected, 1e-6), rtol=1e-4)


def test_the_head_can_be_replaced() -> None:
    head = made_head(n_dims=8, n_classes=2)
    weights = with_head(headed(tiny_graph(), 8), head)
    probabilities, embedding = run(weights, "probabilities", "embedding")
    np.testing.assert_allclose(probabilities, head.probabilities(embedding), atol=1e-5)


def test_a_graph_with_a_head_is_left_alone() -> None:
    weights = head_graph(made_head())
    assert headed(weights, 3) is weights
    assert read_head(headed(headed(tiny_graph(), 8), 8)).weight.shape == (8, 8)
