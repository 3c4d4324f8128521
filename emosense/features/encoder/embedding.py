"""Waveform -> pretrained encoder -> mean and standard deviation over its frames: features that were learnt elsewhere.

Takes a mono waveform at 16 kHz, gives one float32 vector. A long recording is heard in pieces, and the statistics are
those of all frames; where the encoder hears a fixed length, frames of the padding are left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol

import numpy as np

from emosense.arrays import Float32
from emosense.errors import RecordingError, UsageError
from emosense.features.encoder.onnx_encoder import PIECE_SAMPLES, WHISPER_HOP, Encoder, EncoderConfig, load_encoder
from emosense.features.spectrum import SpectrumConfig, mel_spectrogram

WHISPER_N_FFT: Final = 400
# 0.1 s: wav2vec 2.0 needs 0.025 s for its first frame, and this gives four.
MIN_SAMPLES: Final = 1_600
# onnxruntime keeps the weights, and for a while the file's content and weights in another order.
_COPIES_IN_MEMORY: Final = 3


class EncoderSettings(SpectrumConfig, Protocol):
    """The settings of `emosense.features.sets.FeatureConfig` that this module reads; explained there."""

    @property
    def encoder(self) -> EncoderConfig | None: ...  # noqa: D102


def encoder(waveform: Float32, config: EncoderSettings) -> Float32:
    """Compute mean and standard deviation over the encoder's frames.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float32 in [-1, 1]
        Mono, at 16 kHz, at least one sample.
    config : EncoderSettings
        With an encoder.

    Returns
    -------
    ndarray, shape (2 * n_dims,), float32

    Raises
    ------
    UsageError
        If the configuration names no encoder.
    ModelError
        If its file is not on this machine, or hears something else than the configuration says.
    RecordingError
        ``model_error``, if it fails on this recording, or gives frames of another length than the configuration says.
    """
    if config.encoder is None:
        raise UsageError("the feature set encoder needs an encoder: give one with --encoder")
    loaded = load_encoder(config.encoder)
    if loaded.input == "log-mel":
        length = loaded.length * WHISPER_HOP
        pieces = [waveform[start : start + length] for start in range(0, len(waveform), length)]
        found = [_covered(loaded.frames(log_mel(piece, config, length)), len(piece) / length) for piece in pieces]
    else:
        heard = _normalised(waveform) if config.encoder.normalise else waveform
        found = [_frames(loaded, piece) for piece in _pieces(heard, loaded.length)]
    frames = np.concatenate(found).astype(np.float64)
    n_dims = frames.shape[1]
    if n_dims != config.encoder.n_dims:
        told = f"the encoder gives {n_dims} dims, the configuration says {config.encoder.n_dims}"
        raise RecordingError("model_error", told)
    return np.concatenate((frames.mean(axis=0), frames.std(axis=0))).astype(np.float32)


def load_encoders(configs: Iterable[EncoderSettings]) -> int:
    """Load the encoders that a model hears, so that it fails now or never; return the memory they may take, in MB."""
    loaded = {load_encoder(config.encoder) for config in configs if config.encoder is not None}
    return _COPIES_IN_MEMORY * sum(one.n_bytes for one in loaded) >> 20


def _normalised(waveform: Float32) -> Float32:
    """Scale to mean 0 and variance 1, with the floor of wav2vec 2.0's published feature extractor."""
    wide = waveform.astype(np.float64)
    return np.asarray((wide - wide.mean()) / np.sqrt(wide.var() + 1e-7), np.float32)


def _pieces(waveform: Float32, length: int) -> list[Float32]:
    """Cut a long waveform: to the length that the encoder needs, else evenly, so that no piece is a mere rest.

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
    """Return the frames of the recording itself, without those of the zeros behind it."""
    return frames[: max(1, int(np.ceil(round(len(frames) * share, 6))))]


def log_mel(waveform: Float32, config: SpectrumConfig, n_samples: int) -> Float32:
    """Log-mel of Whisper's front end (Radford et al. 2022, arXiv 2212.04356; ``audio.py`` of its release).

    Parameters
    ----------
    waveform : ndarray, shape (n,), float32 in [-1, 1]
        At 16 kHz, ``n <= n_samples``; zeros follow it.
    config : SpectrumConfig
        With an FFT of 400 samples, every 160, and the encoder's number of mel bands.
    n_samples : int
        Length after padding.

    Returns
    -------
    ndarray, shape (n_mels, n_samples // 160), float32
        ``log10`` of the mel power, at most 8 below its maximum, shifted by 4 and divided by 4.
    """
    half = config.n_fft // 2
    mirrored = np.pad(np.pad(waveform, (0, n_samples - len(waveform))), half, mode="reflect")
    # Whisper mirrors the ends and `power_blocks` pads them with zeros: its first frames hold those zeros, and go.
    n_before = -(-half // config.hop)
    shifted = np.concatenate((np.zeros(n_before * config.hop - half, np.float32), mirrored))
    mel = mel_spectrogram(shifted, config)[n_before : n_before + n_samples // config.hop]
    log = np.log10(np.maximum(mel, np.float32(1e-10)))
    log = np.maximum(log, log.max() - 8)
    return np.ascontiguousarray(((log + 4) / 4).T, np.float32)
