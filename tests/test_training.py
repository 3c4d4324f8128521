"""Training: ONNX against its framework, resuming, and data-parallel workers through Ray Train."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from emosense.errors import UsageError
from emosense.feature_table import FeatureTable
from emosense.features import feature_names
from emosense.models.artifact import Model, read_model
from emosense.pipelines.ray_session import ray_session
from emosense.pipelines.ray_training import RayTraining, fit_with_ray
from emosense.training import cnn, mlp
from emosense.training.cnn_presets import CnnConfig
from emosense.training.fitting import fit, predict, preset
from emosense.training.graphs import with_temperature

CLASSES = ("calm", "happy", "angry")


def made_table(config: CnnConfig | mlp.MlpConfig, n: int = 24, seed: int = 0) -> FeatureTable:
    """Features in which each class has its own band, so that a model can learn it in a few epochs."""
    rng = np.random.default_rng(seed)
    n_bands = len(feature_names(config.feature))
    labels = np.arange(n) % len(CLASSES)
    features = []
    for label in labels:
        is_sequence = isinstance(config, CnnConfig)
        shape = (
            (130 if config.feature.segment_s else int(rng.integers(60, 140)), n_bands) if is_sequence else (n_bands,)
        )
        values = rng.normal(-40, 6, shape)
        values[..., label * (n_bands // 3) : (label + 1) * (n_bands // 3)] += 15
        features.append(values.astype(np.float32))
    names = tuple(f"{index:03d}.wav" for index in range(n))
    speakers = tuple(f"s{index % 4}" for index in range(n))
    return FeatureTable(config.feature, names, tuple(CLASSES[label] for label in labels), speakers, ("",) * n, features)


def short(name: str, **changes: object) -> CnnConfig:
    return dataclasses.replace(preset("cnn", name), epochs=3, **changes)


@pytest.mark.parametrize("name", ["reference", "default"])
def test_the_mlps_onnx_graph_gives_scikit_learns_probabilities(name: str) -> None:
    config = dataclasses.replace(preset("mlp", name), classes=CLASSES)
    table = made_table(config, 60)
    values = np.stack(table.features)
    pipeline = mlp.fit(values, table.labels(CLASSES), config, seed=0)
    found = predict(mlp.to_onnx(pipeline, values.shape[1]), [table], len(CLASSES))
    np.testing.assert_allclose(found, pipeline.predict_proba(values), atol=1e-6)


@pytest.mark.parametrize("name", ["reference", "default"])
def test_the_cnns_onnx_graph_gives_keras_probabilities(name: str) -> None:
    config = short(name)
    table = made_table(config)
    model = cnn.fit(table.features, table.labels(CLASSES), config, n_classes=3, seed=0)
    found = predict(cnn.to_onnx(model, config, table.features[0].shape[1]), [table], 3)
    expected = np.concatenate([np.asarray(model(features[np.newaxis], training=False)) for features in table.features])
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_the_reference_presets_are_the_published_ones() -> None:
    reference = preset("mlp", "reference")
    assert len(feature_names(reference.feature)) == 180
    assert (reference.hidden_units, reference.alpha, reference.batch_size) == (300, 0.01, 256)
    assert (reference.learning_rate, reference.max_iter) == ("adaptive", 500)
    assert reference.classes == ("calm", "happy", "fearful", "disgust")
    assert len(feature_names(preset("cnn", "reference").feature)) == 13
    assert preset("cnn", "reference").feature.segment_s == 3.0


def test_an_unknown_preset_is_named() -> None:
    with pytest.raises(UsageError, match="unknown preset 'huge'"):
        preset("cnn", "huge")
    with pytest.raises(UsageError, match="unknown model kind 'svm'"):
        preset("svm", "default")


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_temperature_in_the_graph_is_temperature_on_the_logits(temperature: float) -> None:
    config = dataclasses.replace(preset("mlp", "default"), classes=CLASSES)
    table = made_table(config, 60)
    weights = mlp.to_onnx(
        mlp.fit(np.stack(table.features), table.labels(CLASSES), config, seed=0), len(table.features[0])
    )
    plain, scaled = (predict(graph, [table], 3) for graph in (weights, with_temperature(weights, temperature)))
    logits = np.log(np.maximum(plain, 1e-30)) / temperature
    expected = np.exp(logits - logits.max(axis=1, keepdims=True))
    np.testing.assert_allclose(scaled, expected / expected.sum(axis=1, keepdims=True), atol=1e-5)


def test_a_resumed_training_gives_the_weights_of_an_uninterrupted_one() -> None:
    config = short("default")
    table, states = made_table(config), []
    whole = fit(table, CLASSES, config, seed=3, on_epoch=lambda result: states.append(result.snapshot()))
    resumed = fit(table, CLASSES, config, seed=3, state=states[0])
    np.testing.assert_array_equal(predict(resumed.weights, [table], 3), predict(whole.weights, [table], 3))


@pytest.fixture(scope="module")
def running_ray() -> Iterator[None]:
    with ray_session(None, 3):
        yield


def run(storage: Path, table: FeatureTable, config: CnnConfig, **training: object) -> tuple[bytes, list[dict]]:
    options = RayTraining(str(storage), **training)
    fitted = fit_with_ray(table, CLASSES, config, name="run", seed=0, validation=table, training=options)
    return fitted.weights, fitted.history


def test_two_workers_hold_equal_weights_after_every_epoch_and_learn_as_one_does(
    running_ray: None, tmp_path: Path
) -> None:
    config = short("default", batch_size=8)
    table = made_table(config)
    one, one_history = run(tmp_path / "one", table, config)
    two, two_history = run(tmp_path / "two", table, config, n_workers=2)
    assert [record["epoch"] for record in two_history] == [record["epoch"] for record in one_history]
    for record in two_history:
        assert len(record["weights_sha256"]) == 2
        assert len(set(record["weights_sha256"])) == 1
    losses = [history[-1]["train_loss"] for history in (one_history, two_history)]
    assert losses[1] == pytest.approx(losses[0], rel=0.25)
    hits = [np.mean(predict(w, [table], 3).argmax(axis=1) == table.labels(CLASSES)) for w in (one, two)]
    assert hits[1] == pytest.approx(hits[0], abs=0.25)


def training_workers() -> list[int]:
    """Ids of the processes of Ray Train's workers that this test run started."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                title = (entry / "cmdline").read_bytes()
                environment = (entry / "environ").read_bytes()
            except OSError:
                continue
            if b"RayTrainWorker" in title and os.environ["RAY_AUTH_TOKEN"].encode() in environment:
                found.append(int(entry.name))
    return found


def test_a_worker_killed_in_training_goes_on_from_its_checkpoint(running_ray: None, tmp_path: Path) -> None:
    config = dataclasses.replace(short("default", batch_size=8), epochs=12)
    table = made_table(config, 60)
    killed: list[int] = []

    def kill_after_first_checkpoint() -> None:
        deadline_s = time.monotonic() + 120
        while time.monotonic() < deadline_s and not list((tmp_path / "run").glob("checkpoint_*/state.npz")):
            time.sleep(0.05)
        for pid in training_workers()[:1]:
            killed.append(pid)
            os.kill(pid, signal.SIGKILL)

    thread = threading.Thread(target=kill_after_first_checkpoint)
    thread.start()
    weights, history = run(tmp_path, table, config, max_failures=1)
    thread.join()
    assert killed, "no training worker was found to kill"
    assert [record["epoch"] for record in history] == list(range(history[0]["epoch"], history[0]["epoch"] + 12))
    undisturbed = fit(table, CLASSES, config, seed=0, validation=table)
    np.testing.assert_allclose(predict(weights, [table], 3), predict(undisturbed.weights, [table], 3), atol=1e-4)


def test_a_trained_model_directory_describes_itself(running_ray: None, tmp_path: Path) -> None:
    from emosense.corpora import Corpus, Utterance
    from emosense.feature_table import FeatureTableWriter
    from emosense.pipelines.train import TrainJob, train
    from emosense.progress import Silent
    from emosense.recordings import Recording

    config = preset("mlp", "default")
    table = made_table(config, 60)
    corpus = Corpus("table", tuple(
        Utterance(Recording(path, path, 1, "1"), emotion, speaker)
        for path, emotion, speaker in zip(table.paths, table.emotions, table.speakers, strict=True)
    ), ())  # fmt: skip
    results = [{"features": values, "n_frames": 0, "error_code": "", "error": ""} for values in table.features]
    with open(tmp_path / "features.parquet", "wb") as file:
        writer = FeatureTableWriter(file, config.feature)
        writer.write(corpus.utterances, results)
        writer.close()
    output = tmp_path / "model"
    job = TrainJob("mlp", str(tmp_path / "features.parquet"), str(output), emotions=CLASSES, validation_share=0.25)
    train(job, Silent())
    files = read_model(str(output))
    assert files.description["classes"] == list(CLASSES)
    assert files.description["trained_on"]["n_recordings"] == 60
    assert files.description["scores"][0]["uar"] > 0.9
    curves = json.loads((output / "curves.json").read_text())
    assert set(curves) == {"validation", "final"}
    found = Model(files).probabilities([table.features[1]])
    assert found.argmax() == 2  # happy
    with pytest.raises(UsageError, match="holds a model"):
        train(job, Silent())
