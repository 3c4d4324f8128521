"""The speaker head is read out of a graph, and gives what the graph gives."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from conftest import tiny_description, tiny_graph
from made_heads import head_graph, made_head
from made_speaker_heads import made_speaker_head, speaker_graph

from emosense.emotions import EMOTIONS
from emosense.models.model import Model
from emosense.models.model_files import read_model, write_model
from emosense.models.speaker_head import read_speaker_head
from emosense.onnx_session import open_session


def test_the_speaker_head_gives_what_the_graph_gives() -> None:
    head = made_head()
    expected = made_speaker_head(head)
    weights = speaker_graph(head, expected)
    found = read_speaker_head(weights)
    assert found is not None
    for field in dataclasses.fields(expected):
        np.testing.assert_array_equal(getattr(found, field.name), getattr(expected, field.name))
    features = np.random.default_rng(1).normal(0, 2, (4, 7, 5)).astype(np.float32)
    outputs = ["speaker_probabilities", "embedding"]
    probabilities, embeddings = open_session(weights).run(outputs, {"features": features})
    np.testing.assert_allclose(found.on(head).probabilities(embeddings), probabilities, atol=1e-6)


@pytest.mark.parametrize("weights", [tiny_graph(), head_graph(made_head())])
def test_other_graphs_have_no_speaker_head(weights: bytes) -> None:
    assert read_speaker_head(weights) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bias": np.zeros(2, np.float32)}, "weight and bias of a speaker head have shapes that do not fit"),
        ({"class_logits": np.zeros((3, 1, 3), np.float32)}, r"must have the shape \(3, 2, 3\)"),
        ({"class_logits": np.full((3, 2, 3), np.nan, np.float32)}, "must be finite"),
        ({"temperature": np.zeros(1, np.float32)}, "one positive number"),
    ],
)
def test_tensors_from_which_nothing_can_be_computed_are_refused(change: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(made_speaker_head(made_head()), **change)


def test_a_model_gives_what_both_heads_say_in_the_order_of_the_emotions(tmp_path: Path) -> None:
    classes = ["calm", "happy", "fearful"]
    weights = speaker_graph(made_head(n_dims=128))
    write_model(str(tmp_path), tiny_description(classes=classes), weights)
    model = Model(read_model(str(tmp_path)))
    features = np.random.default_rng(0).random((20, 128), np.float32)
    found = model.predict([features])[0].reshape(2, len(EMOTIONS))
    outputs = ["probabilities", "speaker_probabilities"]
    expected = open_session(weights).run(outputs, {"features": features[np.newaxis]})
    positions = [EMOTIONS.index(name) for name in classes]
    np.testing.assert_array_equal(found[:, positions], np.concatenate(expected))
    assert not np.delete(found, positions, axis=1).any()
    np.testing.assert_array_equal(model.probabilities([features]), found[0])
