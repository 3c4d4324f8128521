"""Weights of a Whisper encoder from a file in the safetensors format, which holds numbers and no code.

The format (https://github.com/huggingface/safetensors): the length of a JSON header, the header with the type, shape
and place of each tensor, then the tensors. Takes the published names, such as ``model.encoder.conv1.weight``, and gives
them without their prefix.
"""

from __future__ import annotations

import math
import os
import struct
from typing import Any, BinaryIO, Final

import numpy as np

from emosense.arrays import Float32
from emosense.errors import UsageError
from emosense.storage.locations import redact
from emosense.storage.reading import open_regular, parse_json

# In a checkpoint of the whole Whisper, and in one of the encoder's own.
_PREFIXES: Final = ("model.encoder.", "encoder.")
_TYPES: Final = {"F16": np.float16, "F32": np.float32}
_MAX_HEADER: Final = 100_000_000


def load_safetensors(path: str) -> dict[str, Float32]:
    """Read the encoder of a Whisper checkpoint.

    Parameters
    ----------
    path : str
        Local path of a ``.safetensors`` file; tensors of other parts of the network, such as the decoder, are skipped.

    Returns
    -------
    dict of str to ndarray, float32
        Tensors by their published name after ``model.encoder.``, such as ``layers.0.fc1.weight``.

    Raises
    ------
    UsageError
        If the file cannot be read, is damaged, or has no tensor of an encoder.
    """
    try:
        with open_regular(path) as file:
            found = _tensors(file)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error) as err:
        raise UsageError(f"{redact(path)} is not a readable safetensors file: {err}") from err
    if not found:
        raise UsageError(f"{redact(path)} has no tensor whose name begins with {_PREFIXES[0]}: it is not a Whisper")
    return found


def _tensors(file: BinaryIO) -> dict[str, Float32]:
    n_bytes = os.fstat(file.fileno()).st_size
    (n_header,) = struct.unpack("<Q", file.read(8))
    if n_header > min(_MAX_HEADER, n_bytes - 8):
        raise ValueError("its header is longer than the file")
    header = parse_json(file.read(n_header))
    found = {}
    for name, entry in header.items():
        prefix = next((prefix for prefix in _PREFIXES if name.startswith(prefix)), None)
        if prefix:
            found[name.removeprefix(prefix)] = _tensor(file, name, entry, 8 + n_header, n_bytes)
    return found


def _tensor(file: BinaryIO, name: str, entry: dict[str, Any], start: int, n_bytes: int) -> Float32:
    if entry["dtype"] not in _TYPES:
        raise ValueError(f"{name} has the type {entry['dtype']}: F16 and F32 can be read")
    dtype, shape, (first, last) = np.dtype(_TYPES[entry["dtype"]]), entry["shape"], entry["data_offsets"]
    # Negative sizes and offsets would read other bytes than the tensor's.
    if min(0, first, *shape) < 0 or last - first != dtype.itemsize * math.prod(shape) or start + last > n_bytes:
        raise ValueError(f"{name} does not lie within the file")
    file.seek(start + first)
    return np.frombuffer(file.read(last - first), dtype.newbyteorder("<")).reshape(shape).astype(np.float32)
