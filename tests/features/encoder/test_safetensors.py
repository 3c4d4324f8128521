"""Weights are read from safetensors files, and damaged files are refused."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from made_whisper import whisper_tensors, write_safetensors

from emosense.errors import UsageError
from emosense.features.encoder.safetensors import load_safetensors


def write_header(path: Path, header: object, content: bytes = b"") -> str:
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content)
    return str(path)


@pytest.mark.parametrize("prefix", ["model.encoder.", "encoder."])
def test_tensors_come_back_by_their_published_names(tmp_path: Path, prefix: str) -> None:
    tensors = whisper_tensors(n_layers=1)
    found = load_safetensors(str(write_safetensors(tmp_path / "a.safetensors", tensors, prefix)))
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert found[name].dtype == np.float32
        np.testing.assert_array_equal(found[name], tensor.astype(np.float16))


def test_float32_is_read_and_the_decoder_is_skipped(tmp_path: Path) -> None:
    header = {
        "model.decoder.conv": {"dtype": "I64", "shape": [1], "data_offsets": [0, 8]},
        "model.encoder.conv1.bias": {"dtype": "F32", "shape": [2], "data_offsets": [8, 16]},
    }
    path = write_header(tmp_path / "a.safetensors", header, bytes(8) + np.array([1.5, -2], "<f4").tobytes())
    found = load_safetensors(path)
    assert list(found) == ["conv1.bias"]
    np.testing.assert_array_equal(found["conv1.bias"], [1.5, -2])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"dtype": "BF16"}, "type BF16"),
        ({"shape": [3]}, "does not lie within"),
        ({"shape": [-2, -1]}, "does not lie within"),
        ({"data_offsets": [4, 12]}, "does not lie within"),
        ({"data_offsets": [-4, 4]}, "does not lie within"),
        ({"data_offsets": None}, "not a readable"),
    ],
)
def test_a_tensor_outside_the_file_is_refused(tmp_path: Path, change: dict[str, object], reason: str) -> None:
    entry = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | change
    path = write_header(tmp_path / "a.safetensors", {"encoder.conv1.bias": entry}, bytes(8))
    with pytest.raises(UsageError, match=reason):
        load_safetensors(path)


@pytest.mark.parametrize("content", [b"", b"abc", struct.pack("<Q", 1 << 60) + b"{}", struct.pack("<Q", 2) + b"[]"])
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="not a readable safetensors file"):
        load_safetensors(str(path))


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    path = write_header(tmp_path / "a.safetensors", {"w": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}})
    with pytest.raises(UsageError, match="not a Whisper"):
        load_safetensors(path)
