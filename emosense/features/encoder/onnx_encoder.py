"""A pretrained encoder: an ONNX graph in one file, given by the user, that turns a stretch of speech into frames.

Its input says what it hears: (batch, samples) is the waveform, as wav2vec 2.0, HuBERT and WavLM take it; (batch, bands,
frames) with 80 or 128 bands is the log-mel of Whisper. Its output is (batch, frames, dims). One stretch a call: what
comes out does not depend on others.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import re
from typing import Any, Final, Literal

import numpy as np

from emosense.arrays import Float32
from emosense.errors import ModelError, RecordingError, UsageError
from emosense.features.encoder.files import find_encoder
from emosense.onnx_session import open_session, run_session
from emosense.storage.files import redact

SAMPLE_RATE: Final = 16_000
WHISPER_HOP: Final = 160
# Whisper's own length.
PIECE_SAMPLES: Final = 30 * SAMPLE_RATE
WHISPER_BANDS: Final = (80, 128)
_WHISPER_FRAMES: Final = PIECE_SAMPLES // WHISPER_HOP
_TYPES: Final = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
_NEEDED: Final = (
    "an encoder takes (batch, samples), or (batch, 80 or 128 bands, frames), and gives (batch, frames, dims)"
)
InputKind = Literal["waveform", "log-mel"]


@dataclasses.dataclass(frozen=True, slots=True)
class EncoderConfig:
    """Which encoder, and how it is used; a part of `emosense.features.sets.FeatureConfig`.

    Parameters
    ----------
    sha256 : str
        Of the file, in hexadecimal digits.
    input : str
        ``waveform`` or ``log-mel``.
    output : str
        Name of the graph's output.
    n_dims : int
        Length of a frame; a feature vector is twice as long.
    normalise : bool
        Scale each recording's waveform to mean 0 and variance 1 first.
    location : str
        Absolute path, or the URL that the user gave, without credentials; no part of what decides a value.
    file : str
        Where the file is on this machine; not stored.
    """

    sha256: str
    input: InputKind
    output: str
    n_dims: int
    normalise: bool = False
    location: str = dataclasses.field(default="", compare=False, repr=False)
    file: str = dataclasses.field(default="", compare=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse what cannot name an encoder: the digest becomes a file's name."""
        if not all(isinstance(value, str) for value in (self.sha256, self.output, self.location, self.file)):
            raise UsageError("sha256, output and location of an encoder are text")
        if not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise UsageError("an encoder is named by a sha256 of 64 hexadecimal digits")

    def settings(self) -> dict[str, Any]:
        """Return what decides the values."""
        return {name: value for name, value in dataclasses.asdict(self).items() if name not in ("location", "file")}

    def to_dict(self) -> dict[str, Any]:
        """Return what is stored."""
        return self.settings() | {"location": self.location}


class Encoder:
    """A loaded encoder.

    Parameters
    ----------
    file : str
        An ONNX graph without tensors in other files.
    output : str
        Which output; empty for ``last_hidden_state``, or the last with three axes where there is none of that name.

    Attributes
    ----------
    input : str
        ``waveform`` or ``log-mel``.
    n_bands, length : int
        Mel bands, 0 where the graph does not say or hears the waveform; samples or frames of a call, 0 for any number.
    output : str
    n_bytes : int
        Size of the file.

    Raises
    ------
    UsageError
        Saying what was found and what is needed.
    """

    def __init__(self, file: str, output: str = "") -> None:
        try:
            self._session = open_session(file)
        except Exception as err:  # onnxruntime raises no narrower class of its own for a graph that it refuses
            raise UsageError(f"the encoder is not a usable ONNX graph: {err}") from err
        self.n_bytes = os.path.getsize(file)
        inputs = {node.name: node for node in self._session.get_inputs()}
        mask = inputs.pop("attention_mask", None)
        self._mask = None if mask is None else (mask.name, np.int32 if "int32" in mask.type else np.int64)
        if len(inputs) != 1 or next(iter(inputs.values())).type not in _TYPES:
            found = ", ".join(f"{node.name} {node.type}" for node in inputs.values())
            raise UsageError(f"the encoder has the inputs {found or 'none'}, and one of floats is needed: {_NEEDED}")
        (self._name, node), = inputs.items()  # fmt: skip
        self._type = _TYPES[node.type]
        self.input, self.n_bands, self.length = _input_of(node.shape)
        self.output = _output_of(self._session.get_outputs(), output)

    def frames(self, values: Float32) -> Float32:
        """Encode one piece.

        Parameters
        ----------
        values : ndarray, shape (n_samples,) or (n_bands, n_frames)

        Returns
        -------
        ndarray, shape (n_frames, n_dims), float32

        Raises
        ------
        RecordingError
            ``model_error``, if the graph fails or gives what is no number.
        """
        given = {self._name: values[np.newaxis].astype(self._type)}
        if self._mask:
            name, kind = self._mask
            given[name] = np.ones((1, values.shape[-1]), kind)
        found = run_session(self._session, self.output, given, "encoder")
        if found.ndim != 3 or len(found) != 1 or not found.size:
            raise RecordingError("model_error", f"the encoder's {self.output} has the shape {found.shape}: {_NEEDED}")
        if not np.isfinite(found).all():
            raise RecordingError("model_error", "the encoder gave a value that is not a number")
        return np.asarray(found[0], np.float32)


def _input_of(shape: list[Any]) -> tuple[InputKind, int, int]:
    """Tell what a graph hears from the shape of its input, in which names stand for any number."""
    sizes = [size if isinstance(size, int) else 0 for size in shape]
    if len(sizes) == 2:
        return "waveform", 0, sizes[1]
    if len(sizes) == 3 and sizes[1] in (0, *WHISPER_BANDS):
        return "log-mel", sizes[1], sizes[2] or _WHISPER_FRAMES
    raise UsageError(f"the encoder's input has the shape {shape}: {_NEEDED}")


def _output_of(outputs: list[Any], wanted: str) -> str:
    names = [node.name for node in outputs if len(node.shape) == 3]
    if wanted and wanted not in names:
        raise UsageError(f"the encoder has no output {wanted!r} of three axes: choose one of {', '.join(names)}")
    if not names:
        found = ", ".join(f"{node.name} {node.shape}" for node in outputs)
        raise UsageError(f"the encoder's outputs are {found}: {_NEEDED}")
    return wanted or ("last_hidden_state" if "last_hidden_state" in names else names[-1])


def load_encoder(config: EncoderConfig) -> Encoder:
    """Return an encoder, which a process loads once.

    Raises
    ------
    ModelError
        If no file of that sha256 is on this machine, or it is no encoder that hears what the configuration says and
        has its output. The length of a frame is known after a call:
        `emosense.features.encoder.embedding.encoder` compares it.
    """
    loaded = _loaded(config.sha256, (config.file, config.location), config.output)
    if loaded.input != config.input:
        raise ModelError(f"the encoder {config.sha256} hears the {loaded.input}, the configuration says {config.input}")
    return loaded


@functools.lru_cache(maxsize=2)
def _loaded(sha256: str, places: tuple[str, ...], output: str) -> Encoder:
    file = find_encoder(sha256, places)
    try:
        return Encoder(file, output)
    except UsageError as err:
        raise ModelError(f"{redact(file)}: {err}") from err
