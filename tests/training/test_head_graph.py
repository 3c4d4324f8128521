"""A graph takes another head, and calibration goes into the head."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import tiny_graph
from made_heads import head_graph, made_head
from made_speaker_heads import made_speaker_head, speaker_graph

from emosense.models.head import read_head
from emosense.models.speaker_head import read_speaker_head
from emosense.onnx_session import open_session
from emosense.training.graphs import Part, combine, with_temperature
from emosense.training.head_graph import with_head

FEATURES = np.random.default_rng(1).normal(0, 2, (4, 7, 5)).astype(np.float32)


def run(weights: bytes) -> list[np.ndarray]:
    return open_session(weights).run(["probabilities", "embedding"], {"features": FEATURES})


def test_another_head_may_have_other_classes() -> None:
    before, head = head_graph(made_head()), made_head(n_classes=2)
    changed = with_head(before, head)
    probabilities, embeddings = run(changed)
    np.testing.assert_array_equal(embeddings, run(before)[1])
    np.testing.assert_allclose(probabilities, head.probabilities(embeddings), atol=1e-6)
    assert open_session(changed).get_outputs()[0].shape == ["batch", 2]


def test_a_head_for_another_embedding_is_refused() -> None:
    with pytest.raises(ValueError, match="embedding has 5 dims, the head 6"):
        with_head(head_graph(made_head()), made_head(n_dims=6))
    with pytest.raises(ValueError, match="has no head"):
        with_head(tiny_graph(), made_head())


def test_the_temperature_goes_into_the_head() -> None:
    before = head_graph(made_head())
    after = with_temperature(before, 2.0)
    head = read_head(after)
    assert head is not None
    probabilities, embeddings = run(after)
    # softmax(logits / T) is p ** (1 / T), normalised.
    expected = run(before)[0] ** 0.5
    np.testing.assert_allclose(probabilities, expected / expected.sum(axis=1, keepdims=True), atol=1e-6)
    np.testing.assert_allclose(head.probabilities(embeddings), probabilities, atol=1e-6)


def test_joined_networks_have_no_head_of_their_own() -> None:
    assert read_head(combine([Part(head_graph(made_head())), Part(head_graph(made_head(n_dims=5)), tempo=1.1)])) is None


def test_the_speaker_head_knows_the_temperature_and_is_not_scaled_by_it() -> None:
    before, after = speaker_graph(), with_temperature(speaker_graph(), 2.0)
    first, second = (
        open_session(weights).run(["speaker_probabilities"], {"features": FEATURES})[0] for weights in (before, after)
    )
    np.testing.assert_allclose(second, first, atol=1e-6)
    cold, warm = read_speaker_head(before), read_speaker_head(with_temperature(after, 1.5))
    assert cold is not None
    assert warm is not None
    assert (cold.temperature, warm.temperature) == (1, 3)
    np.testing.assert_array_equal(warm.class_logits, cold.class_logits)


def test_another_head_leaves_no_speaker_head_of_other_classes() -> None:
    head = made_head(n_classes=2)
    changed = with_head(speaker_graph(), head)
    assert read_speaker_head(changed) is None
    assert [output.name for output in open_session(changed).get_outputs()] == ["probabilities", "embedding"]
    probabilities, embeddings = run(changed)
    np.testing.assert_allclose(probabilities, head.probabilities(embeddings), atol=1e-6)
    with pytest.raises(ValueError, match="no speaker head"):
        with_head(head_graph(made_head()), made_head(), made_speaker_head(made_head()))
