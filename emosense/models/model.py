"""A model directory -> probabilities: ``model.json`` describes the model, ``model.onnx`` computes.

Takes the features of one recording, gives the probabilities of `EMOTIONS`. Scaling, softmax and temperature are part of
the graph. No other file is read, and no pickle is ever loaded: ONNX is data.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.resources
import json
import os
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from emosense.arrays import Float32
from emosense.emotions import EMOTIONS, own_emotions
from emosense.errors import ModelError
from emosense.features.config import FeatureConfig
from emosense.features.sets import FEATURE_SETS, extract
from emosense.models.description import DESCRIPTION_FILE, FORMAT, WEIGHTS_FILE, check_description
from emosense.models.speaker_head import SPEAKER_PROBABILITIES
from emosense.onnx_session import open_session, run_outputs
from emosense.storage.locations import join, redact
from emosense.storage.reading import MAX_JSON_BYTES, parse_json, read_bytes
from emosense.storage.schemes import scheme_of
from emosense.storage.writing import write_bytes

DEFAULT_MODEL: Final = "default"
# Output of a graph that measures how far a recording is from the training recordings.
DISTANCE: Final = "distance"
_SUM_TOLERANCE: Final = 1e-3


@dataclasses.dataclass(frozen=True, slots=True)
class ModelFiles:
    """The two files of a model, read and checked against each other.

    Parameters
    ----------
    description : dict
        Content of ``model.json``.
    weights : bytes
        Content of ``model.onnx``.
    sha256 : str
        Digest of both files: models are equal when it is, and a run's manifest names it.
    """

    description: dict[str, Any] = dataclasses.field(compare=False, repr=False)
    weights: bytes = dataclasses.field(compare=False, repr=False)
    sha256: str

    @property
    def own_emotions(self) -> tuple[str, ...]:
        """Classes that are not among `EMOTIONS`: names that a user gave."""
        return own_emotions(self.description["classes"])


class Model:
    """A loaded model.

    Parameters
    ----------
    files : ModelFiles
        From `read_model`.

    Attributes
    ----------
    features : tuple of FeatureConfig
        The features that `probabilities` takes, all at one sample rate.
    sample_rate : int
        Hz.
    window_s : float
        Recordings longer than this are labelled window by window.
    own_emotions : tuple of str
        Classes that are not among `EMOTIONS`: names that a user gave.

    Raises
    ------
    ModelError
        If the graph is unusable or does not fit its description.
    """

    def __init__(self, files: ModelFiles) -> None:
        self.features = tuple(FeatureConfig.from_dict(values) for values in files.description["features"])
        self.sample_rate = self.features[0].sample_rate
        self.window_s = float(files.description["window_s"])
        self.own_emotions = files.own_emotions
        self._n_emotions = len(EMOTIONS) + len(self.own_emotions)
        self._positions = [(*EMOTIONS, *self.own_emotions).index(name) for name in files.description["classes"]]
        self._inputs = input_names(len(self.features))
        try:
            self._session = open_session(files.weights)
        except Exception as err:  # onnxruntime raises no narrower class of its own for a graph that it refuses
            raise ModelError(f"{WEIGHTS_FILE} is not a usable ONNX graph: {err}") from err
        outputs = {node.name for node in self._session.get_outputs()}
        self._heads = ["probabilities", *({SPEAKER_PROBABILITIES} & outputs)]
        self._measures = [*({DISTANCE} & outputs)]
        self._try()

    def _try(self) -> None:
        """Run the graph on half a second of noise, so that one that does not fit its description fails at once."""
        found = sorted(node.name for node in self._session.get_inputs())
        if found != sorted(self._inputs):
            raise ModelError(
                f"{WEIGHTS_FILE} takes {', '.join(found)}, {DESCRIPTION_FILE} describes {', '.join(self._inputs)}"
            )
        if any(FEATURE_SETS[config.set].needs_encoder for config in self.features):
            # Half a second costs an encoder half the work of a recording; it is checked when it is loaded.
            return
        noise = np.random.default_rng(0).normal(0, 0.1, self.sample_rate // 2).astype(np.float32)
        try:
            total = float(self.probabilities([extract(noise, config) for config in self.features]).sum())
        except Exception as err:  # as above; NumPy raises other classes for settings that fit no signal
            reason = str(err).partition("\n")[0]
            raise ModelError(f"{WEIGHTS_FILE} does not fit the features or classes of model.json: {reason}") from err
        if not abs(total - 1) < _SUM_TOLERANCE:
            raise ModelError(f"{WEIGHTS_FILE} gives probabilities that sum to {total:.3f}")

    def probabilities(self, features: Sequence[Float32]) -> Float32:
        """Compute the probabilities of the emotions for one recording.

        A batch would be padded or summed in another order, and a recording's row must not depend on others.

        Parameters
        ----------
        features : sequence of ndarray, float32
            One array for each of the model's `features`, from `emosense.features.sets.extract`.

        Returns
        -------
        ndarray, shape (len(EMOTIONS) + len(own_emotions),), float32
            In the order of `EMOTIONS`, then of the model's own; 0 for emotions that are not classes of the model.

        Raises
        ------
        RecordingError
            ``model_error``, if the graph fails.
        """
        return self.predict(features)[0][: self._n_emotions]

    def predict(self, features: Sequence[Float32]) -> tuple[Float32, float | None]:
        """Compute what each head gives for one recording, and how far it is from the training recordings.

        Parameters
        ----------
        features : sequence of ndarray, float32
            As in `probabilities`.

        Returns
        -------
        tuple of (ndarray, shape (n_heads * n_emotions,), float32; and float or None)
            What `probabilities` returns, then the same by the speaker head, if the model has one. The distance: at
            least 0, above 1 is unfamiliar; None if the model does not measure it.

        Raises
        ------
        RecordingError
            ``model_error``, if the graph fails.
        """
        feeds = {name: values[np.newaxis] for name, values in zip(self._inputs, features, strict=True)}
        found = run_outputs(self._session, [*self._heads, *self._measures], feeds, "model")
        n_heads = len(self._heads)
        result = np.zeros((n_heads, self._n_emotions), np.float32)
        result[:, self._positions] = np.concatenate(found[:n_heads])
        return result.ravel(), float(found[n_heads][0]) if self._measures else None


def input_names(n_features: int) -> list[str]:
    """Return the names of a graph's inputs.

    Parameters
    ----------
    n_features : int
        Number of the model's features.

    Returns
    -------
    list of str
        ``features``, or ``features_0`` and so on, in the order of the features.
    """
    return ["features"] if n_features == 1 else [f"features_{place}" for place in range(n_features)]


def read_model(location: str = DEFAULT_MODEL) -> ModelFiles:
    """Read and check a model.

    Parameters
    ----------
    location : str
        Name of a model that ships with EmoSense, a directory, or the URL of one in object storage.

    Returns
    -------
    ModelFiles
        The checked files.

    Raises
    ------
    ModelError
        If there is no such model, a file is missing or damaged, or it does not fit this version.
    """
    folder = shipped_models().get(location) or location
    if scheme_of(folder).is_read_only:
        raise ModelError(f"models are not fetched from {redact(folder)}: download the directory and pass its path")
    try:
        text = read_bytes(join(folder, DESCRIPTION_FILE), MAX_JSON_BYTES)
        description = parse_json(text)
        weights = read_bytes(join(folder, WEIGHTS_FILE))
    except (FileNotFoundError, NotADirectoryError) as err:
        known = ", ".join(sorted(shipped_models()))
        raise ModelError(
            f"no model at {redact(location)}: give one of {known}, or a directory with model.json"
        ) from err
    except (ValueError, OSError) as err:
        reason = (isinstance(err, OSError) and err.strerror) or str(err)
        raise ModelError(f"the model at {redact(location)} cannot be read: {redact(reason)}") from err
    check_description(description, weights, redact(location))
    return ModelFiles(description, weights, hashlib.sha256(text + weights).hexdigest())


def write_model(folder: str, description: dict[str, Any], weights: bytes) -> None:
    """Write a model directory; ``model.json`` is written last, so that an interrupted write leaves no model.

    Parameters
    ----------
    folder : str
        Existing directory or URL.
    description : dict
        Content of ``model.json`` except ``format``, ``emotions`` and ``weights``, which are added.
    weights : bytes
        Content of ``model.onnx``.

    Raises
    ------
    ModelError
        If the description is not valid.
    """
    digest = {"file": WEIGHTS_FILE, "sha256": hashlib.sha256(weights).hexdigest(), "bytes": len(weights)}
    emotions = [*EMOTIONS, *own_emotions(description["classes"])]
    complete = {"format": FORMAT, **description, "emotions": emotions, "weights": digest}
    check_description(complete, weights, folder)
    write_bytes(join(folder, WEIGHTS_FILE), weights)
    write_bytes(join(folder, DESCRIPTION_FILE), (json.dumps(complete, indent=2) + "\n").encode())


def shipped_models() -> dict[str, str]:
    """Find the models that are part of the package.

    Returns
    -------
    dict of str to str
        Directories by name.
    """
    root = str(importlib.resources.files("emosense.models"))
    names = (name for name in sorted(os.listdir(root)) if os.path.isfile(os.path.join(root, name, DESCRIPTION_FILE)))
    return {name: os.path.join(root, name) for name in names}
