"""Model directories and parameters that nobody should have written: refused with a reason, never a traceback."""

from __future__ import annotations

import copy
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from conftest import tiny_description
from hypothesis import given, settings
from hypothesis import strategies as st

from emosense.errors import ModelError
from emosense.features.config import default_config
from emosense.labelling.config import LabelConfig, LabelSpec
from emosense.labelling.worker_process import WorkerProcess
from emosense.models import trial
from emosense.models.description import check_description
from emosense.models.model_files import ModelFiles, read_model, shipped_models, write_model
from emosense.models.trial import try_model

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


@pytest.mark.parametrize("text", ["", " ", "a\x1b[2Jb", "a\0b", "a\rb", "\ud800", "a" * 10_001, 5, None, ["a"]])
@pytest.mark.parametrize("field", ["name", "version", "licence"])
def test_odd_texts_of_a_model_are_refused(field: str, text: object) -> None:
    with pytest.raises(ModelError, match=f"model.json: {field} is .*, expected text"):
        check_description(DESCRIPTION | {field: text}, WEIGHTS, "model")


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


def hostile_graph(kind: str) -> bytes:
    """A graph that takes the features ``summary`` and never ends, or takes 16 GB, or kills its process."""
    helper, of = onnx.helper, onnx.TensorProto
    scalar, flag = helper.make_tensor_value_info("n", of.INT64, []), helper.make_tensor_value_info("go", of.BOOL, [])
    state = helper.make_tensor_value_info("state", of.FLOAT, [1, 8])
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["again"]), helper.make_node("Sin", ["state"], ["next"])],
        "body",
        [scalar, flag, state],
        [
            helper.make_tensor_value_info("again", of.BOOL, []),
            helper.make_tensor_value_info("next", of.FLOAT, [1, 8]),
        ],
    )
    start = [
        helper.make_node("ReduceMean", ["features"], ["mean"], keepdims=1),
        helper.make_node("Expand", ["mean", "shape"], ["started"]),
    ]
    constants = {
        "shape": onnx.numpy_helper.from_array(np.array([1, 8]), "shape"),
        "most": onnx.numpy_helper.from_array(np.array(2**62), "most"),
        "yes": onnx.numpy_helper.from_array(np.array(True), "yes"),
        "huge": onnx.numpy_helper.from_array(np.array([4_000_000_000]), "huge"),
    }
    if kind == "loop":
        nodes = [*start, helper.make_node("Loop", ["most", "yes", "started"], ["looped"], body=body)]
    else:
        nodes = [
            *start,
            helper.make_node("Reshape", ["mean", "one"], ["flat"]),
            helper.make_node("Expand", ["flat", "huge"], ["gigabytes"]),
            helper.make_node("ReduceMean", ["gigabytes"], ["small"], keepdims=1),
            helper.make_node("Add", ["small", "started"], ["looped"]),
        ]
        constants["one"] = onnx.numpy_helper.from_array(np.array([1]), "one")
    nodes.append(helper.make_node("Softmax", ["looped"], ["probabilities"], axis=1))
    graph = helper.make_graph(
        nodes,
        "hostile",
        [helper.make_tensor_value_info("features", of.FLOAT, [1, 180])],
        [helper.make_tensor_value_info("probabilities", of.FLOAT, [1, 8])],
        list(constants.values()),
    )
    return onnx.helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8).SerializeToString()


# Two seconds are enough for a hostile model, and a test need not wait for twenty.
SHORT = "from emosense.models import limits; limits.MODEL_CPU_S = 2; from {} import main; main()"
REASONS = [("loop", "s of CPU time"), ("memory", "(?i)alloc")]


def hostile_model(folder: Path, kind: str) -> ModelFiles:
    features = [default_config("summary").to_dict()]
    write_model(str(folder), tiny_description(kind="mlp", features=features), hostile_graph(kind))
    return read_model(str(folder))


@pytest.mark.parametrize(("kind", "says"), REASONS)
def test_a_model_without_end_is_refused_where_it_is_tried(
    kind: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "COMMAND", ("-c", SHORT.format("emosense.models.trial")))
    with pytest.raises(ModelError, match=says):
        try_model(hostile_model(tmp_path, kind))


@pytest.mark.parametrize(("kind", "says"), REASONS)
def test_a_model_without_end_stops_the_first_worker_that_loads_it(kind: str, says: str, tmp_path: Path) -> None:
    worker = ("-P", "-c", SHORT.format("emosense.labelling.worker"))
    process = WorkerProcess(LabelSpec(hostile_model(tmp_path, kind), LabelConfig(), worker=worker), lambda: False)
    start_s = time.monotonic()
    try:
        with pytest.raises(ModelError, match=says):
            process.start()
    finally:
        process.stop()
    assert time.monotonic() - start_s < 60


def test_a_model_that_ends_its_process_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "COMMAND", ("-c", "import os; os.kill(os.getpid(), 11)"))
    with pytest.raises(ModelError, match="ends the process that tries it with SIGSEGV"):
        try_model(read_model("fast"))


def test_a_good_model_passes_and_one_that_ships_is_not_tried(tiny_model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert try_model(read_model(tiny_model)) == pytest.approx(1, abs=1e-3)
    monkeypatch.setattr(trial, "COMMAND", ("-c", "raise SystemExit(1)"))
    assert try_model(read_model("fast"), "fast") == 1


@pytest.mark.parametrize("window_s", [1e-6, 0, 0.2499, 3601, True, float("nan"), "3"])
def test_a_window_that_no_recording_has_is_refused(window_s: object) -> None:
    with pytest.raises(ModelError, match=r"window_s is .*, expected seconds, from 0\.25 to 3600"):
        check_description(DESCRIPTION | {"window_s": window_s}, WEIGHTS, "model")
