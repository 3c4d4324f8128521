"""The content of ``model.json``: its fields, what each may be, and the one place where they are checked.

``format`` is the version of these fields: a model with another one is refused.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import reprlib
import unicodedata
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any, Final, TypeGuard

from emosense.emotions import EMOTIONS, own_emotions, parse_own_emotion
from emosense.errors import ModelError, UsageError
from emosense.features.config import FeatureConfig
from emosense.onnx_session import refers_to_other_files

FORMAT: Final = 2
KINDS: Final = ("mlp", "cnn", "transfer", "ensemble")
_FAMILIES_GROUP: Final = "emosense.families"
DESCRIPTION_FILE: Final = "model.json"
WEIGHTS_FILE: Final = "model.onnx"
CARD_FILE: Final = "MODEL_CARD.md"
# A recording that is shorter than the least has no label.
_MIN_WINDOW_S: Final = 0.25
_MAX_WINDOW_S: Final = 3600.0
# Names and licences are printed, and written to manifests and pages.
_LONGEST_TEXT: Final = 10_000


@dataclasses.dataclass(frozen=True, slots=True)
class _Field:
    """What a field of ``model.json`` may be; `expected` completes "expected ..." in a message."""

    expected: str
    accepts: Callable[[Any], bool]


def _of_type(kind: type, expected: str) -> _Field:
    return _Field(expected, lambda value: isinstance(value, kind))


def _is_text(value: Any) -> bool:
    """Whether a value is text that can be printed: UTF-8, without control characters but for line ends and tabs."""
    if not isinstance(value, str) or not value.strip() or len(value) > _LONGEST_TEXT:
        return False
    return not any(unicodedata.category(character) in ("Cc", "Cs") for character in value if character not in "\n\t")


def _are_classes(value: Any) -> bool:
    if not isinstance(value, list) or not value or not all(isinstance(name, str) for name in value):
        return False
    own = own_emotions(value)
    try:
        are_names = all(parse_own_emotion(name) == name for name in own)
    except ValueError:
        return False
    return are_names and [*(name for name in EMOTIONS if name in value), *own] == value


def _is_kind(value: Any) -> bool:
    """Whether models of this kind are known: here, or to an installed package that adds a model family."""
    return value in KINDS or (isinstance(value, str) and bool(entry_points(group=_FAMILIES_GROUP, name=value)))


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_window(value: Any) -> bool:
    return _is_number(value) and _MIN_WINDOW_S <= value <= _MAX_WINDOW_S


def _is_calibration(value: Any) -> bool:
    temperature = value.get("temperature", 1.0) if isinstance(value, dict) else None
    return _is_number(temperature) and 0 < temperature < math.inf


_TEXT: Final = f"text of at most {_LONGEST_TEXT:,} characters, none of them a control character"
_FIELDS: Final[dict[str, _Field]] = {
    "format": _Field(f"{FORMAT}, the format that this version reads", lambda value: value == FORMAT),
    "name": _Field(_TEXT, _is_text),
    "version": _Field(_TEXT, _is_text),
    "kind": _Field(f"one of {', '.join(KINDS)}, or a model family of an installed package", _is_kind),
    "emotions": _Field(
        f"{', '.join(EMOTIONS)} in this order", lambda value: isinstance(value, list) and value[:8] == list(EMOTIONS)
    ),
    "classes": _Field(f"some of {', '.join(EMOTIONS)} in this order, then others in alphabetical order", _are_classes),
    "features": _of_type(list, "a list of feature configurations"),
    "window_s": _Field(f"seconds, from {_MIN_WINDOW_S:g} to {_MAX_WINDOW_S:g}", _is_window),
    "weights": _of_type(dict, "an object with sha256"),
    "calibration": _Field("an object, whose temperature is a positive number", _is_calibration),
    "trained_on": _of_type(dict, "an object"),
    "scores": _of_type(list, "a list"),
    "licence": _Field(_TEXT, _is_text),
    "versions": _of_type(dict, "versions of packages"),
}


def check_description(description: Any, weights: bytes, location: str) -> None:
    """Check the content of ``model.json`` against its fields and against the weights.

    Parameters
    ----------
    description : object
        What the JSON holds.
    weights : bytes
        Content of ``model.onnx``.
    location : str
        The model's directory, for messages.

    Raises
    ------
    ModelError
        Naming the file, the field and what was expected.
    """
    file = f"{location}/{DESCRIPTION_FILE}"
    if not isinstance(description, dict):
        raise ModelError(f"{file} must hold a JSON object")
    missing = [name for name in _FIELDS if name not in description]
    if missing:
        raise ModelError(f"{file} lacks the fields: {', '.join(missing)}")
    for name, field in _FIELDS.items():
        if not field.accepts(description[name]):
            raise ModelError(f"{file}: {name} is {reprlib.repr(description[name])}, expected {field.expected}")
    _check_weights(description["weights"].get("sha256"), weights, location)
    try:
        configs = [FeatureConfig.from_dict(values) for values in description["features"]]
    except (UsageError, TypeError, ValueError) as err:
        raise ModelError(f"{file}: features cannot be computed: {err}") from err
    if len({config.sample_rate for config in configs}) != 1:
        raise ModelError(f"{file}: features must hold one or more configurations of one sample rate")


def _check_weights(expected: Any, weights: bytes, location: str) -> None:
    file, found = f"{location}/{WEIGHTS_FILE}", hashlib.sha256(weights).hexdigest()
    if expected != found:
        raise ModelError(f"{file} is damaged: its sha256 is {found}, weights.sha256 in model.json is {expected}")
    if refers_to_other_files(weights):
        raise ModelError(f"{file} refers to other files: a model must be a single file")
