"""Networks are trained once, and found again by everything that decides them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import Listener

from emosense.features.config import default_config
from emosense.progress import Silent
from emosense.ray_session import ray_session
from emosense.storage.writing import write_bytes
from emosense.training.ensemble import assemble, members_of
from emosense.training.epoch_lines import EpochLines
from emosense.training.families import fit
from emosense.training.features.extraction import Copy, Speed
from emosense.training.features.table import FeatureTable
from emosense.training.mlp_settings import MlpConfig
from emosense.training.network_store import NetworkStore, holds_networks
from emosense.training.prediction import predict
from emosense.training.presets import preset
from emosense.training.settings import EnsembleConfig
from emosense.training.trained_network import TrainedNetwork
from emosense.training.training_runs_on_ray import TrainingRun, TrainingRuns

CLASSES = ("calm", "angry")
ALL = np.arange(12)


@pytest.fixture(scope="module")
def running_ray() -> Iterator[None]:
    with ray_session(None, 1):
        yield


def made(seed: int = 0, scale: float = 1.0) -> FeatureTable:
    rng = np.random.default_rng(seed)
    features = [rng.normal((-1) ** row, scale, 30).astype(np.float32) for row in range(12)]
    names = tuple(f"{row}.wav" for row in range(12))
    emotions = tuple(CLASSES[row % 2] for row in range(12))
    return FeatureTable(default_config("functionals"), names, emotions, ("a", "b", "c") * 4, ("",) * 12, features)


def small() -> MlpConfig:
    config = preset("mlp", "default")
    assert isinstance(config, MlpConfig)
    return dataclasses.replace(config, hidden_units=4, max_iter=2, speeds=(1.0,))


def training_runs(table: FeatureTable, *folders: Path, classes: tuple[str, ...] = CLASSES) -> TrainingRuns:
    places = NetworkStore(tuple(str(folder) for folder in folders))
    return TrainingRuns({table.config: table}, classes, places, None, 1)


def n_kept(folder: Path) -> int:
    return len(list(folder.glob("*.json")))


def test_a_trained_network_is_not_trained_again(running_ray: None, tmp_path: Path) -> None:
    run = TrainingRun(small(), 0, ALL)
    (first,) = training_runs(made(), tmp_path).run([run], Silent())
    (kept,) = tmp_path.glob("*.json")
    marked = json.loads(kept.read_text()) | {"history": ["marked"]}
    kept.write_text(json.dumps(marked))
    again = training_runs(made(), tmp_path).run([run, run], Silent())
    assert again == [TrainedNetwork(first.weights, ["marked"])] * 2
    assert first.history != []


def test_an_mlp_says_from_its_task_how_long_it_takes_at_most(running_ray: None, tmp_path: Path) -> None:
    heard, table = Listener(), made()
    config = dataclasses.replace(small(), max_iter=60, learning_rate_init=1e-3)
    runs = TrainingRuns(
        {table.config: table}, CLASSES, NetworkStore((str(tmp_path),)), None, 1, listener=EpochLines(heard, 1)
    )
    runs.run([TrainingRun(config, 0, ALL, name="a")], Silent())
    (estimate,) = (line for line in heard.messages if not line.startswith("a: epoch "))
    assert estimate.endswith("s at most: 1 network of 60 epochs")
    assert len(heard.messages) > 21


def test_networks_of_another_folder_are_used_and_not_copied(running_ray: None, tmp_path: Path) -> None:
    run = TrainingRun(small(), 0, ALL)
    (first,) = training_runs(made(), tmp_path / "first").run([run], Silent())
    (second,) = training_runs(made(), tmp_path / "second", tmp_path / "first").run([run], Silent())
    assert second == first
    assert n_kept(tmp_path / "first") == 1
    assert not (tmp_path / "second").exists()


@pytest.mark.parametrize(
    ("run", "table", "is_same"),
    [
        (TrainingRun(small(), 1, ALL), made(), False),
        (TrainingRun(dataclasses.replace(small(), alpha=3.0), 0, ALL), made(), False),
        (TrainingRun(small(), 0, ALL[1:]), made(), False),
        (TrainingRun(small(), 0, ALL, ALL[:2]), made(), False),
        (TrainingRun(small(), 0, ALL), made(scale=1.1), False),
        (TrainingRun(dataclasses.replace(small(), name="other"), 0, ALL), made(), True),
    ],
    ids=["seed", "setting", "rows", "validation", "features", "name"],
)
def test_a_network_is_trained_again_when_anything_that_decides_it_changes(
    running_ray: None, tmp_path: Path, run: TrainingRun, table: FeatureTable, is_same: bool
) -> None:
    training_runs(made(), tmp_path).run([TrainingRun(small(), 0, ALL)], Silent())
    training_runs(table, tmp_path).run([run], Silent())
    assert n_kept(tmp_path) == (1 if is_same else 2)


def test_copies_that_a_network_does_not_train_on_do_not_count() -> None:
    table, copy = made(), made(1).features
    slower, faster = (Copy(small().feature, Speed(speed)) for speed in (0.9, 1.1))
    slow, both = (
        dataclasses.replace(table, copies=copies)
        for copies in ({slower: copy}, {slower: copy, faster: made(2).features})
    )
    run = TrainingRun(dataclasses.replace(small(), speeds=(0.9, 1.0)), 0, ALL)
    nowhere = Path("nowhere")
    assert training_runs(slow, nowhere).key(run) == training_runs(both, nowhere).key(run)
    other = dataclasses.replace(table, copies={slower: made(2).features})
    assert training_runs(slow, nowhere).key(run) != training_runs(other, nowhere).key(run)
    assert fit(slow, CLASSES, run.config, seed=0) == fit(both, CLASSES, run.config, seed=0)
    assert fit(slow, CLASSES, run.config, seed=0).history != fit(table, CLASSES, small(), seed=0).history


def test_views_of_a_network_do_not_count() -> None:
    config = preset("cnn", "default")
    table = dataclasses.replace(made(), config=config.feature)
    trainer = training_runs(table, Path("nowhere"))
    two_views = dataclasses.replace(config, views=(1.0, 1.1))
    assert trainer.key(TrainingRun(config, 0, ALL)) == trainer.key(TrainingRun(two_views, 0, ALL))
    assert config.views != two_views.views


def test_a_network_without_its_history_is_trained_again(running_ray: None, tmp_path: Path) -> None:
    run = TrainingRun(small(), 0, ALL)
    training_runs(made(), tmp_path).run([run], Silent())
    (kept,) = tmp_path.glob("*.json")
    kept.unlink()
    (weights,) = tmp_path.glob("*.onnx")
    weights.write_bytes(b"half")
    (network,) = training_runs(made(), tmp_path).run([run], Silent())
    assert network.weights != b"half"
    assert n_kept(tmp_path) == 1


@pytest.mark.parametrize("part", ["json", "onnx"])
def test_a_network_with_a_truncated_file_is_trained_again(running_ray: None, tmp_path: Path, part: str) -> None:
    run = TrainingRun(small(), 0, ALL)
    (first,) = training_runs(made(), tmp_path / "old").run([run], Silent())
    (kept,) = (tmp_path / "old").glob(f"*.{part}")
    whole = kept.read_bytes()
    kept.write_bytes(whole[: len(whole) // 2])
    (again,) = training_runs(made(), tmp_path / "new", tmp_path / "old").run([run], Silent())
    assert again == first
    assert n_kept(tmp_path / "new") == 1


@pytest.mark.parametrize("other", [b"[]", b"{}", b'{"sha256": 1}'])
def test_a_network_with_other_content_is_not_found(tmp_path: Path, other: bytes) -> None:
    places = NetworkStore((str(tmp_path),))
    places.keep("key", TrainedNetwork(b"weights", [{"epoch": 1}]))
    assert places.find("key") == TrainedNetwork(b"weights", [{"epoch": 1}])
    (kept,) = tmp_path.glob("*.json")
    kept.write_bytes(other)
    assert places.find("key") is None


def test_a_folder_holds_networks_when_one_is_complete(running_ray: None, tmp_path: Path) -> None:
    assert not holds_networks(str(tmp_path / "nowhere"))
    assert not holds_networks(str(tmp_path))
    training_runs(made(), tmp_path).run([TrainingRun(small(), 0, ALL)], Silent())
    assert holds_networks(str(tmp_path))
    (kept,) = tmp_path.glob("*.json")
    kept.unlink()
    assert not holds_networks(str(tmp_path))
    assert not holds_networks("memory://test-fits/evaluation/fits")
    write_bytes("memory://test-fits/evaluation/fits/0.json", b"[]")
    assert holds_networks("memory://test-fits/evaluation/fits")


def test_an_ensemble_gives_the_geometric_mean_of_its_networks(running_ray: None, tmp_path: Path) -> None:
    table = made()
    ensemble = EnsembleConfig(
        "two", tuple(dataclasses.replace(m, config=small()) for m in preset("ensemble", "default").members[:2])
    )
    networks: list[TrainedNetwork] = training_runs(table, tmp_path).run(
        [TrainingRun(member.config, member.seed, ALL) for member in members_of(ensemble, 0)], Silent()
    )
    found = predict(assemble(ensemble, [network.weights for network in networks]), [table], 2)
    product = np.prod([predict(network.weights, [table], 2) for network in networks], axis=0) ** 0.5
    np.testing.assert_allclose(found, product / product.sum(axis=1, keepdims=True), atol=1e-6)
    assert networks[0].weights != networks[1].weights
