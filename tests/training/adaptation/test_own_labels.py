"""A table of labels of one's own: which rows count, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from emosense.errors import UsageError
from emosense.training.adaptation.own_labels import OwnLabel, OwnLabels, classes_of_labels, own_emotion, read_own_labels


@pytest.fixture
def read(tmp_path: Path):
    def write_and_read(*lines: str, header: str = "path,emotion,speaker") -> OwnLabels:
        for name in ("a.wav", "b.wav", "c.wav"):
            (tmp_path / name).write_bytes(b"RIFF")
        table = tmp_path / "mine.csv"
        table.write_text("\n".join((header, *lines)) + "\n", encoding="utf-8")
        return read_own_labels(str(table))

    return write_and_read


def summary(rows: tuple[OwnLabel, ...]) -> list[tuple[str, str, str]]:
    return [(Path(row.recording.location).name, row.emotion, row.speaker) for row in rows]


def test_paths_are_relative_to_the_table_and_rows_without_an_emotion_are_counted(read) -> None:
    labels = read("b.wav,Anger,x", "a.wav,happy,", "c.wav,,y", "d.wav,sad,y")
    assert summary(labels.rows) == [("a.wav", "happy", ""), ("b.wav", "angry", "x")]
    assert labels.n_empty == 1
    assert labels.problems == (("d.wav", "there is no such file"),)


def test_the_speaker_may_be_missing(read) -> None:
    assert summary(read("a.wav,happy", header="path,emotion").rows) == [("a.wav", "happy", "")]


def test_a_recording_cannot_have_two_emotions(read) -> None:
    assert len(read("a.wav,happy,x", "a.wav,joy,x").rows) == 1
    with pytest.raises(UsageError, match="two emotions: happy and sad"):
        read("a.wav,happy,x", "a.wav,sad,x")


def test_predicted_labels_are_refused(read) -> None:
    with pytest.raises(UsageError, match="predicted"):
        read("a.wav,happy,0.5", header="path,emotion,confidence")


def test_names_of_ones_own_are_kept_and_slips_are_refused() -> None:
    assert own_emotion(" Very Bored ") == "very_bored"
    assert own_emotion("genervt") == "genervt"
    assert own_emotion("Fear") == "fearful"
    with pytest.raises(UsageError, match="is it happy"):
        own_emotion("hapy")
    with pytest.raises(UsageError, match="letters"):
        own_emotion("=1+1")


def test_classes_are_ravdess_order_first_then_ones_own(read) -> None:
    rows = read("a.wav,sad,x", "b.wav,bored,x", "c.wav,happy,x").rows
    assert classes_of_labels(rows * 2) == ("happy", "sad", "bored")
    with pytest.raises(UsageError, match="at least 2 recordings of each emotion"):
        classes_of_labels(rows)
    with pytest.raises(UsageError, match="at least two emotions"):
        classes_of_labels(rows[:1] * 2)
