"""The recordings to label by ear: unlike each other, the same in any order, and written to be filled in."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from emosense.errors import NothingToDo, RecordingError, UsageError
from emosense.labelling.choice import CHOICE_COLUMNS, choose_recordings, labelled_locations, spread, write_choice
from emosense.labelling.speaker_names import SpeakerNames
from emosense.labelling.speaker_rule import SpeakerRule
from emosense.tables.formats import OUTPUT_FORMATS, TableLayout
from emosense.tables.row import Row, error_row, labelled_row
from emosense.training.adaptation.own_labels import read_own_labels

N_COMMON, N_RARE = 60, 6


def one_hot(place: int, confidence: float) -> list[float]:
    rest = (1 - confidence) / 7
    return [confidence if number == place else rest for number in range(8)]


def rows() -> list[Row]:
    """Nearly all recordings are neutral and sure; a few are of rare emotions, and one cannot be read."""
    common = [labelled_row(f"calls/{n:03d}.wav", one_hot(0, 0.97 + n / 9999), 1, 1) for n in range(N_COMMON)]
    rare = [labelled_row(f"calls/rare-{n}.wav", one_hot(2 + n, 0.5), 1, 1) for n in range(N_RARE)]
    return [*common, error_row("calls/broken.wav", RecordingError("corrupt", "no")), *rare]


def write(path: Path, table: list[Row], layout: TableLayout | None = None) -> str:
    with OUTPUT_FORMATS[path.suffix[1:]].open(str(path), layout or TableLayout()) as add:
        add(table)
    return str(path)


def test_rare_answers_are_chosen_before_copies_of_the_common_one(tmp_path: Path) -> None:
    chosen = [row.path for row in choose_recordings(write(tmp_path / "labels.csv", rows()), N_RARE + 1)]
    assert {f"calls/rare-{n}.wav" for n in range(N_RARE)} <= {*chosen}
    assert "calls/broken.wav" not in chosen


def test_a_shorter_choice_is_the_start_of_a_longer_one_in_any_order_of_any_format(tmp_path: Path) -> None:
    whole = choose_recordings(write(tmp_path / "labels.csv", rows()), 20)
    for name in ("other.parquet", "other.jsonl"):
        assert choose_recordings(write(tmp_path / name, rows()[::-1]), 5) == whole[:5]


def test_no_recording_is_chosen_twice() -> None:
    points = np.tile([0.5, 0.5], (7, 1))
    assert sorted(spread(points, 20)) == list(range(7))


def test_the_table_to_fill_in_can_be_adapted_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = ["-a.wav", "b\udcff.wav", "calls/c,d.wav"]
    (tmp_path / "calls").mkdir()
    for name in names:
        Path(name).write_bytes(b"RIFF")
    layout = TableLayout(frozenset({"speakers"}))
    table = write(tmp_path / "labels.csv", [labelled_row(name, one_hot(4, 0.5), 1, 1) for name in names], layout)
    (tmp_path / "own").mkdir()
    with SpeakerNames(SpeakerRule("regex:([a-z])[^/]*$")) as speakers:
        write_choice(choose_recordings(table), "own/mine.csv", speakers)
    with Path("own/mine.csv").open(newline="") as file:
        header, *lines = csv.reader(file)
    assert tuple(header) == CHOICE_COLUMNS
    assert {tuple(line[1:]) for line in lines} == {("", name, "angry", "0.500") for name in "abc"}
    with Path("own/mine.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *([line[0], "sad", *line[2:]] for line in lines)])
    filled = read_own_labels("own/mine.csv")
    assert {row.recording.location for row in filled.rows} == {str(tmp_path / name) for name in names}
    with pytest.raises(NothingToDo, match="no recording to choose"):
        choose_recordings(table, without=labelled_locations("own/mine.csv"))


def test_a_table_that_may_be_filled_in_is_not_overwritten(tmp_path: Path) -> None:
    output = tmp_path / "mine.csv"
    write_choice([], str(output))
    with pytest.raises(UsageError, match="may have your labels"):
        write_choice([], str(output))
    with pytest.raises(UsageError, match=r"is a \.csv"):
        write_choice([], str(tmp_path / "mine.parquet"))
