"""A model directory -> probabilities: `model.json` says all, `model.onnx` computes, nothing else is read.

Takes the features of one recording, gives the probabilities of the eight emotions. Scaling, softmax and temperature lie
inside the graph. Weights are ONNX, which is data: no pickle is ever loaded.
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
from emosense.emotions import EMOTIONS
from emosense.errors import ModelError, UsageError
from emosense.features.config import FeatureConfig
from emosense.features.sets import extract
from emosense.models.statistics import FeatureStatistics
from emosense.onnx_session import open_session, refers_to_other_files, run_session
from emosense.storage.files import is_url, join, read_bytes, redact, write_bytes

FORMAT: Final = 2
KINDS: Final = ("mlp", "cnn", "ensemble")
WEIGHTS_FILE: Final = "model.onnx"
DEFAULT_MODEL: Final = "default"
_LONGEST_WINDOW_S: Final = 3600.0
_SUM_TOLERANCE: Final = 1e-3
_REFUSED_SCHEMES: Final = ("http", "https", "hf", "ftp")
_REQUIRED: Final = frozenset(
    {"format", "name", "version", "kind", "emotions", "classes", "features", "window_s", "weights", "calibration",
     "trained_on", "scores", "licence", "versions"}
)  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class ModelFiles:
    """The two files of a model, read and checked against each other.

    Parameters
    ----------
    description : dict
        Content of ``model.json``.
    weights : bytes
        Content of ``model.onnx``, whose sha256 the description names.
    sha256 : str
        Of both files; the identity of the model in a run's manifest.
    """

    description: dict[str, Any]
    weights: bytes
    sha256: str

    def __eq__(self, other: object) -> bool:
        """Models are equal when their files are."""
        return isinstance(other, ModelFiles) and self.sha256 == other.sha256

    def __hash__(self) -> int:
        """Hash of the files' digest."""
        return hash(self.sha256)


class Model:
    """A loaded model.

    Attributes
    ----------
    features : tuple of FeatureConfig
        What `probabilities` takes, all at one sample rate.
    sample_rate : int
        Hz.
    window_s : float
        Recordings longer than this are labelled window by window.
    statistics : FeatureStatistics or None
        Where the training recordings lie in the first of the features, if the model says.
    """

    def __init__(self, files: ModelFiles) -> None:
        self.features = tuple(FeatureConfig.from_dict(values) for values in files.description["features"])
        self.sample_rate = self.features[0].sample_rate
        self.window_s = float(files.description["window_s"])
        statistics = files.description.get("feature_statistics")
        self.statistics = FeatureStatistics.from_dict(statistics) if statistics else None
        self._positions = [EMOTIONS.index(name) for name in files.description["classes"]]
        self._inputs = input_names(len(self.features))
        try:
            self._session = open_session(files.weights)
        except Exception as err:  # onnxruntime raises no narrower class of its own for a graph that it refuses
            raise ModelError(f"{WEIGHTS_FILE} is not a usable ONNX graph: {err}") from err
        self._try()

    def _try(self) -> None:
        """Hear half a second of noise: a graph that does not fit its description fails here, and on no recording."""
        found = sorted(node.name for node in self._session.get_inputs())
        if found != sorted(self._inputs):
            raise ModelError(f"{WEIGHTS_FILE} takes {', '.join(found)}, model.json describes {', '.join(self._inputs)}")
        if any(config.set == "encoder" for config in self.features):
            # Half a second of an encoder is half the work of a recording; the encoder is checked when it is loaded.
            return
        noise = np.random.default_rng(0).normal(0, 0.1, self.sample_rate // 2).astype(np.float32)
        try:
            total = float(self.probabilities([extract(noise, config) for config in self.features]).sum())
        except Exception as err:  # the same, and whatever settings that fit no signal make NumPy say
            reason = str(err).partition("\n")[0]
            raise ModelError(f"{WEIGHTS_FILE} does not fit the features or classes of model.json: {reason}") from err
        if not abs(total - 1) < _SUM_TOLERANCE:
            raise ModelError(f"{WEIGHTS_FILE} gives probabilities that sum to {total:.3f}")

    def probabilities(self, features: Sequence[Float32]) -> Float32:
        """Return the probabilities of the eight emotions, shape (8,); 0 for those that the model was not trained on.

        Parameters
        ----------
        features : sequence of ndarray, float32
            Of one recording, as `emosense.features.sets.extract` gives them for each of the model's configurations. One
            recording a call: a batch would be padded or summed in another order, and a recording's row must not depend
            on its neighbours.

        Raises
        ------
        RecordingError
            ``model_error``, if the graph fails.
        """
        feeds = {name: values[np.newaxis] for name, values in zip(self._inputs, features, strict=True)}
        found = run_session(self._session, "probabilities", feeds, "model")
        result = np.zeros(len(EMOTIONS), np.float32)
        result[self._positions] = found[0]
        return result


def input_names(n_features: int) -> list[str]:
    """Return the names of a graph's inputs, in the order of the features that a model hears."""
    return ["features"] if n_features == 1 else [f"features_{place}" for place in range(n_features)]


def read_model(location: str = DEFAULT_MODEL) -> ModelFiles:
    """Read and check a model.

    Parameters
    ----------
    location : str
        Name of a model that ships with EmoSense, a directory, or the URL of one in object storage.

    Raises
    ------
    ModelError
        If there is no such model, a file is missing or damaged, or it does not fit this version.
    """
    folder = shipped_models().get(location) or location
    if is_url(folder) and folder.split("://")[0].lower() in _REFUSED_SCHEMES:
        raise ModelError(f"models are not fetched from {redact(folder)}: download the directory and pass its path")
    try:
        text = read_bytes(join(folder, "model.json"))
        description = json.loads(text)
        weights = read_bytes(join(folder, WEIGHTS_FILE))
    except (FileNotFoundError, NotADirectoryError) as err:
        known = ", ".join(sorted(shipped_models()))
        raise ModelError(
            f"no model at {redact(location)}: give one of {known}, or a directory with model.json"
        ) from err
    except (ValueError, PermissionError, IsADirectoryError) as err:
        raise ModelError(f"the model at {redact(location)} cannot be read: {err}") from err
    check_description(description, weights, redact(location))
    return ModelFiles(description, weights, hashlib.sha256(text + weights).hexdigest())


def check_description(description: Any, weights: bytes, where: str) -> None:
    """Refuse a description that does not fit the weights or this version.

    Raises
    ------
    ModelError
        Naming what differs.
    """
    if not isinstance(description, dict) or not description.keys() >= _REQUIRED:
        missing = sorted(_REQUIRED - set(description)) if isinstance(description, dict) else ["an object"]
        raise ModelError(f"model.json of {where} lacks {', '.join(missing)}")
    if description["format"] != FORMAT:
        raise ModelError(f"model.json of {where} has format {description['format']}, this version reads {FORMAT}")
    if description["kind"] not in KINDS:
        raise ModelError(f"{where} is of kind {description['kind']!r}, known are {', '.join(KINDS)}")
    if description["emotions"] != list(EMOTIONS):
        raise ModelError(f"{where} has the emotions {description['emotions']}, expected {list(EMOTIONS)} in this order")
    classes = description["classes"]
    if not isinstance(classes, list) or not classes or [name for name in EMOTIONS if name in classes] != classes:
        raise ModelError(f"{where} has the classes {classes}, which are no emotions in the order of {list(EMOTIONS)}")
    _check_values(description, where)
    expected, found = description["weights"].get("sha256"), hashlib.sha256(weights).hexdigest()
    if expected != found:
        raise ModelError(f"{WEIGHTS_FILE} of {where} is damaged: sha256 is {found}, model.json says {expected}")
    if refers_to_other_files(weights):
        raise ModelError(f"{WEIGHTS_FILE} of {where} refers to other files: a model is one file")
    try:
        heard = [FeatureConfig.from_dict(values) for values in description["features"]]
    except (UsageError, TypeError, ValueError) as err:
        raise ModelError(f"the features of {where} are not known: {err}") from err
    if len({config.sample_rate for config in heard}) != 1:
        raise ModelError(f"{where} hears no features, or features at several sample rates")


def _check_values(description: dict[str, Any], where: str) -> None:
    """Refuse values of another kind than this version writes."""
    kinds = {"features": list, "weights": dict, "trained_on": dict, "calibration": dict, "scores": list, "name": str}
    for key, kind in kinds.items():
        if not isinstance(description[key], kind):
            raise ModelError(f"model.json of {where} has {description[key]!r} for {key}")
    window_s = description["window_s"]
    if isinstance(window_s, bool) or not isinstance(window_s, int | float) or not 0 < window_s <= _LONGEST_WINDOW_S:
        raise ModelError(f"model.json of {where} has {window_s!r} for window_s")
    try:
        statistics = description.get("feature_statistics")
        if statistics is not None:
            FeatureStatistics.from_dict(statistics)
    except (TypeError, ValueError, LookupError) as err:
        raise ModelError(f"model.json of {where} has feature_statistics that cannot be read: {err}") from err


def write_model(folder: str, description: dict[str, Any], weights: bytes) -> None:
    """Write a model directory; `model.json` comes last, so that a broken write leaves no model.

    Parameters
    ----------
    description : dict
        Everything but ``format``, ``emotions`` and ``weights``, which are filled in here.
    """
    digest = {"file": WEIGHTS_FILE, "sha256": hashlib.sha256(weights).hexdigest(), "bytes": len(weights)}
    complete = {"format": FORMAT, **description, "emotions": list(EMOTIONS), "weights": digest}
    check_description(complete, weights, folder)
    write_bytes(join(folder, WEIGHTS_FILE), weights)
    write_bytes(join(folder, "model.json"), (json.dumps(complete, indent=2) + "\n").encode())


def shipped_models() -> dict[str, str]:
    """Names and directories of the models inside the package."""
    root = str(importlib.resources.files("emosense.models"))
    names = (name for name in sorted(os.listdir(root)) if os.path.isfile(os.path.join(root, name, "model.json")))
    return {name: os.path.join(root, name) for name in names}
