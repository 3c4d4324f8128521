"""A tiny Whisper encoder with random weights, and the network in NumPy, written after the paper."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from emosense.arrays import Float32, Float64


def whisper_tensors(
    width: int = 16, n_layers: int = 3, n_mels: int = 80, n_positions: int = 1500, seed: int = 0
) -> dict[str, Float32]:
    """Random tensors under the published names; activations stay near 1."""
    rng = np.random.default_rng(seed)
    shapes: dict[str, tuple[int, ...]] = {
        "conv1.weight": (width, n_mels, 3),
        "conv1.bias": (width,),
        "conv2.weight": (width, width, 3),
        "conv2.bias": (width,),
        "embed_positions.weight": (n_positions, width),
    }
    for i in range(n_layers):
        for name in ("self_attn_layer_norm", "final_layer_norm"):
            shapes |= {f"layers.{i}.{name}.weight": (width,), f"layers.{i}.{name}.bias": (width,)}
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            shapes[f"layers.{i}.self_attn.{name}.weight"] = (width, width)
            if name != "k_proj":
                shapes[f"layers.{i}.self_attn.{name}.bias"] = (width,)
        shapes |= {f"layers.{i}.fc1.weight": (4 * width, width), f"layers.{i}.fc1.bias": (4 * width,)}
        shapes |= {f"layers.{i}.fc2.weight": (width, 4 * width), f"layers.{i}.fc2.bias": (width,)}
    return {
        name: (rng.standard_normal(shape) * 1.5 / math.sqrt(math.prod(shape[1:]) or 4)).astype(np.float32)
        for name, shape in shapes.items()
    }


def write_safetensors(path: Path, tensors: Mapping[str, Float32], prefix: str = "model.encoder.") -> Path:
    """Write tensors as float16."""
    header: dict[str, object] = {"__metadata__": {"format": "np"}}
    content = b""
    for name, tensor in tensors.items():
        part = tensor.astype("<f2").tobytes()
        header[prefix + name] = {
            "dtype": "F16",
            "shape": list(tensor.shape),
            "data_offsets": [len(content), len(content) + len(part)],
        }
        content += part
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content)
    return path


def whisper_states(features: Float32, tensors: Mapping[str, Float32], n_heads: int, n_layers: int) -> list[Float64]:
    """The input of the first block and the output of each, shape (ceil(n_frames / 2), width), of one recording."""
    t = {name: tensor.astype(np.float64) for name, tensor in tensors.items()}
    x = _gelu(_convolution(features.astype(np.float64), t, "conv1", 1))
    x = _gelu(_convolution(x, t, "conv2", 2))
    x = x + t["embed_positions.weight"][: len(x)]
    states = [x]
    for i in range(n_layers):
        name = f"layers.{i}"
        x = x + _attention(_norm(x, t, f"{name}.self_attn_layer_norm"), t, f"{name}.self_attn", n_heads)
        hidden = _gelu(_linear(_norm(x, t, f"{name}.final_layer_norm"), t, f"{name}.fc1"))
        x = x + _linear(hidden, t, f"{name}.fc2")
        states.append(x)
    return states


def _convolution(x: Float64, t: dict[str, Float64], name: str, stride: int) -> Float64:
    padded = np.pad(x, ((1, 1), (0, 0)))
    starts = range(0, len(x), stride)
    return (
        np.stack([np.einsum("kc,ock->o", padded[s : s + 3], t[f"{name}.weight"]) for s in starts]) + t[f"{name}.bias"]
    )


def _attention(x: Float64, t: dict[str, Float64], name: str, n_heads: int) -> Float64:
    query, key, value = (
        np.split(_linear(x, t, f"{name}.{part}"), n_heads, axis=1) for part in ("q_proj", "k_proj", "v_proj")
    )
    mixed = []
    for q, k, v in zip(query, key, value, strict=True):
        scores = q @ k.T / math.sqrt(q.shape[1])
        shares = np.exp(scores - scores.max(axis=1, keepdims=True))
        mixed.append(shares / shares.sum(axis=1, keepdims=True) @ v)
    return _linear(np.concatenate(mixed, axis=1), t, f"{name}.out_proj")


def _linear(x: Float64, t: dict[str, Float64], name: str) -> Float64:
    return x @ t[f"{name}.weight"].T + t.get(f"{name}.bias", np.zeros(1))


def _norm(x: Float64, t: dict[str, Float64], name: str) -> Float64:
    centred = x - x.mean(axis=1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5)
    return scaled * t[f"{name}.weight"] + t[f"{name}.bias"]


def _gelu(x: Float64) -> Float64:
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))
