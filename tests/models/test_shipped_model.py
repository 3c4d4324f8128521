"""The shipped models on the recordings that they were trained on: this checks the code and is not a score."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from commands import run_command
from conftest import REPOSITORY

import emosense
from emosense._version import __version__
from emosense.emotions import EMOTIONS
from emosense.inputs.corpus import read_corpus
from emosense.models.model_files import read_model
from emosense.training.model_card import model_card


@pytest.mark.ravdess
@pytest.mark.parametrize(("model", "least"), [("default", 0.75), ("fast", 0.9), ("accurate", 0.75)])
def test_every_recording_of_ravdess_gets_its_row_from_a_shipped_model(
    ravdess: Path, tmp_path: Path, model: str, least: float
) -> None:
    output = tmp_path / "labels.csv"
    command = [sys.executable, "-m", "emosense", "label", str(ravdess), "-o", str(output), "-m", model, "-j", "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    with open(output, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    utterances = read_corpus(str(ravdess)).utterances
    assert [row["path"] for row in rows] == [utterance.recording.path for utterance in utterances]
    assert {row["status"] for row in rows} == {"ok"}
    known = set(read_model(model).description["trained_on"]["speakers"])
    trained = [(row, u) for row, u in zip(rows, utterances, strict=True) if u.speaker in known]
    assert len(trained) >= 1200
    # It was trained on these: a much lower share would mean that labelling computes other features than training did.
    assert sum(row["emotion"] == u.emotion for row, u in trained) / len(trained) > least


def test_the_samples_are_labelled_by_the_shipped_model(tmp_path: Path) -> None:
    samples = REPOSITORY / "samples"
    done = run_command("label", samples, "-o", tmp_path / "labels.csv")
    assert done.returncode == 0, done.stderr
    with open(tmp_path / "labels.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [Path(row["path"]).suffix for row in rows] == [".wav", ".ogg", ".flac", ".mp3", ".wav", ".wav"]
    assert all(row["emotion"] in EMOTIONS for row in rows)


@pytest.mark.parametrize("name", ["default", "fast", "accurate"])
def test_the_card_of_a_shipped_model_follows_from_its_description(name: str) -> None:
    files = read_model(name)
    card = (Path(emosense.__file__).parent / "models" / name / "MODEL_CARD.md").read_text(encoding="utf-8")
    # Figures beside those of the other models are added by benchmarks/shipped_models.py.
    own = re.sub(r"\n## Compared with the other shipped models\n.*?(?=\n## Scores\n)", "", card, flags=re.DOTALL)
    assert own != card
    assert own == model_card(files.description)


def test_the_models_commands_list_show_and_verify() -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return run_command("models", *arguments)

    _, *listed = run("list").stdout.splitlines()
    assert [line.split()[:2] for line in listed] == [[name, __version__] for name in ("accurate", "default", "fast")]
    assert json.loads(run("show").stdout)["emotions"] == list(EMOTIONS)
    assert "verified" in run("verify", "default").stderr
    assert run("verify", "nobody").returncode == 7
