"""Model directories: what is accepted, and what is refused with the mismatch named."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from conftest import tiny_description, tiny_graph

from emosense.emotions import EMOTIONS
from emosense.errors import ModelError, RecordingError
from emosense.features.config import default_config
from emosense.models.model import Model
from emosense.models.model_files import read_model, shipped_models, write_model


class Sentinel:
    """Creates a file when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (self.path, "w"))


def written(folder: Path, graph: bytes | None = None, **changes: object) -> str:
    folder.mkdir(exist_ok=True)
    write_model(str(folder), tiny_description(**changes), graph or tiny_graph())
    return str(folder)


def edit(folder: str, change: Callable[[dict[str, Any]], None]) -> str:
    path = Path(folder) / "model.json"
    description = json.loads(path.read_text())
    change(description)
    path.write_text(json.dumps(description))
    return folder


def test_a_model_gives_probabilities_in_the_order_of_the_emotions(tmp_path: Path) -> None:
    model = Model(read_model(written(tmp_path / "m")))
    found = model.probabilities([np.random.default_rng(0).random((20, 128), np.float32)])
    assert found.shape == (len(EMOTIONS),)
    assert found.sum() == pytest.approx(1, abs=1e-6)


def test_classes_that_a_model_does_not_know_have_probability_zero(tmp_path: Path) -> None:
    classes = ["calm", "happy", "fearful", "disgust"]
    model = Model(read_model(written(tmp_path / "m", tiny_graph(n_classes=4), classes=classes)))
    found = model.probabilities([np.ones((5, 128), np.float32)])
    assert [name for name, value in zip(EMOTIONS, found, strict=True) if value > 0] == classes


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(format=99), "format is 99, expected 2"),
        (lambda d: d.update(kind="forest"), "kind is 'forest', expected one of mlp, cnn, transfer, ensemble"),
        (lambda d: d.update(emotions=list(reversed(EMOTIONS))), "in this order"),
        (lambda d: d.update(classes=["bored", "angry"]), "bored"),
        (lambda d: d.pop("licence"), "lacks the fields: licence"),
        (lambda d: d["features"][0].update(set="wavelets"), "wavelets"),
        (lambda d: d["features"][0].update(novelty=1), "novelty"),
        (lambda d: d["weights"].update(sha256="0" * 64), "damaged"),
        (lambda d: d.update(emotions=5), "in this order"),
        (lambda d: d.update(classes=[["sad"]]), "classes is .*, expected some of neutral, calm"),
        (lambda d: d.update(classes=["sad"] * len(EMOTIONS)), "classes is .*, expected some of"),
        (lambda d: d.update(classes=["sad", "calm"]), "classes is .* in this order"),
        (lambda d: d.update(weights=[]), r"weights is \[\], expected an object"),
        (lambda d: d.update(trained_on=[]), r"trained_on is \[\], expected an object"),
        (lambda d: d.update(window_s="x"), "window_s is 'x', expected seconds"),
        (lambda d: d.update(window_s=float("nan")), "window_s is nan, expected seconds"),
        (lambda d: d.update(calibration={"temperature": "2"}), "an object, whose temperature is a positive number"),
        (
            lambda d: d.update(calibration={"temperature": float("nan")}),
            "an object, whose temperature is a positive number",
        ),
        (lambda d: d.update(calibration={"temperature": 0}), "an object, whose temperature is a positive number"),
        (lambda d: d.update(features=[]), "one or more configurations of one sample rate"),
        (lambda d: d.update(features={}), r"features is \{\}, expected a list"),
        (lambda d: d["features"][0].update(n_mels=10**9), "n_mels"),
        (lambda d: d["features"][0].update(hop=2.5), "hop"),
        (lambda d: d["features"][0].update(sample_rate="16000"), "sample_rate"),
        (lambda d: d["features"][0].update(f_min_hz="x"), "f_min_hz must be a number"),
        (lambda d: d["features"][0].update(f_max_hz=-5), "f_max_hz must be a number"),
    ],
)
def test_a_description_that_does_not_fit_is_refused_with_its_file_and_field(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    with pytest.raises(ModelError, match=rf"m/model\.(json|onnx).*{message}"):
        read_model(edit(written(tmp_path / "m"), change))


def test_the_kind_may_be_a_model_family_of_an_installed_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = edit(written(tmp_path / "m"), lambda d: d.update(kind="forest"))
    info = tmp_path / "forests-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: forests\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[emosense.families]\nforest = forests:FAMILY\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert read_model(folder).description["kind"] == "forest"


def test_a_file_without_an_object_is_refused(tmp_path: Path) -> None:
    folder = written(tmp_path / "m")
    (tmp_path / "m" / "model.json").write_text("[]")
    with pytest.raises(ModelError, match=r"m/model\.json must hold a JSON object"):
        read_model(folder)


def test_a_graph_that_fails_is_an_error_of_the_recording(tmp_path: Path) -> None:
    model = Model(read_model(written(tmp_path / "m")))
    with pytest.raises(RecordingError, match="the model fails: ") as raised:
        model.probabilities([np.zeros((20, 64), np.float32)])
    assert raised.value.code == "model_error"


def test_a_model_is_fetched_from_no_web_page_however_its_scheme_is_written() -> None:
    with pytest.raises(ModelError, match="models are not fetched from HTTPS://"):
        read_model("HTTPS://127.0.0.1/model")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["features"][0].update(n_mels=64), "does not fit"),
        (lambda d: d.update(classes=["calm", "sad"]), "does not fit"),
        (lambda d: d["features"].append(d["features"][0] | {"n_mels": 64}), "takes features, model.json describes"),
        (lambda d: d["features"].append(default_config("functionals").to_dict()), "features_0, features_1"),
    ],
)
def test_a_graph_that_does_not_fit_its_description_is_refused_before_any_recording(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    files = read_model(edit(written(tmp_path / "m"), change))
    with pytest.raises(ModelError, match=message):
        Model(files)


def test_one_changed_byte_of_the_weights_is_refused(tmp_path: Path) -> None:
    folder = written(tmp_path / "m")
    weights = bytearray((tmp_path / "m" / "model.onnx").read_bytes())
    weights[len(weights) // 2] ^= 1
    (tmp_path / "m" / "model.onnx").write_bytes(weights)
    with pytest.raises(ModelError, match="sha256"):
        read_model(folder)


def test_a_pickle_named_onnx_is_refused_and_never_run(tmp_path: Path) -> None:
    sentinel = tmp_path / "sentinel"
    content = pickle.dumps(Sentinel(str(sentinel)))
    folder = written(tmp_path / "m", content)
    with pytest.raises(ModelError, match="not a usable ONNX graph"):
        Model(read_model(folder))
    assert not sentinel.exists()


@pytest.mark.parametrize("location", ["weights.bin", "../../weights.bin", "/etc/passwd"])
def test_a_graph_with_tensors_in_other_files_is_refused(tmp_path: Path, location: str) -> None:
    graph = onnx.load_from_string(tiny_graph())
    tensor = graph.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    with pytest.raises(ModelError, match="refers to other files"):
        written(tmp_path / "m", graph.SerializeToString())


@pytest.mark.parametrize("location", ["https://example.org/m", "hf://some/model"])
def test_models_are_not_fetched_from_the_web(location: str) -> None:
    with pytest.raises(ModelError, match="not fetched"):
        read_model(location)


def test_every_shipped_model_loads_and_is_small() -> None:
    models = shipped_models()
    assert "default" in models
    for folder in models.values():
        files = read_model(folder)
        Model(files)
        assert len(files.weights) < (13_000_000 if Path(folder).name == "accurate" else 10_000_000)
        assert "CC BY-NC-SA 4.0" in files.description["licence"]
        assert (Path(folder) / "MODEL_CARD.md").is_file()
