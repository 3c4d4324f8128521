"""A model directory, as files: ``model.json`` describes the model, ``model.onnx`` computes.

No other file is read, and no pickle is ever loaded: ONNX is data.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.resources
import json
import os
from typing import Any, Final

from emosense.emotions import EMOTIONS, own_emotions
from emosense.errors import ModelError, UsageError
from emosense.models.description import DESCRIPTION_FILE, FORMAT, WEIGHTS_FILE, check_description
from emosense.storage.folders import exists
from emosense.storage.locations import join, redact
from emosense.storage.reading import MAX_JSON_BYTES, parse_json, read_bytes
from emosense.storage.schemes import scheme_of
from emosense.storage.writing import write_bytes

DEFAULT_MODEL: Final = "default"


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


def check_no_model(folder: str, what_to_do: str = "choose another folder, or --overwrite") -> None:
    """Refuse a folder where a command would write over a model, or over files of it.

    Parameters
    ----------
    folder : str
        Local path or URL.
    what_to_do : str
        The end of the message.

    Raises
    ------
    UsageError
        If it holds a model.
    """
    if exists(join(folder, DESCRIPTION_FILE)):
        raise UsageError(f"{redact(folder)} holds a model: {what_to_do}")


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
