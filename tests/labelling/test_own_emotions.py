"""A model with emotions of a user's own: its columns, in every format, chosen and adapted."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from conftest import tiny_description, tiny_graph

from emosense import label
from emosense.emotions import EMOTIONS
from emosense.errors import ModelError, UsageError
from emosense.evaluation.choice import EmotionChoice
from emosense.labelling.job import LabelJob
from emosense.labelling.run_job import run_label_job
from emosense.labelling.speaker_rule import SpeakerRule
from emosense.models.model_files import read_model, write_model

CLASSES = ("happy", "sad", "bored", "very_tired")
OWN = ("bored", "very_tired")
P_COLUMNS = [f"p_{name}" for name in (*EMOTIONS, *OWN)]


@pytest.fixture
def model(tmp_path: Path) -> str:
    folder = tmp_path / "own"
    folder.mkdir()
    write_model(str(folder), tiny_description(classes=list(CLASSES)), tiny_graph(n_classes=len(CLASSES)))
    return str(folder)


@pytest.fixture
def recordings(tmp_path: Path, write_voice: Callable[..., Path]) -> str:
    for speaker in ("anna", "ben"):
        for pitch_hz in (90, 180, 260):
            write_voice(f"in/{speaker}/{pitch_hz}.wav", 0.6, pitch_hz)
    (tmp_path / "in" / "broken.wav").write_bytes(b"")
    return str(tmp_path / "in")


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_table_has_a_column_for_each_emotion_of_ones_own(tmp_path: Path, model: str, recordings: str) -> None:
    output, segments = tmp_path / "labels.csv", tmp_path / "segments.csv"
    job = LabelJob(
        (recordings,), str(output), segments_output=str(segments), exports=("parquet", "jsonl", "audformat"),
        model=model, speakers=SpeakerRule("parent"), engine="local", n_workers=1, progress="none",
    )  # fmt: skip
    summary = run_label_job(job)
    assert {*summary.by_emotion} <= {*CLASSES}
    rows = table(output)
    assert [name for name in rows[0] if name.startswith("p_")] == P_COLUMNS
    for row in rows[:-1]:
        shares = {name: float(row[f"p_{name}"]) for name in (*EMOTIONS, *OWN)}
        assert row["emotion"] == max(shares, key=shares.__getitem__)
        assert sum(shares.values()) == pytest.approx(1, abs=1e-5)
        assert all(shares[name] == 0 for name in EMOTIONS if name not in CLASSES)
    assert rows[-1]["status"] == "error"
    assert all(rows[-1][name] == "" for name in P_COLUMNS)
    parquet = pq.read_table(tmp_path / "labels.parquet").to_pylist()
    lines = [json.loads(line) for line in (tmp_path / "labels.jsonl").read_text().splitlines()]
    assert [[row[name] for name in P_COLUMNS] for row in parquet] == [
        [row[name] for name in P_COLUMNS] for row in lines
    ]
    assert [f"{row['p_bored']:.6f}" for row in lines[:-1]] == [row["p_bored"] for row in rows[:-1]]
    assert [name for name in table(segments)[0] if name.startswith("p_")] == P_COLUMNS
    assert '"surprised", "bored", "very_tired"]' in (tmp_path / "labels.audformat" / "db.yaml").read_text()


def test_emotions_of_ones_own_can_be_chosen(tmp_path: Path, model: str, recordings: str) -> None:
    output = tmp_path / "labels.csv"
    job = LabelJob(
        (recordings,), str(output), model=model, emotions=EmotionChoice.parse(["Bored", "joy"], OWN), engine="local",
        n_workers=1, progress="none", speakers=SpeakerRule("parent"),
    )  # fmt: skip
    assert {*run_label_job(job).by_emotion} <= {"happy", "bored"}
    chosen = {row.emotion for row in label([f"{recordings}/anna/90.wav"], model, emotions=["bored", "very_tired"])}
    assert chosen <= {*OWN}
    with pytest.raises(UsageError, match="unknown emotion 'angri'"):
        EmotionChoice.parse(["bored", "angri"], OWN)
    with pytest.raises(UsageError, match="does not know 'calm'"):
        list(label([f"{recordings}/anna/90.wav"], model, emotions=["calm", "bored"]))


@pytest.mark.parametrize(
    "classes", [["bored", "happy"], ["happy", "very_tired", "bored"], ["happy", "=1"], ["happy", 1]]
)
def test_names_that_cannot_be_columns_or_are_out_of_order_are_refused(tmp_path: Path, classes: list[object]) -> None:
    with pytest.raises((ModelError, TypeError)):
        write_model(str(tmp_path), tiny_description(classes=classes), tiny_graph(n_classes=len(classes)))


def test_a_model_names_all_emotions_of_its_tables(model: str) -> None:
    assert read_model(model).description["emotions"] == [*EMOTIONS, *OWN]
