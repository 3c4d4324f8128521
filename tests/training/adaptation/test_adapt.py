"""From a folder of recordings and a table of labels to a model of one's own, and what keeps it from being written."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import Listener, tiny_description
from made_heads import head_graph, made_head

from emosense.errors import ModelError, UsageError
from emosense.features.sets import extract
from emosense.models.head import read_head
from emosense.models.model import Model
from emosense.models.model_files import read_model, write_model
from emosense.training.adaptation.adapt import AdaptJob, adapt
from emosense.training.head_graph import sharpened

# The tiny model averages bands: voices of another pitch have other averages.
PITCH_HZ = {"happy": 260.0, "sad": 90.0}


@pytest.fixture
def labels(tmp_path: Path, write_voice: Callable[..., Path]) -> Callable[..., str]:
    """Four speakers with two recordings of each emotion."""

    def write(more: tuple[tuple[str, str, str], ...] = ()) -> str:
        rows = [*more]
        for speaker in range(4):
            for take in range(2):
                for emotion, pitch_hz in PITCH_HZ.items():
                    name = f"{speaker}-{take}-{emotion}.wav"
                    write_voice(name, 0.6, pitch_hz * (1 + 0.02 * speaker + 0.01 * take))
                    rows.append((name, emotion, f"speaker {speaker}"))
        table = tmp_path / "mine.csv"
        with table.open("w", newline="") as file:
            csv.writer(file).writerows([("path", "emotion", "speaker"), *rows])
        return str(table)

    return write


def test_the_model_knows_the_emotions_of_the_labels(
    tmp_path: Path, tiny_model: str, labels: Callable[..., str]
) -> None:
    output, listener = str(tmp_path / "own"), Listener()
    (tmp_path / "text.wav").write_text("no audio")
    table = labels(more=(("text.wav", "sad", "x"), ("gone.wav", "sad", "x"), ("later.wav", "", "x")))
    adapted = adapt(AdaptJob(table, output, tiny_model, anyway=True), listener)
    assert listener.messages[0] == "left out: gone.wav: there is no such file"
    assert listener.messages[2:] == [
        "left out: 1 row without an emotion",
        "16 recordings: happy 8, sad 8; 4 speakers",
    ]
    assert adapted.score.uar > 0.9
    files = read_model(output)
    described = files.description
    assert (described["name"], described["classes"]) == ("own", ["happy", "sad"])
    assert described["trained_on"]["adapted"]["base"] == "tiny"
    assert described["trained_on"]["adapted"]["emotions"] == {"happy": 8, "sad": 8}
    assert described["scores"][0]["protocol"] == "own labels, 4 folds over 4 speakers"
    assert described["licence"] == "none Adapted with 16 recordings of the user's own."
    assert "speaker 1" not in (tmp_path / "own" / "model.json").read_text()
    noise = np.random.default_rng(0).normal(0, 0.1, 8000).astype(np.float32)
    model = Model(files)
    probabilities = model.probabilities([extract(noise, config) for config in model.features])
    assert probabilities[[2, 3]].sum() == pytest.approx(1, abs=1e-5)
    card = (tmp_path / "own" / "MODEL_CARD.md").read_text()
    assert "16 recordings of 4 speakers: happy 8, sad 8" in card


def test_a_model_with_a_head_is_adapted_by_its_embedding_to_names_of_ones_own(
    tmp_path: Path, labels: Callable[..., str]
) -> None:
    base, output = tmp_path / "headed", str(tmp_path / "own")
    base.mkdir()
    head = made_head(n_dims=128, n_classes=8)
    write_model(str(base), tiny_description(), head_graph(head))
    table = Path(labels())
    table.write_text(table.read_text().replace("happy,", "very bored,"))
    adapted = adapt(AdaptJob(str(table), output, str(base)), Listener())
    assert adapted.unknown == ("very_bored",)
    assert read_model(output).description["classes"] == ["sad", "very_bored"]
    fitted = read_head(read_model(output).weights)
    assert fitted is not None
    np.testing.assert_array_equal(fitted.mean, head.mean)
    assert fitted.weight.shape == (128, 2)


def test_a_calibrated_head_is_adapted_like_the_head_before_its_calibration(
    tmp_path: Path, labels: Callable[..., str]
) -> None:
    head, table, fitted = made_head(n_dims=128, n_classes=8), labels(), []
    for name, temperature in (("raw", 1.0), ("calibrated", 4.0)):
        (tmp_path / name).mkdir()
        description = tiny_description(calibration={"temperature": temperature})
        write_model(str(tmp_path / name), description, head_graph(sharpened(head, temperature)))
        adapt(AdaptJob(table, str(tmp_path / f"own-{name}"), str(tmp_path / name), anyway=True), Listener())
        fitted.append(read_head(read_model(str(tmp_path / f"own-{name}")).weights))
    raw, calibrated = fitted
    assert raw is not None
    assert calibrated is not None
    np.testing.assert_allclose(calibrated.weight, raw.weight, atol=1e-5)


def test_an_adapted_model_can_be_adapted_again(tmp_path: Path, tiny_model: str, labels: Callable[..., str]) -> None:
    first, second = str(tmp_path / "first"), str(tmp_path / "second")
    table = labels()
    adapt(AdaptJob(table, first, tiny_model, anyway=True), Listener())
    adapt(AdaptJob(table, second, first, anyway=True), Listener())
    assert read_model(second).description["trained_on"]["adapted"]["base"] == "first"


def test_no_model_is_written_where_the_base_model_is_as_good(
    tmp_path: Path, tiny_model: str, labels: Callable[..., str]
) -> None:
    good, output = str(tmp_path / "good"), tmp_path / "worse"
    adapt(AdaptJob(labels(), good, tiny_model, anyway=True), Listener())
    job = AdaptJob(labels(), str(output), good)
    with pytest.raises(ModelError, match=r"alone is as good or better .* UAR 100\.0%.* No model was written"):
        adapt(job, Listener())
    assert not output.exists()


def test_an_existing_model_is_kept(tmp_path: Path, tiny_model: str, labels: Callable[..., str]) -> None:
    with pytest.raises(UsageError, match="holds a model"):
        adapt(AdaptJob(labels(), tiny_model, tiny_model), Listener())
    (tmp_path / "empty.csv").write_text("path,emotion\n")
    with pytest.raises(UsageError, match="no recording that can be used"):
        adapt(AdaptJob(str(tmp_path / "empty.csv"), str(tmp_path / "own"), tiny_model), Listener())
