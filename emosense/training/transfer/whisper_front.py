"""The weights of the first layers of a Whisper encoder under their published names (Radford et al. 2022)."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Final

from emosense.arrays import Float32
from emosense.errors import UsageError
from emosense.training.transfer_settings import Pooling

# Frames that are more than this below the loudest are not speech.
SPEECH_DB: Final = 35.0
# Whisper's width per attention head, in all sizes.
_HEAD_WIDTH: Final = 64


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class WhisperFront:
    """Weights of the first layers of a Whisper encoder.

    Parameters
    ----------
    tensors : mapping of str to ndarray, float32
        By published name, as `emosense.features.encoder.safetensors.load_safetensors` gives them.

    Raises
    ------
    UsageError
        If a tensor is missing or has another shape than the others ask for.
    """

    tensors: Mapping[str, Float32]

    def __post_init__(self) -> None:
        """Refuse tensors that are not those of a Whisper encoder."""
        try:
            wanted = _shapes(self.n_mels, self.width, self.n_positions, self.n_layers)
        except KeyError as err:
            raise UsageError(f"the Whisper encoder lacks the tensor {err}") from err
        for name, shape in wanted.items():
            if name not in self.tensors or self.tensors[name].shape != shape:
                found = self.tensors[name].shape if name in self.tensors else "missing"
                raise UsageError(f"the Whisper encoder's tensor {name} is {found}, expected the shape {shape}")

    @property
    def n_mels(self) -> int:
        """Number of mel bands."""
        return int(self.tensors["conv1.weight"].shape[1])

    @property
    def width(self) -> int:
        """Number of values per frame."""
        return int(self.tensors["conv1.weight"].shape[0])

    @property
    def n_positions(self) -> int:
        """Longest input, in frames of 20 ms."""
        return len(self.tensors["embed_positions.weight"])

    @property
    def n_heads(self) -> int:
        """Number of attention heads."""
        return max(1, self.width // _HEAD_WIDTH)

    @property
    def n_layers(self) -> int:
        """Number of transformer blocks."""
        found = (re.match(r"layers\.(\d+)\.", name) for name in self.tensors)
        return 1 + max((int(match[1]) for match in found if match), default=-1)

    def first(self, n_layers: int, n_positions: int) -> WhisperFront:
        """Return the first layers.

        Parameters
        ----------
        n_layers : int
            Number of transformer blocks to keep.
        n_positions : int
            Number of positions to keep.

        Returns
        -------
        WhisperFront
            With copies of no tensor.

        Raises
        ------
        UsageError
            If there are fewer.
        """
        if n_layers > self.n_layers or n_positions > self.n_positions:
            raise UsageError(
                f"the encoder has {self.n_layers} layers and {self.n_positions} positions, "
                f"the network needs {n_layers} and {n_positions}"
            )
        names = _shapes(self.n_mels, self.width, n_positions, n_layers)
        kept = {name: self.tensors[name] for name in names}
        return WhisperFront(kept | {"embed_positions.weight": kept["embed_positions.weight"][:n_positions]})


def _shapes(n_mels: int, width: int, n_positions: int, n_layers: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of all tensors of an encoder, in the order of use."""
    shapes: dict[str, tuple[int, ...]] = {
        "conv1.weight": (width, n_mels, 3),
        "conv1.bias": (width,),
        "conv2.weight": (width, width, 3),
        "conv2.bias": (width,),
        "embed_positions.weight": (n_positions, width),
    }
    for i in range(n_layers):
        block: dict[str, tuple[int, ...]] = {}
        for name in ("self_attn_layer_norm", "final_layer_norm"):
            block |= {f"{name}.weight": (width,), f"{name}.bias": (width,)}
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            block |= {f"self_attn.{name}.weight": (width, width), f"self_attn.{name}.bias": (width,)}
        # Whisper's keys have no bias: it would cancel in the softmax.
        del block["self_attn.k_proj.bias"]
        block |= {"fc1.weight": (4 * width, width), "fc1.bias": (4 * width,)}
        block |= {"fc2.weight": (width, 4 * width), "fc2.bias": (width,)}
        shapes |= {f"layers.{i}.{name}": shape for name, shape in block.items()}
    return shapes


def n_dims(front: WhisperFront, layers: Sequence[int], pooling: Pooling) -> int:
    """Return the number of values of an embedding.

    Parameters
    ----------
    front, layers, pooling
        See `emosense.training.transfer.whisper_network.build_front`.

    Returns
    -------
    int
        Width times the number of layers, twice that with ``mean-trend`` and ``mean-sd``.
    """
    return front.width * len(layers) * (2 if pooling in {"mean-trend", "mean-sd"} else 1)
