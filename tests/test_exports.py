"""Exports: what Audacity, Raven and audformat read."""

from __future__ import annotations

import csv
import datetime
from pathlib import Path

import pytest
import yaml

from emosense.emotions import EMOTIONS
from emosense.errors import RecordingError
from emosense.exports import opened, relative_name
from emosense.rows import Row, error_row, labelled_row

CALM = (0.1, 0.9, 0, 0, 0, 0, 0, 0)
ANGRY = (0, 0, 0, 0, 0.75, 0.25, 0, 0)


def written(name: str, output: Path) -> None:
    first = labelled_row("a/x.wav", CALM, 3, 3, start_s=0, end_s=3)
    second = labelled_row("a/x.wav", ANGRY, 1.5, 1.5, start_s=3, end_s=4.5)
    parts = [first, second]
    with opened(name, str(output)) as export:
        export.write(labelled_row("a/x.wav", CALM, 4.5, 4.5), parts)
        export.write(labelled_row("b,\t.mp3", ANGRY, 90061.5, 90061.5), ())
        export.write(error_row("c.wav", RecordingError("corrupt", "broken")), ())


def test_audacity_gets_a_label_track_a_recording(tmp_path: Path) -> None:
    written("audacity", tmp_path / "labels.csv")
    folder = tmp_path / "labels.audacity"
    assert (folder / "a" / "x.wav.txt").read_text() == "0.000000\t3.000000\tcalm 0.90\n3.000000\t4.500000\tangry 0.75\n"
    assert sorted(path.name for path in folder.rglob("*.txt")) == ["b,\t.mp3.txt", "x.wav.txt"]


@pytest.mark.parametrize(
    ("path", "name"),
    [("/etc/../x.wav", "etc/x.wav"), ("../../x.wav", "x.wav"), ("s3://bucket/a/x.wav", "bucket/a/x.wav")],
)
def test_a_track_never_leaves_its_folder(path: str, name: str) -> None:
    assert relative_name(path) == name


def test_raven_gets_one_selection_table(tmp_path: Path) -> None:
    written("raven", tmp_path / "labels.csv")
    with open(tmp_path / "labels.raven.txt", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert [row["Selection"] for row in rows] == ["1", "2", "3"]
    assert [(row["Begin Time (s)"], row["End Time (s)"], row["Emotion"]) for row in rows[:2]] == [
        ("0.000", "3.000", "calm"),
        ("3.000", "4.500", "angry"),
    ]
    assert rows[2]["Begin Path"] == "b,\t.mp3"


def test_a_line_break_in_a_name_breaks_no_line_for_raven(tmp_path: Path) -> None:
    with opened("raven", str(tmp_path / "labels.csv")) as export:
        export.write(labelled_row("a\r\nb.wav", CALM, 3, 3), ())
    _, line = (tmp_path / "labels.raven.txt").read_bytes().splitlines()
    assert line.split(b"\t")[5] == rb"a\r\nb.wav"


def test_audformat_gets_a_header_and_a_segmented_table(tmp_path: Path) -> None:
    written("audformat", tmp_path / "labels.csv")
    folder = tmp_path / "labels.audformat"
    header = yaml.safe_load((folder / "db.yaml").read_text())
    assert header["usage"] == "other"
    assert header["tables"]["emotion"]["type"] == "segmented"
    assert header["schemes"]["emotion"]["labels"] == list(EMOTIONS)
    with open(folder / "db.emotion.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["file", "start", "end", "emotion", "confidence"]
    assert (rows[1]["start"], rows[1]["end"]) == ("0 days 00:00:03.000000", "0 days 00:00:04.500000")
    assert rows[2]["end"] == "1 days 01:01:01.500000"
    assert datetime.timedelta(days=1, hours=1, minutes=1, seconds=1.5).total_seconds() == 90061.5


def test_a_recording_without_a_label_has_no_entry() -> None:
    from emosense.exports import spans

    silent = Row("a.wav", (), None, None, "error", "no_speech", "silence", 0.0, 3.0)
    assert spans(labelled_row("a.wav", CALM, 3, 3), [silent]) == []
