"""An ensemble of both families, from recordings over evaluation and training to labels."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from made_tables import add_preset, best_temperature

from emosense.crossvalidation.evaluate import evaluate
from emosense.crossvalidation.job import EvaluateJob
from emosense.errors import UsageError
from emosense.labelling.job import LabelJob
from emosense.labelling.run_job import run_label_job
from emosense.models.model import Model
from emosense.models.model_files import read_model
from emosense.progress import Silent
from emosense.training.job import TrainJob
from emosense.training.presets import preset
from emosense.training.settings import EnsembleConfig, Member
from emosense.training.train import train

CLASSES = ("calm", "angry")


@pytest.fixture
def tiny_ensemble(monkeypatch: pytest.MonkeyPatch) -> EnsembleConfig:
    """Register an ensemble of a CNN and an MLP that train in a moment."""
    cnn = dataclasses.replace(
        preset("cnn", "default"), epochs=2, batch_size=4, channels=(4, 4, 4, 4, 8), crop_frames=24, views=(1.0,)
    )
    perceptron = dataclasses.replace(preset("mlp", "default"), speeds=(1.0,), hidden_units=8, max_iter=3)
    config = EnsembleConfig("tiny", (Member(cnn), Member(perceptron)))
    add_preset(monkeypatch, "ensemble", "tiny", config)
    return config


@pytest.fixture
def corpus(write_voice: Callable[..., Path], tmp_path: Path) -> str:
    lines = []
    for speaker in range(4):
        for number in range(6):
            emotion = CLASSES[number % 2]
            path = write_voice(f"{speaker}/{number}.wav", 0.7 + 0.05 * number, 110 + 25 * speaker + 90 * (number % 2))
            lines.append((str(path), emotion, f"s{speaker}"))
    with open(tmp_path / "corpus.csv", "w", newline="") as file:
        csv.writer(file).writerows([("path", "emotion", "speaker"), *lines])
    return str(tmp_path / "corpus.csv")


def test_an_ensemble_is_evaluated_trained_and_labels(
    running_ray: None, corpus: str, tiny_ensemble: EnsembleConfig, tmp_path: Path
) -> None:
    evaluation, cache = tmp_path / "evaluation", str(tmp_path / "cache")
    job = EvaluateJob(
        corpus, str(evaluation), kind="ensemble", preset="tiny", protocol="kfold", n_folds=2, emotions=CLASSES,
        cache=cache, n_workers=2,
    )  # fmt: skip
    metrics = evaluate(job, Silent())
    assert metrics["n"] == 24
    assert len(metrics["features"]) == 2
    # Two folds of two networks; the curves of each are those of its own evaluation.
    assert len(list((evaluation / "fits").glob("*.onnx"))) == 4
    assert json.loads((evaluation / "curves.json").read_text()) == []

    output = tmp_path / "model"
    training = TrainJob(
        "ensemble", corpus, str(output), preset="tiny", emotions=CLASSES, metrics=str(evaluation / "metrics.json"),
        cache=cache,
    )  # fmt: skip
    description = train(training, Silent()).description
    assert [features["set"] for features in description["features"]] == ["logmel", "functionals"]
    assert description["scores"][0]["uar"] == metrics["scores"]["uar"]["mean"]
    with open(evaluation / "predictions.csv", newline="") as file:
        predicted = list(csv.DictReader(file))
    shares = np.array([[float(row[f"p_{name}"]) for name in CLASSES] for row in predicted])
    labels = np.array([CLASSES.index(row["emotion"]) for row in predicted])
    temperature = best_temperature(shares, labels)
    assert description["calibration"]["temperature"] == pytest.approx(temperature, rel=1e-3)
    assert len(description["trained_on"]["settings"]["members"]) == 2
    card = (output / "MODEL_CARD.md").read_text()
    assert "log-mel frames and functionals" in card
    assert len(Model(read_model(str(output))).features) == 2

    summary = run_label_job(
        LabelJob((str(tmp_path / "0"),), str(tmp_path / "labels.csv"), model=str(output), engine="local")
    )
    assert summary.by_status == {"ok": 6}
    with open(tmp_path / "labels.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["emotion"] for row in rows} <= set(CLASSES)
    np.testing.assert_allclose([float(row["p_calm"]) + float(row["p_angry"]) for row in rows], 1, atol=2e-6)

    with pytest.raises(UsageError, match="needed is"):
        train(dataclasses.replace(training, kind="mlp", preset="default", output=str(tmp_path / "other")), Silent())


def test_an_ensemble_reuses_the_networks_of_an_evaluation(
    running_ray: None, corpus: str, tiny_ensemble: EnsembleConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    network = tiny_ensemble.members[1].config
    add_preset(monkeypatch, "mlp", "tiny", network)
    add_preset(monkeypatch, "ensemble", "single", EnsembleConfig("single", (Member(network),)))
    settings = {
        "protocol": "kfold",
        "n_folds": 2,
        "emotions": CLASSES,
        "cache": str(tmp_path / "cache"),
        "n_workers": 2,
    }
    network_result = evaluate(
        EvaluateJob(corpus, str(tmp_path / "mlp"), kind="mlp", preset="tiny", **settings), Silent()
    )
    ensemble_result = evaluate(
        EvaluateJob(
            corpus,
            str(tmp_path / "single"),
            kind="ensemble",
            preset="single",
            reuse=(str(tmp_path / "mlp"),),
            **settings,
        ),
        Silent(),
    )
    assert not (tmp_path / "single" / "fits").exists()
    assert ensemble_result["seeds"][0]["confusion"] == network_result["seeds"][0]["confusion"]
