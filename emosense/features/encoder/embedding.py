"""Waveform -> pretrained encoder -> mean and standard deviation over its frames.

Takes a mono waveform at 16 kHz, gives one float32 vector. A long recording is encoded in pieces, and the statistics are
over the frames of all pieces. Where the encoder takes a fixed length, the frames of the padding are left out. A graph
that pools the frames of the feature set ``whisper`` itself, such as a transfer model, gives the vector as it is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Final

import numpy as np

from emosense.arrays import Float32
from emosense.errors import RecordingError, UsageError
from emosense.features.config import FeatureConfig
from emosense.features.encoder.config import WHISPER_HOP, EncoderConfig
from emosense.features.encoder.onnx_encoder import PIECE_SAMPLES, Encoder, load_encoder
from emosense.features.whisper import whisper

# 0.1 s: wav2vec 2.0 needs 0.025 s for its first frame, and this gives four.
MIN_SAMPLES: Final = 1_600
# onnxruntime holds the weights and, for a while, the file's content and the weights in another layout.
_COPIES_IN_MEMORY: Final = 3


def embedding(waveform: Float32, config: FeatureConfig) -> Float32:
    """Compute the mean and standard deviation over the encoder's frames, or what a graph that pools them gives.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float32 in [-1, 1]
        Mono, at 16 kHz, at least one sample.
    config : FeatureConfig
        With an encoder.

    Returns
    -------
    ndarray, shape (2 * n_dims,) or (n_dims,), float32
        Means, then standard deviations; named by `embedding_names`.

    Raises
    ------
    UsageError
        If the configuration names no encoder.
    ModelError
        If the encoder's file is not on this machine, or takes another input than the configuration says.
    RecordingError
        ``model_error``, if it fails on this recording, or gives another number of dims than the configuration says.
    """
    if config.encoder is None:
        raise UsageError("the feature set encoder needs an encoder: give one with --encoder")
    loaded = load_encoder(config.encoder)
    if loaded.input == "frames":
        vector = loaded.vector(whisper(waveform, config))
        _check_dims(len(vector), config.encoder)
        return vector
    if loaded.input == "log-mel":
        length = loaded.length * WHISPER_HOP
        pieces = [waveform[start : start + length] for start in range(0, len(waveform), length)]
        found = [
            _covered(loaded.frames(whisper_log_mel(piece, config, length)), len(piece) / length) for piece in pieces
        ]
    else:
        scaled = _normalised(waveform) if config.encoder.normalise else waveform
        found = [_frames(loaded, piece) for piece in _pieces(scaled, loaded.length)]
    frames = np.concatenate(found).astype(np.float64)
    _check_dims(frames.shape[1], config.encoder)
    return np.concatenate((frames.mean(axis=0), frames.std(axis=0))).astype(np.float32)


def _check_dims(n_dims: int, encoder: EncoderConfig) -> None:
    if n_dims != encoder.n_dims:
        message = f"the encoder gives {n_dims} dims, the configuration says {encoder.n_dims}"
        raise RecordingError("model_error", message)


def embedding_names(config: FeatureConfig) -> list[str]:
    """Name the values of `embedding`.

    Parameters
    ----------
    config : FeatureConfig
        With an encoder; without one there are no names.

    Returns
    -------
    list of str
        ``mean_0`` and so on, then ``sd_0`` and so on; ``embedding_0`` and so on where the graph pools.
    """
    n_dims = 0 if config.encoder is None else config.encoder.n_dims
    if config.encoder is not None and config.encoder.input == "frames":
        return [f"embedding_{i}" for i in range(n_dims)]
    return [f"{name}_{i}" for name in ("mean", "sd") for i in range(n_dims)]


def load_encoders(configs: Iterable[FeatureConfig]) -> int:
    """Load the encoders of a model, so that a missing or unusable one is found before the first recording.

    Parameters
    ----------
    configs : iterable of FeatureConfig
        The model's features.

    Returns
    -------
    int
        Memory that they may take, in MB.

    Raises
    ------
    ModelError
        If an encoder is not on this machine or does not fit its configuration.
    """
    loaded = {load_encoder(config.encoder) for config in configs if config.encoder is not None}
    return _COPIES_IN_MEMORY * sum(one.n_bytes for one in loaded) >> 20


def _normalised(waveform: Float32) -> Float32:
    """Scale to mean 0 and variance 1, with the floor of wav2vec 2.0's published feature extractor."""
    wide = waveform.astype(np.float64)
    return np.asarray((wide - wide.mean()) / np.sqrt(wide.var() + 1e-7), np.float32)


def _pieces(waveform: Float32, length: int) -> list[Float32]:
    """Cut a long waveform into pieces of the length that the encoder needs, or of equal length if it takes any.

    The memory of self-attention grows with the square of the length: 30 s take 0.1 GB in a layer of twelve heads.
    """
    if length:
        return [waveform[start : start + length] for start in range(0, len(waveform), length)]
    return np.array_split(waveform, -(-len(waveform) // PIECE_SAMPLES))


def _frames(loaded: Encoder, piece: Float32) -> Float32:
    length = loaded.length or max(len(piece), MIN_SAMPLES)
    frames = loaded.frames(np.pad(piece, (0, length - len(piece))))
    return _covered(frames, len(piece) / length) if loaded.length else frames


def _covered(frames: Float32, share: float) -> Float32:
    """Return the frames of the recording, without those of the padding."""
    return frames[: max(1, int(np.ceil(round(len(frames) * share, 6))))]


def whisper_log_mel(waveform: Float32, config: FeatureConfig, n_samples: int) -> Float32:
    """Compute the log-mel of a piece of fixed length, as Whisper's release does.

    Parameters
    ----------
    waveform : ndarray, shape (n,), float32 in [-1, 1]
        At 16 kHz, ``n <= n_samples``; padded with zeros.
    config : FeatureConfig
        With an FFT of 400 samples, a hop of 160, and the encoder's number of mel bands.
    n_samples : int
        Length after padding.

    Returns
    -------
    ndarray, shape (n_mels, n_samples // 160), float32
        ``log10`` of the mel power, at most 8 below its maximum, shifted by 4 and divided by 4.
    """
    padded = np.pad(waveform, (0, n_samples - len(waveform)))
    return np.ascontiguousarray(whisper(padded, dataclasses.replace(config, segment_s=0.0), peak=None).T)
