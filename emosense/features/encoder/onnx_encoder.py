"""A pretrained encoder: an ONNX graph in one file, given by the user, that turns a piece of speech into frames.

The shape of its input says what it takes: (batch, samples) is the waveform, as in wav2vec 2.0, HuBERT and WavLM;
(batch, bands, frames) with 80 or 128 bands is Whisper's log-mel. Its output is (batch, frames, dims). Each call encodes
one piece, so that the result does not depend on other pieces. A transfer model can be an encoder too: it takes (batch,
frames, bands), and gives (batch, dims).
"""

from __future__ import annotations

import functools
import os
from typing import Any, Final

import numpy as np

from emosense.arrays import Float32
from emosense.errors import ModelError, RecordingError, UsageError
from emosense.features.encoder.config import SAMPLE_RATE, WHISPER_HOP, EncoderConfig, InputKind
from emosense.features.encoder.files import find_encoder
from emosense.onnx_session import open_session, run_session
from emosense.storage.locations import redact

# The length that Whisper takes.
PIECE_SAMPLES: Final = 30 * SAMPLE_RATE
WHISPER_BANDS: Final = (80, 128)
_WHISPER_FRAMES: Final = PIECE_SAMPLES // WHISPER_HOP
_TYPES: Final = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
_NEEDED: Final = (
    "an encoder takes (batch, samples), or (batch, 80 or 128 bands, frames), and gives (batch, frames, dims)"
)


class Encoder:
    """A loaded encoder.

    Parameters
    ----------
    file : str
        Path of an ONNX graph that has all its tensors in the same file.
    output : str
        Name of the output to use; empty for ``last_hidden_state`` or, where there is none, the last with three axes, or
        two for a transfer model.

    Attributes
    ----------
    input : str
        ``waveform``, ``log-mel`` or ``frames``.
    n_bands : int
        Mel bands; 0 where the graph leaves them open, or takes the waveform.
    length : int
        Samples or frames per call; 0 for any number.
    output : str
        Name of the output.
    n_bytes : int
        Size of the file.

    Raises
    ------
    UsageError
        If the graph is not an encoder; the message states what was found and what is needed.
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
        self.output = _output_of(self._session.get_outputs(), output, 2 if self.input == "frames" else 3)

    def frames(self, values: Float32) -> Float32:
        """Encode one piece.

        Parameters
        ----------
        values : ndarray, shape (n_samples,) or (n_bands, n_frames), float32
            Waveform or log-mel, according to `input`.

        Returns
        -------
        ndarray, shape (n_frames, n_dims), float32
            The encoder's frames.

        Raises
        ------
        RecordingError
            ``model_error``, if the graph fails or gives values that are not finite.
        """
        return self._run(values, 3)

    def vector(self, frames: Float32) -> Float32:
        """Encode a recording with a graph that takes ``frames``.

        Parameters
        ----------
        frames : ndarray, shape (n_frames, n_bands), float32
            Features of the set ``whisper``.

        Returns
        -------
        ndarray, shape (n_dims,), float32
            The embedding.

        Raises
        ------
        RecordingError
            ``model_error``, if the graph fails or gives values that are not finite.
        """
        return self._run(frames, 2)

    def _run(self, values: Float32, n_axes: int) -> Float32:
        given = {self._name: values[np.newaxis].astype(self._type)}
        if self._mask:
            name, kind = self._mask
            given[name] = np.ones((1, values.shape[-1]), kind)
        found = run_session(self._session, self.output, given, "encoder")
        if found.ndim != n_axes or len(found) != 1 or not found.size:
            raise RecordingError("model_error", f"the encoder's {self.output} has the shape {found.shape}: {_NEEDED}")
        if not np.isfinite(found).all():
            raise RecordingError("model_error", "the encoder gave values that are not finite")
        return np.asarray(found[0], np.float32)


def _input_of(shape: list[Any]) -> tuple[InputKind, int, int]:
    """Return kind, bands and length of a graph's input from its shape, in which a name stands for any number."""
    sizes = [size if isinstance(size, int) else 0 for size in shape]
    if len(sizes) == 2:
        return "waveform", 0, sizes[1]
    if len(sizes) == 3 and sizes[1] == 0 and sizes[2] in WHISPER_BANDS:
        return "frames", sizes[2], 0
    if len(sizes) == 3 and sizes[1] in (0, *WHISPER_BANDS):
        return "log-mel", sizes[1], sizes[2] or _WHISPER_FRAMES
    raise UsageError(f"the encoder's input has the shape {shape}: {_NEEDED}")


def _output_of(outputs: list[Any], wanted: str, n_axes: int) -> str:
    names = [node.name for node in outputs if len(node.shape) == n_axes]
    if wanted and wanted not in names:
        raise UsageError(f"the encoder has no output {wanted!r} of {n_axes} axes: choose one of {', '.join(names)}")
    if not names:
        found = ", ".join(f"{node.name} {node.shape}" for node in outputs)
        raise UsageError(f"the encoder's outputs are {found}: {_NEEDED}")
    return wanted or ("last_hidden_state" if "last_hidden_state" in names else names[-1])


def load_encoder(config: EncoderConfig) -> Encoder:
    """Load an encoder; a process loads each only once.

    Parameters
    ----------
    config : EncoderConfig
        Which encoder.

    Returns
    -------
    Encoder
        The loaded encoder. Its number of dims is known only after a call; `embedding` checks it.

    Raises
    ------
    ModelError
        If no file with that sha256 is on this machine, or it does not have the input or output that `config` names.
    """
    loaded = _loaded(config.sha256, (config.file, config.location), config.output)
    if loaded.input != config.input:
        raise ModelError(f"the encoder {config.sha256} takes a {loaded.input}, the configuration says {config.input}")
    return loaded


@functools.lru_cache(maxsize=2)
def _loaded(sha256: str, places: tuple[str, ...], output: str) -> Encoder:
    file = find_encoder(sha256, places)
    try:
        return Encoder(file, output)
    except UsageError as err:
        raise ModelError(f"{redact(file)}: {err}") from err
