"""Model directories and parameters that nobody should have written: refused with a reason, never a traceback."""

from __future__ import annotations

import copy
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emosense.errors import ModelError
from emosense.models.description import check_description
from emosense.models.model import read_model, shipped_models

DESCRIPTION, WEIGHTS = read_model("fast").description, read_model("fast").weights
NESTED = b"[" * 100_000 + b"]" * 100_000


def fifo(place: Path) -> None:
    os.mkfifo(place)


def link_to_a_device(place: Path) -> None:
    place.symlink_to("/dev/zero")


def sparse(place: Path) -> None:
    with place.open("wb") as file:
        file.truncate(6 << 30)


def nested(place: Path) -> None:
    place.write_bytes(NESTED)


@pytest.mark.parametrize("name", ["model.json", "model.onnx"])
@pytest.mark.parametrize(
    ("make", "says"),
    [
        (fifo, "not a regular file"),
        (link_to_a_device, "not a regular file"),
        (sparse, "6,442,450,944 bytes, at most"),
        (nested, "nested too deeply|is damaged: its sha256"),
        (Path.mkdir, "Is a directory"),
    ],
)
def test_a_file_of_a_model_that_cannot_be_read_is_refused(
    name: str, make: Callable[[Path], None], says: str, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    shutil.copytree(shipped_models()["fast"], model)
    (model / name).unlink()
    make(model / name)
    with pytest.raises(ModelError, match=says):
        read_model(str(model))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("9" * 5000),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@st.composite
def changed_descriptions(draw: st.DrawFn) -> Any:
    """The description of a model with a value somewhere in it replaced."""
    description = {"": copy.deepcopy(DESCRIPTION)}
    place: Any = description
    key: Any = ""
    while isinstance(place[key], dict | list) and place[key] and draw(st.booleans() | st.just(True)):
        place = place[key]
        key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(min(len(place), 20))))
    place[key] = draw(VALUES)
    return description[""]


@given(changed_descriptions())
@settings(max_examples=300)
def test_a_description_of_any_shape_is_accepted_or_refused(description: Any) -> None:
    try:
        check_description(description, WEIGHTS, "model")
    except ModelError:
        return
    json.dumps(description)
