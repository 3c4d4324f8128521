"""`emosense-batch evaluate` and `features`: honest splits, and scores that scikit-learn confirms."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from emosense.corpora import Utterance
from emosense.errors import UsageError
from emosense.evaluation.results import table_text
from emosense.feature_table import FeatureTableWriter, read_feature_table
from emosense.features import default_config, feature_names
from emosense.models.artifact import write_model
from emosense.pipelines.evaluate import EvaluateJob, evaluate
from emosense.pipelines.ray_session import ray_session
from emosense.progress import Silent
from emosense.storage import Recording

CLASSES = ("calm", "happy", "angry")


@pytest.fixture(scope="module")
def running_ray() -> Iterator[None]:
    with ray_session(None, 2):
        yield


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Functionals of 6 speakers, whose voices differ more than their emotions do."""
    config = default_config("functionals")
    rng = np.random.default_rng(0)
    n_values = len(feature_names(config))
    voices, emotions = rng.normal(0, 3, (6, n_values)), rng.normal(0, 0.45, (3, n_values))
    utterances, results = [], []
    for speaker in range(6):
        for number in range(24):
            label = number % 3
            values = (
                voices[speaker] + emotions[label] + rng.normal(0, 1, n_values) + voices[(speaker + label) % 6] * 0.4
            )
            name = f"{speaker + 1:02d}-{number:02d}.wav"
            sex = "female" if speaker % 2 else "male"
            utterances.append(Utterance(Recording(name, name, 1, "1"), CLASSES[label], f"{speaker + 1:02d}", sex))
            results.append({"features": values.astype(np.float32), "n_frames": 0, "error_code": "", "error": ""})
    path = tmp_path_factory.mktemp("table") / "functionals.parquet"
    with open(path, "wb") as file:
        writer = FeatureTableWriter(file, config)
        writer.write(utterances, results)
        writer.close()
    return str(path)


def job(table: str, folder: Path, **settings: object) -> EvaluateJob:
    return EvaluateJob(table, str(folder), kind="mlp", emotions=CLASSES, **settings)


def predictions(folder: Path) -> list[dict[str, str]]:
    with open(folder / "predictions.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_scores_are_scikit_learns_on_the_stored_predictions(running_ray: None, table: str, tmp_path: Path) -> None:
    metrics = evaluate(job(table, tmp_path, protocol="kfold", n_folds=3, n_seeds=2), Silent())
    assert json.loads((tmp_path / "metrics.json").read_text()) == metrics
    rows = predictions(tmp_path)
    assert len(rows) == 2 * 144
    for seed in (0, 1):
        mine = [row for row in rows if row["seed"] == str(seed)]
        truth, found = [row["emotion"] for row in mine], [row["predicted"] for row in mine]
        assert len({row["path"] for row in mine}) == 144
        scores = metrics["seeds"][seed]
        assert scores["uar"]["value"] == pytest.approx(balanced_accuracy_score(truth, found))
        assert scores["accuracy"]["value"] == pytest.approx(accuracy_score(truth, found))
    mean = np.mean([scores["uar"]["value"] for scores in metrics["seeds"]])
    assert metrics["scores"]["uar"]["mean"] == pytest.approx(mean)
    assert f"{100 * mean:.1f} %" in table_text(metrics)


def test_no_speaker_is_in_training_and_test(running_ray: None, table: str, tmp_path: Path) -> None:
    metrics = evaluate(job(table, tmp_path, protocol="loso"), Silent())
    assert len(metrics["splits"]) == 6
    for split in metrics["splits"]:
        assert not set(split["train_speakers"]) & set(split["test_speakers"])
    assert metrics["speaker_independent"] is True


def test_a_random_split_is_reported_with_its_leak(running_ray: None, table: str, tmp_path: Path) -> None:
    metrics = evaluate(job(table, tmp_path, protocol="random", n_seeds=2), Silent())
    assert metrics["speaker_independent"] is False
    fair = metrics["leak_gap"]["speaker_independent"]["uar"]["mean"]
    assert metrics["leak_gap"]["gap"]["uar"] == pytest.approx(metrics["scores"]["uar"]["mean"] - fair)
    assert metrics["leak_gap"]["gap"]["uar"] > 0
    assert "same speakers are in training and test" in table_text(metrics)


def test_the_same_seed_gives_the_same_predictions(running_ray: None, table: str, tmp_path: Path) -> None:
    for name in ("a", "b"):
        evaluate(job(table, tmp_path / name, protocol="kfold", n_folds=2), Silent())
    assert (tmp_path / "a" / "predictions.csv").read_bytes() == (tmp_path / "b" / "predictions.csv").read_bytes()


def test_calibration_sees_training_speakers_alone_and_keeps_the_labels(
    running_ray: None, table: str, tmp_path: Path
) -> None:
    for name, calibrate in (("plain", False), ("calibrated", True)):
        evaluate(job(table, tmp_path / name, protocol="kfold", n_folds=2, calibrate=calibrate), Silent())
    plain, calibrated = predictions(tmp_path / "plain"), predictions(tmp_path / "calibrated")
    assert [row["predicted"] for row in plain] == [row["predicted"] for row in calibrated]
    assert [row["p_calm"] for row in plain] != [row["p_calm"] for row in calibrated]


def test_a_given_model_is_scored_and_known_speakers_are_named(table: str, tmp_path: Path) -> None:
    from conftest import tiny_description

    from emosense.pipelines.train import TrainJob, train

    train(TrainJob("mlp", table, str(tmp_path / "model"), emotions=CLASSES, validation_share=0.3), Silent())

    class Listener(Silent):
        def __init__(self) -> None:
            self.said: list[str] = []

        def say(self, text: str) -> None:
            self.said.append(text)

    told = Listener()
    metrics = evaluate(EvaluateJob(table, str(tmp_path / "e"), model=str(tmp_path / "model")), told)
    assert metrics["seen_speakers"] == ["01", "02", "03", "04", "05", "06"]
    assert any("no held-out score" in text for text in told.said)
    assert metrics["scores"]["uar"]["mean"] > 0.9
    (tmp_path / "other").mkdir()
    write_model(str(tmp_path / "other"), tiny_description(), b"x")
    with pytest.raises(UsageError, match="set functionals, needed is logmel"):
        evaluate(EvaluateJob(table, str(tmp_path / "e"), model=str(tmp_path / "other")), told)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["evaluate", "nowhere"], 2, "nowhere"),
        (["evaluate", "empty", "--kind", "mlp"], 9, "no audio"),
        (["evaluate", "empty", "-m", "nobody"], 7, "no model at nobody"),
        (["evaluate", "empty", "--preset", "huge"], 2, "huge"),
        (["evaluate", "empty", "--protocol", "best"], 2, "best"),
        (["train", "svm", "empty", "-o", "m"], 2, "svm"),
        (["train", "mlp", "empty", "-o", "m"], 9, "no audio"),
        (["train", "mlp", "empty", "-o", "m", "--emotions", "bored,sad"], 2, "bored"),
        (["features", "empty", "-o", "f.csv"], 2, ".parquet"),
        (["features", "nowhere", "-o", "f.parquet"], 2, "nowhere"),
        (["features", "empty", "-o", "f.parquet"], 9, "no audio"),
    ],
)
def test_what_cannot_work_is_one_sentence_and_an_exit_code(
    tmp_path: Path, arguments: list[str], code: int, says: str
) -> None:
    (tmp_path / "empty").mkdir()
    command = [sys.executable, "-m", "emosense", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("*.parquet"))
    assert not (tmp_path / "m" / "model.json").exists()


def test_the_features_command_writes_a_table_and_counts_errors(
    tmp_path: Path, write_voice: Callable[..., Path]
) -> None:
    for number in (1, 2):
        write_voice(f"in/Actor_01/03-01-02-01-01-{number:02d}-01.wav")
    (tmp_path / "in" / "Actor_01" / "03-01-03-01-01-01-01.wav").write_bytes(b"")
    (tmp_path / "in" / "Actor_01" / "odd.wav").write_bytes(b"")
    command = ["features", tmp_path / "in", "-o", tmp_path / "f.parquet", "--set", "mfcc", "-j", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "emosense", *map(str, command)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 3, done.stderr
    assert "odd.wav: not a RAVDESS name" in done.stderr
    assert "3 recordings" in done.stderr
    assert "1 empty_file" in done.stderr
    assert len(read_feature_table(str(tmp_path / "f.parquet"))) == 2


def test_ray_labels_with_the_bytes_of_the_local_engine(
    tmp_path: Path, write_voice: Callable[..., Path], tiny_model: str
) -> None:
    for index in range(20):
        write_voice(f"in/{index:02d}.wav", duration_s=0.4, pitch_hz=100 + 9 * index)
    (tmp_path / "in" / "bad.wav").write_bytes(b"")
    for engine in ("local", "ray"):
        command = [
            "label",
            tmp_path / "in",
            "-o",
            tmp_path / f"{engine}.csv",
            "-m",
            tiny_model,
            "--engine",
            engine,
            "-j",
            "2",
        ]
        done = subprocess.run(
            [sys.executable, "-m", "emosense", *map(str, command)], capture_output=True, text=True, timeout=180
        )
        assert done.returncode == 3, done.stderr
        assert len(done.stderr.splitlines()) <= 5, done.stderr
        assert json.loads((tmp_path / f"{engine}.csv.run.json").read_text())["engine"] == engine
    assert (tmp_path / "ray.csv").read_bytes() == (tmp_path / "local.csv").read_bytes()
