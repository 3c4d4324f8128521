"""The encoder whose first layers a transfer model is made of -> those layers as an ONNX file in the cache.

Training extracts embeddings with that file, so each recording is encoded once and kept under the file's sha256.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
from typing import Final

from emosense.errors import UsageError
from emosense.features.config import default_config
from emosense.features.encoder.config import SAMPLE_RATE, WHISPER_HOP, EncoderConfig
from emosense.features.encoder.download import obtain_encoder
from emosense.features.encoder.files import cached_encoder, find_encoder, sha256_of
from emosense.features.encoder.safetensors import load_safetensors
from emosense.features.sets import WHISPER_SEGMENT_S
from emosense.models.head import EMBEDDING
from emosense.models.model_files import DEFAULT_MODEL, read_model
from emosense.progress import Progress
from emosense.storage.folders import make_folder
from emosense.storage.locations import redact
from emosense.storage.writing import write_bytes
from emosense.training.transfer.whisper_front import WhisperFront, n_dims
from emosense.training.transfer.whisper_graph import read_front, to_onnx
from emosense.training.transfer_settings import POOLINGS, TransferConfig

# The second convolution halves the number of frames.
N_POSITIONS: Final = round(WHISPER_SEGMENT_S * SAMPLE_RATE / WHISPER_HOP / 2)
_HUB_FILE: Final = "model.safetensors"


def with_front(config: TransferConfig, location: str, progress: Progress) -> TransferConfig:
    """Put the first layers of an encoder into the settings of a transfer model.

    Parameters
    ----------
    config : TransferConfig
        Says how many layers.
    location : str
        Path or URL of a ``.safetensors`` file, or ``hf://owner/repository``; empty for the front of the shipped model.
    progress : Progress
        Receives the progress of a download, and a description of the front.

    Returns
    -------
    TransferConfig
        With its embedding, whose encoder is in the cache folder.

    Raises
    ------
    UsageError
        If there is no such file, it is not a Whisper, it has fewer layers, or the shipped model has no front.
    StorageError
        If the file cannot be fetched.
    """
    if config.pooling not in POOLINGS:
        raise UsageError(f"pooling {config.pooling}: choose one of {', '.join(POOLINGS)}")
    front = _obtain(location, progress).first(max(config.layers), N_POSITIONS)
    weights = to_onnx(front, config.layers, config.pooling, None, bits=config.bits)
    sha256 = hashlib.sha256(weights).hexdigest()
    file = cached_encoder(sha256)
    if sha256_of(file) != sha256:
        make_folder(os.path.dirname(file))
        write_bytes(file, weights)
    source = redact(location) or "the shipped model"
    progress.message(f"encoder: blocks 1 to {max(config.layers)} of {source}, width {front.width}, sha256 {sha256}")
    size = n_dims(front, config.layers, config.pooling)
    encoder = EncoderConfig(sha256, "frames", EMBEDDING, size, file=os.path.abspath(file))
    embedding = dataclasses.replace(
        default_config("encoder"), n_mels=front.n_mels, segment_s=WHISPER_SEGMENT_S, encoder=encoder
    )
    return dataclasses.replace(
        config, feature=dataclasses.replace(config.feature, n_mels=front.n_mels), embedding=embedding
    )


def load_front(config: TransferConfig) -> WhisperFront:
    """Load the front that `with_front` put into the cache.

    Parameters
    ----------
    config : TransferConfig
        With its embedding.

    Returns
    -------
    WhisperFront
        Its weights.

    Raises
    ------
    UsageError
        If no encoder was chosen.
    ModelError
        If the file is not on this machine.
    """
    encoder = config.embedding.encoder if config.embedding else None
    if encoder is None:
        raise UsageError("a transfer model needs an encoder: give one with --encoder")
    with open(find_encoder(encoder.sha256, [encoder.file]), "rb") as file:
        front = read_front(file.read())
    assert front is not None  # its sha256 is that of a file of `with_front`
    return front


def _refuse_other_weights(file: str, shown: str) -> None:
    try:
        WhisperFront(load_safetensors(file))
    except UsageError as err:
        raise UsageError(f"{shown} cannot be used: {err}") from err


def _obtain(location: str, progress: Progress) -> WhisperFront:
    if not location:
        front = read_front(read_model(DEFAULT_MODEL).weights)
        if front is None:
            raise UsageError(
                "train transfer needs the weights of a Whisper encoder: give --encoder FILE.safetensors, "
                "or --encoder hf://openai/whisper-tiny.en"
            )
        return front
    if re.fullmatch(r"hf://[^/]+/[^/]+/?", location, re.IGNORECASE):
        location = f"{location.rstrip('/')}/{_HUB_FILE}"
    file, _ = obtain_encoder(location, progress, check=_refuse_other_weights)
    return WhisperFront(load_safetensors(file))
