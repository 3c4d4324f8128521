"""Training: ONNX against its framework, resuming, and data-parallel workers through Ray Train."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
from made_tables import CLASSES, add_preset, made_table

from emosense.crossvalidation.evaluate import evaluate
from emosense.crossvalidation.job import EvaluateJob
from emosense.errors import UsageError
from emosense.features.sets import FEATURE_SETS
from emosense.inputs.recording import Recording
from emosense.inputs.utterance import Utterance
from emosense.models.model import Model
from emosense.models.model_files import read_model
from emosense.progress import Lines, Silent
from emosense.ray_session import ray_session
from emosense.training import cnn, mlp, mlp_export
from emosense.training.cnn_settings import CnnConfig
from emosense.training.features.table import FeatureTable
from emosense.training.features.table_file import FeatureTableWriter
from emosense.training.gradient_descent.train_on_ray import RayTraining, train_with_ray
from emosense.training.gradient_descent.training import GradientTraining, train_here
from emosense.training.gradient_descent.training_set import TrainingSet
from emosense.training.graphs import with_temperature
from emosense.training.job import TrainJob
from emosense.training.model_card import trained_text
from emosense.training.prediction import predict
from emosense.training.presets import preset
from emosense.training.train import train
from emosense.training.trained_network import TrainedNetwork


def short(name: str, **changes: object) -> CnnConfig:
    return dataclasses.replace(preset("cnn", name), epochs=3, **changes)


@pytest.mark.parametrize("classes", [CLASSES, CLASSES[:2]])
@pytest.mark.parametrize("changes", [{}, {"hidden_units": 0}])
@pytest.mark.parametrize("name", ["reference", "default"])
def test_the_mlps_onnx_graph_gives_scikit_learns_probabilities(
    name: str, changes: dict[str, int], classes: tuple[str, ...]
) -> None:
    config = dataclasses.replace(preset("mlp", name), classes=classes, **changes)
    table = made_table(config, 60).with_emotions(classes)
    values = np.stack(table.features)
    pipeline = mlp.fit_pipeline(values, table.labels(classes), config, seed=0)
    found = predict(mlp_export.to_onnx(pipeline, values.shape[1], len(classes)), [table], len(classes))
    np.testing.assert_allclose(found, pipeline.predict_proba(values), atol=1e-6)


@pytest.mark.parametrize("name", ["reference", "default"])
def test_the_cnns_onnx_graph_gives_keras_probabilities(name: str) -> None:
    config = short(name)
    table = made_table(config)
    trained = []

    def run(training: GradientTraining, examples: TrainingSet, validation: None) -> TrainedNetwork:
        def keep(model: keras.Model) -> bytes:
            trained.append(model)
            return training.finish(model)

        return train_here(dataclasses.replace(training, finish=keep), examples, validation)

    network = cnn.fit(table, CLASSES, config, seed=0, run=run)
    (model,) = trained
    found = predict(network.weights, [table], 3)
    expected = np.concatenate([np.asarray(model(features[np.newaxis], training=False)) for features in table.features])
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_the_reference_presets_are_the_published_ones() -> None:
    reference = preset("mlp", "reference")
    assert len(FEATURE_SETS[reference.feature.set].names(reference.feature)) == 180
    assert (reference.hidden_units, reference.alpha, reference.batch_size) == (300, 0.01, 256)
    assert (reference.learning_rate, reference.max_iter) == ("adaptive", 500)
    assert reference.classes == ("calm", "happy", "fearful", "disgust")
    assert len(FEATURE_SETS[preset("cnn", "reference").feature.set].names(preset("cnn", "reference").feature)) == 13
    assert preset("cnn", "reference").feature.segment_s == 3.0


def test_an_unknown_preset_is_named() -> None:
    with pytest.raises(UsageError, match="unknown preset 'cnn-huge': choose one of mlp-reference, mlp-default"):
        preset("cnn", "huge")
    with pytest.raises(UsageError, match="unknown preset 'svm-default'"):
        preset("svm", "default")


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_temperature_in_the_graph_is_temperature_on_the_logits(temperature: float) -> None:
    config = dataclasses.replace(preset("mlp", "default"), classes=CLASSES)
    table = made_table(config, 60)
    weights = mlp_export.to_onnx(
        mlp.fit_pipeline(np.stack(table.features), table.labels(CLASSES), config, seed=0), len(table.features[0]), 3
    )
    plain, scaled = (predict(graph, [table], 3) for graph in (weights, with_temperature(weights, temperature)))
    logits = np.log(np.maximum(plain, 1e-30)) / temperature
    expected = np.exp(logits - logits.max(axis=1, keepdims=True))
    np.testing.assert_allclose(scaled, expected / expected.sum(axis=1, keepdims=True), atol=1e-5)


def test_a_resumed_training_gives_the_weights_of_an_uninterrupted_one() -> None:
    config = short("default")
    table, states = made_table(config), []
    keep = functools.partial(train_here, on_epoch=lambda _, snapshot: states.append(snapshot()))
    whole = cnn.fit(table, CLASSES, config, seed=3, run=keep)
    resumed = cnn.fit(table, CLASSES, config, seed=3, run=functools.partial(train_here, state=states[0]))
    np.testing.assert_array_equal(predict(resumed.weights, [table], 3), predict(whole.weights, [table], 3))


@pytest.fixture(scope="module")
def running_ray() -> Iterator[None]:
    with ray_session(None, 3):
        yield


def run(storage: Path, table: FeatureTable, config: CnnConfig, **training: object) -> tuple[bytes, list[dict]]:
    train_workers = functools.partial(train_with_ray, name="run", options=RayTraining(str(storage), **training))
    network = cnn.fit(table, CLASSES, config, seed=0, validation=table, run=train_workers)
    return network.weights, network.history


def test_two_workers_hold_equal_weights_after_every_epoch_and_learn(running_ray: None, tmp_path: Path) -> None:
    config = short("default", batch_size=8, mixup=0.0, augment=None, dropout=0.0, average=0.5)
    config = dataclasses.replace(config, epochs=8)
    table = made_table(config)
    one = cnn.fit(table, CLASSES, config, seed=0, validation=table)
    # Half the batch on each of two workers: the same number of steps.
    halves = dataclasses.replace(config, batch_size=4)
    two, two_history = run(tmp_path / "two", table, halves, n_workers=2)
    assert [record["epoch"] for record in two_history] == [record["epoch"] for record in one.history]
    for record in two_history:
        assert len(record["weights_sha256"]) == 2
        assert len(set(record["weights_sha256"])) == 1
    first, *_, last = [record["train_loss"] for record in two_history]
    assert last < 0.6 * first
    hits = [np.mean(predict(w, [table], 3).argmax(axis=1) == table.labels(CLASSES)) for w in (one.weights, two)]
    assert min(hits) > 0.9


def parent_of(pid: int) -> int:
    """Id of a process's parent; 0 where it is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def is_ours(pid: int) -> bool:
    """Whether this process started another one, be it through others."""
    while pid > 1 and pid != os.getpid():
        pid = parent_of(pid)
    return pid == os.getpid()


def training_workers() -> list[int]:
    """Ids of the processes of Ray Train's workers that this test run started."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                title = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if b"RayTrainWorker" in title and is_ours(int(entry.name)):
                found.append(int(entry.name))
    return found


def test_a_training_whose_worker_is_killed_resumes_from_its_checkpoint(running_ray: None, tmp_path: Path) -> None:
    config = dataclasses.replace(short("default", batch_size=8), epochs=12)
    table = made_table(config, 60)
    killed: list[int] = []

    def kill_after_first_checkpoint() -> None:
        deadline_s = time.monotonic() + 300
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
    undisturbed = cnn.fit(table, CLASSES, config, seed=0, validation=table)
    np.testing.assert_allclose(predict(weights, [table], 3), predict(undisturbed.weights, [table], 3), atol=1e-4)


def store(table: FeatureTable, path: Path) -> str:
    """Write a feature table as `emosense-batch features` does."""
    labels = zip(table.paths, table.emotions, table.speakers, table.corpora, table.languages, strict=True)
    utterances = [
        Utterance(Recording(path, path, 1, "1"), emotion, speaker, "", corpus, language)
        for path, emotion, speaker, corpus, language in labels
    ]
    results = [
        {"features": f.ravel(), "n_frames": len(f) if f.ndim == 2 else 0, "error_code": "", "error": ""}
        for f in table.features
    ]
    with open(path, "wb") as file:
        writer = FeatureTableWriter(file, table.config)
        writer.write(utterances, results)
        writer.close()
    return str(path)


def test_a_trained_model_directory_describes_itself(
    running_ray: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = made_table(preset("mlp", "default"), 60)
    output = tmp_path / "model"
    data = store(table, tmp_path / "features.parquet")
    job = TrainJob("mlp", data, str(output), emotions=CLASSES, validation_share=0.25)
    train(job, Lines(as_json=False))
    lines = [line for line in capsys.readouterr().err.splitlines() if ": epoch " in line]
    assert [line.partition(":")[0] for line in lines] == ["validation"] * 20 + ["final"] * 20
    assert re.fullmatch(r"final: epoch 20 of 20: loss \d+\.\d+, 0 s left", lines[-1])
    files = read_model(str(output))
    assert files.description["classes"] == list(CLASSES)
    assert files.description["trained_on"]["n_recordings"] == 60
    assert files.description["scores"][0]["uar"] > 0.9
    assert (files.description["name"], files.description["trained_on"]["epochs"]) == ("model", 20)
    says = trained_text(files.description)
    assert says.startswith("model model (mlp default; 20 epochs); held-out speakers s")
    assert "chance" not in says
    curves = json.loads((output / "curves.json").read_text())
    assert set(curves) == {"validation", "final"}
    found = Model(files).probabilities([table.features[1]])
    assert found.argmax() == 2  # happy
    # A feature table has no copies at other speeds: the settings are those that were trained with.
    settings = files.description["trained_on"]["settings"]
    assert (settings["speeds"], settings["max_iter"]) == ([1.0], 20)
    assert len(curves["final"]) == 20
    with pytest.raises(UsageError, match="holds a model"):
        train(job, Silent())


@pytest.mark.parametrize("resume", [False, True])
def test_a_model_does_not_replace_the_curves_of_an_evaluation(tmp_path: Path, resume: bool) -> None:
    for name in ("metrics.json", "curves.json"):
        (tmp_path / name).write_text("[]")
    job = TrainJob("cnn", "nowhere", str(tmp_path), resume=resume)
    with pytest.raises(
        UsageError, match=r"holds curves\.json of something else: choose another folder, or --overwrite"
    ):
        train(job, Silent())
    with pytest.raises(UsageError, match="no file or folder nowhere"):
        train(dataclasses.replace(job, overwrite=True), Silent())


@pytest.mark.parametrize(("corpus", "is_ravdess"), [("ravdess", True), ("table", False), ("", False)])
def test_the_licence_is_of_the_corpus_and_not_of_what_its_speakers_are_called(
    tmp_path: Path, corpus: str, is_ravdess: bool
) -> None:
    table = made_table(preset("mlp", "default"), 12)
    table = dataclasses.replace(table, speakers=("01", "02", "03") * 4, corpora=(corpus,) * 12)
    data = store(table, tmp_path / "features.parquet")
    train(TrainJob("mlp", data, str(tmp_path / "m"), emotions=CLASSES, validation_share=0), Silent())
    assert ("RAVDESS" in read_model(str(tmp_path / "m")).description["licence"]) is is_ravdess
    assert ("RAVDESS" in (tmp_path / "m" / "MODEL_CARD.md").read_text()) is is_ravdess


def test_every_corpus_is_named_with_its_counts_and_licence(tmp_path: Path) -> None:
    table = made_table(preset("mlp", "default"), 12)
    corpora = ("selvas",) * 4 + ("ravdess",) * 8
    table = dataclasses.replace(table, corpora=corpora, languages=("ko",) * 4 + ("",) * 8)
    data = store(table, tmp_path / "features.parquet")
    train(TrainJob("mlp", data, str(tmp_path / "m"), emotions=CLASSES, validation_share=0), Silent())
    description = read_model(str(tmp_path / "m")).description
    ravdess, selvas = description["trained_on"]["corpora"]
    assert (ravdess["name"], ravdess["n_recordings"], ravdess["languages"]) == ("ravdess", 8, [])
    assert (selvas["name"], selvas["n_recordings"], selvas["languages"]) == ("selvas", 4, ["ko"])
    assert selvas["emotions"] == dict(Counter(table.emotions[:4]))
    assert "research only" in description["licence"]
    card = (tmp_path / "m" / "MODEL_CARD.md").read_text()
    assert "| Selvas emotional speech (emotiontts_open_db) | ko | 4 | 4 | calm 2, happy 1, angry 1 |" in card


def test_a_model_at_chance_says_so(tmp_path: Path) -> None:
    table = made_table(preset("mlp", "default"), 60)
    shuffled = dataclasses.replace(table, features=list(np.random.default_rng(0).permutation(np.stack(table.features))))
    data = store(shuffled, tmp_path / "features.parquet")
    trained = train(TrainJob("mlp", data, str(tmp_path / "m"), emotions=CLASSES), Silent())
    assert trained_text(trained.description).endswith("no better than chance (33.3%)")
    assert "No better than chance" in (tmp_path / "m" / "MODEL_CARD.md").read_text()


@pytest.mark.parametrize(
    ("kind", "settings", "says"),
    [
        ("mlp", {"storage": "s3://bucket"}, "--storage is for networks that take gradient steps"),
        ("mlp", {"resume": True}, "--resume is for networks that take gradient steps"),
        ("mlp", {"use_gpu": True}, "--gpu is for networks that take gradient steps"),
        ("mlp", {"n_workers": 2}, "--train-workers is for networks that take gradient steps"),
        ("mlp", {"max_failures": 0}, "--max-failures is for networks that take gradient steps"),
        ("cnn", {"validation_share": -0.1}, "from 0 to below 1, not -0.1"),
        ("cnn", {"validation_share": 1.0}, "from 0 to below 1, not 1"),
        ("cnn", {"validation_share": 0.3, "metrics": "metrics.json"}, "leave out --validation"),
    ],
)
def test_an_option_that_would_be_ignored_is_refused(
    tmp_path: Path, kind: str, settings: dict[str, object], says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        train(TrainJob(kind, str(tmp_path), str(tmp_path / "m"), **settings), Silent())
    assert not (tmp_path / "m").exists()


@pytest.fixture
def tiny_cnn(monkeypatch: pytest.MonkeyPatch) -> CnnConfig:
    """Register a CNN that trains in a moment."""
    config = short("default", batch_size=8, channels=(4, 4, 4, 4, 8), crop_frames=24, views=(1.0,))
    add_preset(monkeypatch, "cnn", "tiny", config)
    return config


def test_a_training_is_resumed_only_with_its_own_data(running_ray: None, tmp_path: Path, tiny_cnn: CnnConfig) -> None:
    table, output = made_table(tiny_cnn), tmp_path / "m"
    data = store(table, tmp_path / "features.parquet")
    job = TrainJob("cnn", data, str(output), "tiny", CLASSES, validation_share=0)
    train(job, Silent())
    (run_folder,) = output.glob("checkpoints/final-*")
    last = max(run_folder.glob("checkpoint_*/history.json"))
    history = json.loads(last.read_text())
    marked = [record | {"train_loss": -1.0} for record in history]
    last.write_text(json.dumps(marked))
    # Trained without a score first, and given one afterwards.
    settings = {"preset": "tiny", "protocol": "kfold", "n_folds": 2, "emotions": CLASSES}
    evaluate(EvaluateJob(data, str(tmp_path / "e"), **settings), Silent())
    resumed = dataclasses.replace(job, resume=True)
    scored = train(dataclasses.replace(resumed, metrics=str(tmp_path / "e" / "metrics.json")), Silent())
    assert scored.curves["final"] == marked
    assert scored.description["scores"][0]["n"] == len(table)
    # Other recordings under the same names: nothing of the old training is left.
    store(made_table(tiny_cnn, seed=1), tmp_path / "features.parquet")
    again = train(resumed, Silent()).curves["final"]
    assert [record["epoch"] for record in again] == [record["epoch"] for record in history]
    assert all(record["train_loss"] > 0 for record in again)
    # The first data again, without resuming: the checkpoint that is there is not used.
    store(table, tmp_path / "features.parquet")
    restarted = train(dataclasses.replace(job, overwrite=True), Silent()).curves["final"]
    assert [record["train_loss"] for record in restarted] == pytest.approx([record["train_loss"] for record in history])
    other = dataclasses.replace(resumed, preset="default")
    with pytest.raises(UsageError, match="holds a model cnn tiny"):
        train(other, Silent())
