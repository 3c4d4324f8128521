"""The head is read out of a graph, and gives what the graph gives."""

from __future__ import annotations

import dataclasses

import numpy as np
import onnx
import pytest
from conftest import tiny_graph
from made_heads import head_graph, made_head

from emosense.arrays import Float32
from emosense.models.head import read_head
from emosense.onnx_session import open_session


def test_the_head_gives_the_probabilities_of_the_graph() -> None:
    head = made_head()
    found = read_head(head_graph(head))
    assert found is not None
    for field in dataclasses.fields(head):
        np.testing.assert_array_equal(getattr(found, field.name), getattr(head, field.name))
    features: Float32 = np.random.default_rng(1).normal(0, 2, (4, 7, 5)).astype(np.float32)
    probabilities, embeddings = open_session(head_graph(head)).run(
        ["probabilities", "embedding"], {"features": features}
    )
    np.testing.assert_allclose(found.probabilities(embeddings), probabilities, atol=1e-6)


def test_values_far_apart_do_not_overflow() -> None:
    head = dataclasses.replace(made_head(), bias=np.array([1e4, 0, -1e4], np.float32))
    np.testing.assert_array_equal(head.probabilities(np.zeros((1, 5), np.float32)), [[1, 0, 0]])


def test_a_graph_without_a_head_has_none() -> None:
    assert read_head(tiny_graph()) is None


def test_packed_and_single_sizes_are_read_alike() -> None:
    model = onnx.load_from_string(head_graph(made_head()))
    tensor = next(each for each in model.graph.initializer if each.name == "head_bias")
    del tensor.dims[:]
    # protobuf keeps what it does not know of: a field 1 of one value in place of the packed values.
    tensor.MergeFromString(b"\x08\x03")
    found = read_head(model.SerializeToString())
    assert found is not None
    np.testing.assert_array_equal(found.bias, made_head().bias)


@pytest.mark.parametrize("n_bytes", [1, 40, 200])
def test_a_damaged_graph_is_refused(n_bytes: int) -> None:
    with pytest.raises(ValueError, match="damaged"):
        read_head(head_graph(made_head())[:-n_bytes])


def test_another_number_type_is_refused() -> None:
    with pytest.raises(ValueError, match=r"head_\w+ must be float32"):
        read_head(head_graph(made_head(), np.float64))


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        ("scale", np.array([1, 1, 0, 1, 1], np.float32), "positive"),
        ("mean", np.array([np.nan, 1, 0, 1, 1], np.float32), "finite"),
        ("bias", np.zeros(4, np.float32), "do not fit"),
    ],
)
def test_a_head_that_gives_no_logits_is_refused(name: str, values: Float32, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        dataclasses.replace(made_head(), **{name: values})
