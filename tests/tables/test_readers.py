"""A table is read back as it was written, in each of its formats."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import pytest

from emosense.errors import UsageError
from emosense.tables.formats import OUTPUT_FORMATS, TableLayout
from emosense.tables.readers import check_readable, read_records
from emosense.tables.row import labelled_row

SURE = (0.0, 0.0, 0.75, 0.25, 0.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize("name", ["csv", "jsonl", "parquet"])
def test_only_the_columns_that_were_asked_for_are_parsed(tmp_path: Path, name: str) -> None:
    place = str(tmp_path / f"labels.{name}")
    with OUTPUT_FORMATS[name].open(place, TableLayout()) as write:
        write([labelled_row("=a.wav", SURE, 1.5, 1.5)])
    wanted = ("path", "p_happy", "no such column")
    found = list(read_records(place, wanted, lambda record: (record["path"], float(record["p_happy"]))))
    assert found == [("=a.wav", 0.75)]


def test_a_value_that_does_not_parse_names_the_table_and_the_row(tmp_path: Path) -> None:
    place = str(tmp_path / "labels.csv")
    with OUTPUT_FORMATS["csv"].open(place, TableLayout()) as write:
        write([labelled_row("a.wav", SURE, 1.5, 1.5)])
    with pytest.raises(
        UsageError, match=r"labels\.csv is not a table of labels: at its start, it has no column 'tempo'"
    ):
        list(read_records(place, ("path",), lambda record: record["tempo"]))


def test_a_format_that_is_only_written_is_refused() -> None:
    with pytest.raises(UsageError, match="cannot tell the format"):
        check_readable("labels.raven.txt")


GOOD_LINE = {"path": "a.wav", "emotion": "calm", "status": "ok", "error_code": "", "error": "", "unfamiliar": False}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("[]", "not a JSON object"),
        ("null", "not a JSON object"),
        ("{", "Expecting"),
        (json.dumps(GOOD_LINE | {"path": 5}), "path is 5, which is no text"),
        (json.dumps(GOOD_LINE | {"path": ["a.wav"]}), "path is"),
        (json.dumps(GOOD_LINE | {"emotion": {}}), "emotion is"),
        (json.dumps(GOOD_LINE | {"error_code": [1]}), "error_code is"),
        (json.dumps({"emotion": "calm"}), "no column 'path'"),
        ("[" * 100_000, "nested too deeply"),
        ('{"path": "' + "a" * 2_000_000 + '"}', "a line has more than"),
        ("\0" * 3_000_000, "a line has more than"),
        ('{"path": "a.wav", "confidence": ' + "9" * 5000 + "}", "digits"),
    ],
    ids=range(12),
)
def test_odd_lines_of_json_are_refused_with_the_row(line: str, says: str, tmp_path: Path) -> None:
    table = tmp_path / "labels.jsonl"
    table.write_text(f"\n{json.dumps(GOOD_LINE)}\n{line}\n")
    with pytest.raises(UsageError, match=f"after row 1, .*{says}"):
        list(read_records(str(table), ("path", "emotion", "error_code", "confidence"), lambda record: record["path"]))


@pytest.mark.parametrize("extension", ["csv", "jsonl", "parquet"])
def test_a_fifo_is_no_table(extension: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / f"t.{extension}")
    with pytest.raises(UsageError, match="cannot be read: it is not a regular file"):
        list(read_records(str(tmp_path / f"t.{extension}"), None, dict))


def as_excel_saves(table: Path, separator: str, encoding: str, words: dict[str, str]) -> None:
    """Write the table again as a spreadsheet does: few quotes, other words, cells at the end of a line left out."""
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    number = "," if separator == ";" else "."
    cells = [[words.get(cell, cell.replace("0.", f"0{number}")) for cell in row] for row in rows]
    for row in cells[1:]:
        while not row[-1]:
            row.pop()
    with table.open("w", newline="", encoding=encoding) as file:
        csv.writer(file, delimiter=separator).writerows(cells)


@pytest.mark.parametrize(
    ("separator", "encoding", "words"),
    [
        (",", "utf-8-sig", {"true": "TRUE", "false": "FALSE"}),
        (";", "utf-8-sig", {"true": "WAHR", "false": "FALSCH"}),
        (";", "utf-8", {"true": "VRAI", "false": "FAUX"}),
        ("\t", "utf-16", {"true": "TRUE", "false": "FALSE"}),
    ],
)
def test_a_table_that_a_spreadsheet_saved_again_is_read(
    separator: str, encoding: str, words: dict[str, str], tmp_path: Path
) -> None:
    place = str(tmp_path / "labels.csv")
    with OUTPUT_FORMATS["csv"].open(place, TableLayout(min_confidence=0.9)) as write:
        write([labelled_row("=ü,a;b.wav", SURE, 1.5, 1.5), labelled_row("c.wav", SURE, 1.5, 1.5)])
    as_excel_saves(tmp_path / "labels.csv", separator, encoding, words)
    found = list(read_records(place, ("path", "confidence", "uncertain", "unfamiliar", "error"), lambda record: record))
    expected = {"confidence": "0.750000", "uncertain": True, "unfamiliar": None, "error": ""}
    assert found == [{"path": "=ü,a;b.wav"} | expected, {"path": "c.wav"} | expected]


def test_a_word_that_is_neither_true_nor_false_is_refused(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("path,uncertain\na.wav,maybe\n")
    with pytest.raises(UsageError, match="'maybe' is neither true nor false"):
        list(read_records(str(tmp_path / "labels.csv"), None, dict))
