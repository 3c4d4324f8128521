"""Presets and model families come from registries, which packages extend; help and docs list them."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np
import onnx
import pytest
from conftest import REPOSITORY
from onnx import TensorProto, helper, numpy_helper
from typer.testing import CliRunner

from emosense.cli.main import app
from emosense.features.config import default_config
from emosense.inputs.recording import Recording
from emosense.inputs.utterance import Utterance
from emosense.labelling.job import LabelJob
from emosense.labelling.run_job import run_label_job
from emosense.models import description
from emosense.models.model_files import read_model
from emosense.progress import Silent
from emosense.training.families import FAMILIES, Family
from emosense.training.features.extraction import extract_recordings
from emosense.training.features.table import FeatureTable
from emosense.training.features.table_file import FeatureTableWriter
from emosense.training.job import TrainJob
from emosense.training.mlp_settings import MlpConfig
from emosense.training.presets import PRESETS, Preset
from emosense.training.settings import NetworkConfig
from emosense.training.train import train
from emosense.training.trained_network import TrainedNetwork

CLASSES = ("calm", "angry")
FEATURE = default_config("summary")
PRESET_LINES = [
    f"| `{each.settings.kind}` | `{each.settings.name}` | {each.description} |" for each in PRESETS.values()
]


@pytest.fixture
def features(write_voice: Callable[..., Path], tmp_path: Path) -> str:
    """Features of 8 recordings, calm ones low and angry ones high; extracted here, since Ray takes seconds to start."""
    utterances = []
    for number in range(8):
        path = str(write_voice(f"voices/{number}.wav", 0.5, 110 + 10 * number + 150 * (number % 2)))
        utterances.append(Utterance(Recording(path, path, -1, ""), CLASSES[number % 2], f"s{number // 4}"))
    results = extract_recordings((utterance.recording for utterance in utterances), FEATURE)
    with open(tmp_path / "features.parquet", "wb") as file:
        writer = FeatureTableWriter(file, FEATURE)
        writer.write(utterances, results)
        writer.close()
    return str(tmp_path / "features.parquet")


def trained_and_labelled(kind: str, features: str, folder: Path) -> list[dict[str, str]]:
    """Train a made-up preset, and label the recordings that it was trained on."""
    output, table = str(folder / "model"), str(folder / "labels.csv")
    job = TrainJob(kind, features, output, "made-up", CLASSES, validation_share=0)
    train(job, Silent())
    run_label_job(LabelJob((str(folder / "voices"),), table, model=output, engine="local"))
    with open(table, newline="") as file:
        return list(csv.DictReader(file))


def test_the_docs_list_the_presets_of_the_registry() -> None:
    text = (REPOSITORY / "docs" / "training.md").read_text()
    listed = [
        line for line in text.splitlines() if line.startswith(("| `mlp`", "| `cnn`", "| `transfer`", "| `ensemble`"))
    ]
    assert listed == [
        f"| `{each.settings.kind}` | `{each.settings.name}` | {each.description} |" for each in PRESETS.values()
    ]


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_the_help_names_the_presets_of_the_registry(command: str) -> None:
    # Lines also end at hyphens.
    text = "".join(CliRunner().invoke(app, [command, "--help"]).output.split())
    for kind in dict.fromkeys(each.settings.kind for each in PRESETS.values()):
        names = [each.settings.name for each in PRESETS.values() if each.settings.kind == kind]
        assert f"{kind}:{','.join(names)}" in text


def test_a_made_up_preset_is_trained_and_labels(features: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = MlpConfig("made-up", FEATURE, hidden_units=4, max_iter=40, standardise=True)
    monkeypatch.setattr(PRESETS, "_entries", {**PRESETS})
    PRESETS.register("mlp-made-up", Preset(settings, "four hidden units"))
    rows = trained_and_labelled("mlp", features, tmp_path)
    assert [row["status"] for row in rows] == ["ok"] * 8
    assert {row["emotion"] for row in rows} <= set(CLASSES)
    assert "Preset `made-up`: four hidden units" in (tmp_path / "model" / "MODEL_CARD.md").read_text()


@dataclasses.dataclass(frozen=True, slots=True)
class CentroidConfig(NetworkConfig):
    """Settings of a made-up family: the class whose mean features are nearest."""

    kind: ClassVar[str] = "centroid"


def fit_centroids(
    table: FeatureTable,
    classes: tuple[str, ...],
    config: CentroidConfig,
    *,
    seed: int,
    validation: FeatureTable | None = None,
) -> TrainedNetwork:
    values, labels = np.stack(table.features), table.labels(classes)
    means = np.stack([values[labels == label].mean(axis=0) for label in range(len(classes))])
    # Nearest in squared distance, of which |x|^2 is the same for all classes.
    tensors = {"weights": 2 * means.T, "bias": -(means**2).sum(axis=1)}
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["features", "weights", "bias"], ["nearness"]),
            helper.make_node("Softmax", ["nearness"], ["probabilities"], axis=1),
        ],
        "centroids",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", values.shape[1]])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", len(classes)])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in tensors.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made)
    return TrainedNetwork(made.SerializeToString(), [])


def test_a_made_up_family_is_trained_and_labels(features: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(description, "KINDS", (*description.KINDS, "centroid"))
    monkeypatch.setattr(PRESETS, "_entries", {**PRESETS})
    monkeypatch.setattr(FAMILIES, "_entries", {**FAMILIES})
    FAMILIES.register("centroid", Family("A nearest-centroid classifier", ("onnx",), (__name__,), fit_centroids))
    settings = CentroidConfig("made-up", FEATURE)
    PRESETS.register("centroid-made-up", Preset(settings, "nearest mean"))
    rows = trained_and_labelled("centroid", features, tmp_path)
    assert [row["emotion"] for row in rows] == [CLASSES[number % 2] for number in range(8)]
    assert read_model(str(tmp_path / "model")).description["versions"]["onnx"] == onnx.__version__
    card = (tmp_path / "model" / "MODEL_CARD.md").read_text()
    assert "A nearest-centroid classifier on means of MFCC" in card
    assert set(FAMILIES) < set(description.KINDS)
