"""The Keras front gives what the published architecture gives, on recordings of any length."""

from __future__ import annotations

import numpy as np
import pytest
from made_whisper import whisper_states, whisper_tensors
from scipy.fft import dct

from emosense.arrays import Float32, Float64
from emosense.errors import UsageError
from emosense.training.transfer.whisper_front import WhisperFront
from emosense.training.transfer.whisper_network import PADDING, build_front, weights_of
from emosense.training.transfer_settings import POOLINGS, Pooling

FRONT = WhisperFront(whisper_tensors(width=128, n_layers=2, n_mels=8, n_positions=40))


def log_mel(n_frames: int, seed: int = 0) -> Float32:
    """Whisper's log-mel of noise that is 40 dB weaker in the second third: (log10 of the power + 4) / 4."""
    log_power = np.random.default_rng(seed).uniform(-1, 1.5, (n_frames, 8))
    log_power[n_frames // 3 : 2 * n_frames // 3] -= 4
    return ((log_power + 4) / 4).astype(np.float32)


def speech_frames(features: Float32) -> Float64:
    """Frames of 20 ms within 35 dB of the loudest, by definition."""
    power = (10 ** (4 * features.astype(np.float64) - 4)).sum(axis=1)
    pairs = np.pad(power, (0, len(power) % 2)).reshape(-1, 2).mean(axis=1)
    return pairs > pairs.max() / 10**3.5


@pytest.mark.parametrize("n_frames", [1, 2, 31, 60])
def test_the_front_equals_the_published_architecture(n_frames: int) -> None:
    features = log_mel(n_frames)
    states = whisper_states(features, FRONT.tensors, n_heads=2, n_layers=2)
    keep = speech_frames(features)
    expected = np.concatenate([state[keep].mean(axis=0) for state in states])
    found = build_front(FRONT, (0, 1, 2), "mean")(features[np.newaxis]).numpy()[0]
    np.testing.assert_allclose(found, expected, atol=2e-5)


@pytest.mark.parametrize("pooling", ["mean-trend", "mean-sd", "mean-all-frames"])
def test_other_poolings(pooling: Pooling) -> None:
    features = log_mel(31)
    keep = speech_frames(features)
    last = whisper_states(features, FRONT.tensors, n_heads=2, n_layers=1)[-1]
    assert 0 < keep.sum() < len(keep)
    speech = last[keep]
    expected = {
        "mean-trend": [speech.mean(axis=0), dct(speech, axis=0)[1] / (2 * len(speech))],
        "mean-sd": [speech.mean(axis=0), speech.std(axis=0)],
        "mean-all-frames": [last.mean(axis=0)],
    }
    found = build_front(FRONT, (1,), pooling)(features[np.newaxis]).numpy()[0]
    np.testing.assert_allclose(found, np.concatenate(expected[pooling]), atol=2e-4)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_padding_changes_nothing(pooling: Pooling) -> None:
    model = build_front(FRONT, (2,), pooling)
    short, long = log_mel(31, seed=1), log_mel(46, seed=2)
    padded = np.pad(short, ((0, 15), (0, 0)), constant_values=PADDING)
    together = model(np.stack([padded, long])).numpy()
    alone = [model(each[np.newaxis]).numpy()[0] for each in (short, long)]
    np.testing.assert_allclose(together, alone, atol=2e-5)


def test_weights_come_back_out_of_the_network() -> None:
    cut = FRONT.first(1, 20)
    back = weights_of(build_front(cut, (1,), "mean"), cut)
    assert back.n_layers == 1
    assert back.n_positions == 20
    for name, tensor in cut.tensors.items():
        np.testing.assert_array_equal(back.tensors[name], tensor)


def test_sizes_are_read_from_the_tensors() -> None:
    assert (FRONT.width, FRONT.n_mels, FRONT.n_heads, FRONT.n_layers, FRONT.n_positions) == (128, 8, 2, 2, 40)


def test_a_missing_or_misshaped_tensor_is_refused() -> None:
    tensors = dict(FRONT.tensors)
    with pytest.raises(UsageError, match=r"layers\.1\.fc2\.weight is missing"):
        WhisperFront({name: tensor for name, tensor in tensors.items() if name != "layers.1.fc2.weight"})
    with pytest.raises(UsageError, match=r"conv2\.bias is \(2,\), expected the shape \(128,\)"):
        WhisperFront(tensors | {"conv2.bias": np.zeros(2, np.float32)})
    with pytest.raises(UsageError, match=r"lacks the tensor 'conv1\.weight'"):
        WhisperFront({})


def test_more_layers_than_the_encoder_has_are_refused() -> None:
    with pytest.raises(UsageError, match="2 layers and 40 positions, the network needs 3 and 40"):
        FRONT.first(3, 40)
