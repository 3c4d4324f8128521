"""Formats of other tools: what Audacity, Raven and audformat read."""

from __future__ import annotations

import contextlib
import csv
import datetime
import os
import urllib.parse
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from emosense.emotions import EMOTIONS
from emosense.errors import RecordingError
from emosense.tables.exports import relative_name, spans
from emosense.tables.formats import OUTPUT_FORMATS, TableLayout, WriteRows, place_of
from emosense.tables.row import Row, error_row, labelled_row

CALM = (0.1, 0.9, 0, 0, 0, 0, 0, 0)
ANGRY = (0, 0, 0, 0, 0.75, 0.25, 0, 0)


def opened(name: str, output: Path) -> contextlib.AbstractContextManager[WriteRows]:
    return OUTPUT_FORMATS[name].open(place_of(str(output), name), TableLayout())


def written(name: str, output: Path) -> None:
    first = labelled_row("a/x.wav", CALM, 3, 3, start_s=0, end_s=3)
    second = labelled_row("a/x.wav", ANGRY, 1.5, 1.5, start_s=3, end_s=4.5)
    with opened(name, output) as write:
        write([first, second])
        write([labelled_row("b,\t.mp3", ANGRY, 90061.5, 90061.5)])
        write([error_row("c.wav", RecordingError("corrupt", "broken"))])


def test_audacity_gets_a_label_track_a_recording(tmp_path: Path) -> None:
    written("audacity", tmp_path / "labels.csv")
    folder = tmp_path / "labels.audacity"
    assert (folder / "a" / "x.wav.txt").read_text() == "0.000000\t3.000000\tcalm 0.90\n3.000000\t4.500000\tangry 0.75\n"
    assert sorted(path.name for path in folder.rglob("*.txt")) == ["b,\t.mp3.txt", "x.wav.txt"]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a/x.wav", "a/x.wav"),
        ("/etc/../x.wav", "%2Fetc/%2E%2E/x.wav"),
        ("../../x.wav", "%2E%2E/%2E%2E/x.wav"),
        ("s3://bucket/a/x.wav", "s3:/%2Fbucket/a/x.wav"),
        ("50 %.wav", "50 %25.wav"),
    ],
)
def test_a_track_never_leaves_its_folder(path: str, name: str) -> None:
    assert relative_name(path) == name


@given(st.lists(st.sampled_from(["a", "b.txt", ".", "..", "", "%2E", "%", "s3:", "x.wav"]), min_size=1, max_size=6))
def test_a_tracks_name_tells_its_recording_from_every_other(steps: list[str]) -> None:
    path = "/".join(steps)
    name = relative_name(path)
    assert not {"", ".", ".."} & set(name.split("/")[:-1])
    assert urllib.parse.unquote(name) == path


def test_recordings_that_differ_in_root_scheme_or_steps_have_tracks_of_their_own(tmp_path: Path) -> None:
    paths = ("../a/x.wav", "/a/x.wav", "/x.wav", "a/x.wav", "b/x", "b/x.txt/y.wav", "s3://b/x", "x.wav")
    with opened("audacity", tmp_path / "labels.csv") as write:
        for path in paths:
            write([labelled_row(path, CALM, 3, 3)])
    assert len([path for path in (tmp_path / "labels.audacity").rglob("*.txt") if path.is_file()]) == len(paths)


def test_tracks_of_recordings_with_long_names_are_cut_and_keep_a_name_of_their_own(tmp_path: Path) -> None:
    long = "ü" * 124
    paths = [f"{long}{n}.wav" for n in (1, 2)] + [f"{'s' * 255}/{n}.wav" for n in (1, 2)]
    paths += [os.fsdecode(b"\xff" * 250), "/".join(["deep" * 60] * 16) + "/x.wav"]
    with opened("audacity", tmp_path / "labels.csv") as write:
        for path in paths:
            write([labelled_row(path, CALM, 3, 3)])
    tracks = [path for path in (tmp_path / "labels.audacity").rglob("*.txt") if path.is_file()]
    assert len(tracks) == len(paths)
    assert sum(track.name.startswith("ü" * 100) for track in tracks) == 2


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
    with opened("raven", tmp_path / "labels.csv") as write:
        write([labelled_row("a\r\nb.wav", CALM, 3, 3)])
    _, line = (tmp_path / "labels.raven.txt").read_bytes().splitlines()
    assert line.split(b"\t")[5] == rb"a\r\nb.wav"


@pytest.mark.parametrize(
    "path", ["=1+1.wav", "+a.wav", "-b.wav", "@c/d.wav", "a;=1+1;.wav", 'a";=1+1;".wav', "\tq.wav"]
)
def test_names_like_formulas_are_run_by_no_spreadsheet_and_still_name_the_recording(path: str, tmp_path: Path) -> None:
    for name in ("raven", "audformat"):
        with opened(name, tmp_path / "labels.csv") as write:
            write([labelled_row(path, CALM, 3, 3)])
    database, raven = tmp_path / "labels.audformat" / "db.emotion.csv", tmp_path / "labels.raven.txt"
    for table, separators, column in ((database, ",;", "file"), (raven, "\t", "Begin Path")):
        with open(table, newline="") as file:
            (record,) = csv.DictReader(file, delimiter=separators[0])
        assert os.path.normpath(record[column]) == path
        for separator in separators:
            with open(table, newline="") as file:
                cells = [cell for line in csv.reader(file, delimiter=separator) for cell in line]
            assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


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
    silent = Row("a.wav", (), None, None, "error", "no_speech", "silence", 0.0, 3.0)
    assert spans([silent]) == []
