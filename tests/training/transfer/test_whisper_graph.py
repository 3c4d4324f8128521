"""The exported graph gives what the Keras network gives, at any length, and the front comes back out of it."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from made_heads import head_graph, made_head
from made_whisper import whisper_tensors

from emosense.arrays import Float32
from emosense.models.head import read_head
from emosense.onnx_session import open_session
from emosense.training.transfer.whisper_front import WhisperFront
from emosense.training.transfer.whisper_graph import read_front, to_onnx
from emosense.training.transfer.whisper_network import build_front
from emosense.training.transfer_settings import POOLINGS, Pooling

# Weights that float16 holds exactly.
TENSORS = {
    name: values.astype(np.float16).astype(np.float32)
    for name, values in whisper_tensors(width=128, n_layers=2, n_mels=8, n_positions=40).items()
}
FRONT = WhisperFront(TENSORS)


def log_mel(n_frames: int, n_clips: int = 1, n_mels: int = 8) -> Float32:
    log_power = np.random.default_rng(n_frames).uniform(-1, 1.5, (n_clips, n_frames, n_mels))
    log_power[:, n_frames // 3 : 2 * n_frames // 3] -= 4
    return ((log_power + 4) / 4).astype(np.float32)


def run(weights: bytes, features: Float32) -> tuple[Float32, Float32]:
    probabilities, embeddings = open_session(weights).run(["probabilities", "embedding"], {"features": features})
    return probabilities, embeddings


@pytest.mark.parametrize("pooling", POOLINGS)
def test_the_graph_gives_what_the_network_gives(pooling: Pooling) -> None:
    network = build_front(FRONT, (0, 2), pooling)
    head = made_head(n_dims=network.output_shape[1])
    weights = to_onnx(FRONT, (0, 2), pooling, head)
    for features in (log_mel(1), log_mel(2), log_mel(31), log_mel(80, n_clips=2)):
        probabilities, embeddings = run(weights, features)
        np.testing.assert_allclose(embeddings, network(features).numpy(), atol=5e-5)
        np.testing.assert_allclose(probabilities, head.probabilities(embeddings), atol=2e-6)


def test_head_and_front_come_back_out_of_the_graph() -> None:
    head = made_head(n_dims=128)
    weights = to_onnx(FRONT, (2,), "mean", head)
    back, found = read_front(weights), read_head(weights)
    assert back is not None
    assert found is not None
    np.testing.assert_array_equal(found.weight, head.weight)
    assert back.tensors.keys() == TENSORS.keys()
    for name, values in TENSORS.items():
        np.testing.assert_array_equal(back.tensors[name], values)


def test_blocks_after_the_last_pooled_one_are_not_in_the_graph() -> None:
    back = read_front(to_onnx(FRONT, (1,), "mean", made_head(n_dims=128)))
    assert back is not None
    assert back.n_layers == 1


def test_a_graph_of_another_kind_has_no_front() -> None:
    assert read_front(head_graph(made_head())) is None


def test_a_recording_beyond_the_last_position_is_taken() -> None:
    probabilities, _ = run(to_onnx(FRONT, (2,), "mean", made_head(n_dims=128)), log_mel(200))
    assert probabilities.sum() == pytest.approx(1)


def test_matrices_take_two_bytes_a_value() -> None:
    weights = to_onnx(FRONT, (2,), "mean", made_head(n_dims=128))
    stored = {tensor.name: tensor.data_type for tensor in onnx.load_from_string(weights).graph.initializer}
    matrices = [name for name in TENSORS if name.endswith(".weight") and "norm" not in name]
    assert {stored[name] for name in matrices} == {onnx.TensorProto.FLOAT16}
    n_values = sum(TENSORS[name].size for name in matrices)
    assert len(weights) < 2 * n_values + 50_000


def test_eight_bits_halve_a_graph_that_gives_nearly_the_same() -> None:
    head = made_head(n_dims=128)
    half, weights = to_onnx(FRONT, (2,), "mean", head), to_onnx(FRONT, (2,), "mean", head, bits=8)
    back = read_front(weights)
    assert back is not None
    for name, values in TENSORS.items():
        # Half a step of 127 of the largest value of a column.
        np.testing.assert_allclose(back.tensors[name], values, atol=0.51 * np.abs(values).max() / 127)
    # What comes back is stored as the same integers.
    assert read_front(to_onnx(back, (2,), "mean", head, bits=8)) is not None
    again = run(to_onnx(back, (2,), "mean", head, bits=8), log_mel(90))[1]
    expected, embeddings = run(half, log_mel(90))[1], run(weights, log_mel(90))[1]
    np.testing.assert_allclose(again, embeddings, atol=1e-6)
    np.testing.assert_allclose(embeddings, expected, atol=0.05 * expected.std())
    assert np.abs(embeddings - expected).max() > 0
    assert len(weights) < 0.65 * len(half)
