"""The schema, exact names, and the same content in every format."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
import re
import textwrap
from pathlib import Path

import pandas
import pyarrow.parquet
import pytest
from conftest import REPOSITORY
from hypothesis import given
from hypothesis import strategies as st

from emosense.emotions import EMOTIONS
from emosense.errors import ERROR_CODES, RecordingError, UsageError
from emosense.storage.cells import escape_cell, original_path, printable_path, unescape_cell
from emosense.tables.columns import COLUMNS
from emosense.tables.formats import TableLayout, format_of
from emosense.tables.row import Row, error_row, labelled_row
from emosense.tables.writers import csv_table, json_lines, parquet_table

UNIFORM = (0.125,) * 8
# Every name that a POSIX file system can hold and that is UTF-8: no NUL, no lone surrogates.
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40)
NASTY = [
    *(
        "=1+1",
        "+a",
        "-b",
        "@c",
        "\tq",
        "\rq",
        "'quoted",
        "a,b",
        'a"b',
        "a\nb",
        "a\rb",
        "a;b",
        "NA",
        "null",
        "007",
        "1e5",
    ),
    *(" spaced ", "é", "e\u0301", "\u202etfel", "\U0001f600", "a::b", "[1]*?{}", "#%20?x=y", "back\\slash"),
]


OPEN_TABLE = {"csv": csv_table, "jsonl": json_lines, "parquet": parquet_table}


PLAIN = TableLayout()


def written(format_name: str, rows: list[Row], layout: TableLayout = PLAIN) -> bytes:
    file = io.BytesIO()
    with OPEN_TABLE[format_name](file, layout) as write:
        write(rows)
    return file.getvalue()


def row(path: str) -> Row:
    return labelled_row(path, UNIFORM, 1.0, 1.0)


@given(NAMES)
def test_every_name_comes_back_from_csv_exactly(name: str) -> None:
    content = written("csv", [row(name)])
    (_, cells) = csv.reader(io.StringIO(content.decode("utf-8"), newline=""))
    assert original_path(unescape_cell(cells[0])) == name


@given(st.text(max_size=5))
def test_escaping_is_reversible_and_disarms_formulas(text: str) -> None:
    assert unescape_cell(escape_cell(text)) == text
    assert not escape_cell(text).startswith(("=", "+", "-", "@", "\t", "\r"))


FORMULA_PARTS = st.text(st.sampled_from(";,\n\r\t\"'=+-@a "), max_size=12)


@given(FORMULA_PARTS, FORMULA_PARTS)
def test_no_cell_is_a_formula_wherever_a_spreadsheet_splits(name: str, speaker: str) -> None:
    labelled = dataclasses.replace(row(f"x{name}"), speaker=speaker, error=name)
    content = written("csv", [labelled], TableLayout(frozenset({"speakers"}))).decode()
    (record,) = csv.DictReader(io.StringIO(content, newline=""))
    assert [unescape_cell(record[key]) for key in ("path", "speaker", "error")] == [f"x{name}", speaker, name]
    for separator in ",;":
        cells = [cell for cells in csv.reader(io.StringIO(content, newline=""), delimiter=separator) for cell in cells]
        assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


def test_every_text_is_in_quotes() -> None:
    line = written("csv", [row("a;=1+1;.wav")]).decode().splitlines()[1]
    assert line.startswith('"a;\'=1+1;.wav",')
    assert '"neutral",0.125000' in line


def read_as_documented(content: bytes, folder: Path) -> pandas.DataFrame:
    """Read a table with the very lines of docs/rows.md."""
    page = (REPOSITORY / "docs" / "rows.md").read_text(encoding="utf-8")
    lines = re.search(r"^    text = (?:.*\n)(?:    .*\n)+", page, re.MULTILINE)
    assert lines is not None
    (folder / "labels.csv").write_bytes(content)
    names: dict[str, object] = {"pandas": pandas}
    exec(textwrap.dedent(lines[0]).replace("labels.csv", str(folder / "labels.csv")), names)
    table = names["table"]
    assert isinstance(table, pandas.DataFrame)
    return table


@pytest.mark.parametrize("name", NASTY)
def test_nasty_names_come_back_from_pandas_exactly(name: str, tmp_path: Path) -> None:
    table = read_as_documented(written("csv", [row(name)]), tmp_path)
    assert [unescape_cell(cell) for cell in table["path"]] == [name]


def test_numbers_come_back_from_pandas_as_numbers_beside_error_rows_and_speakers_as_names(tmp_path: Path) -> None:
    labelled = dataclasses.replace(row("a.wav"), speaker="03", speaker_recordings=1)
    rows = [labelled, error_row("b.wav", RecordingError("missing", "gone"))]
    table = read_as_documented(written("csv", rows, TableLayout(frozenset({"speakers"}), 0.5)), tmp_path)
    numbers = ["confidence", "p_calm", "duration_s", "decoded_s", "speaker_recordings"]
    assert {str(kind) for kind in table[numbers].dtypes} == {"float64"}
    assert table["p_calm"].tolist()[0] == 0.125
    assert table[numbers].isna().to_numpy().tolist() == [[False] * 5, [True] * 5]
    assert table["speaker"].tolist() == ["03", ""]
    assert table["error_code"].tolist() == ["", "missing"]
    assert table["uncertain"].tolist() == [True, True]


@given(NAMES)
def test_every_name_comes_back_from_parquet_and_json_lines_exactly(name: str) -> None:
    table = pyarrow.parquet.read_table(io.BytesIO(written("parquet", [row(name)])))
    assert [original_path(text) for text in table["path"].to_pylist()] == [name]
    assert json.loads(written("jsonl", [row(name)]))["path"] == name


def test_a_name_that_is_not_utf8_gets_its_row_in_every_format() -> None:
    name = os.fsdecode(b"caf\xff\xfe.wav")
    assert printable_path(name) == r"bytes:caf\xff\xfe.wav"
    assert rb"bytes:caf\xff\xfe.wav" in written("csv", [row(name)])
    table = pyarrow.parquet.read_table(io.BytesIO(written("parquet", [row(name)])))
    assert table["path"][0].as_py() == r"bytes:caf\xff\xfe.wav"
    assert os.fsencode(json.loads(written("jsonl", [row(name)]))["path"]) == b"caf\xff\xfe.wav"


@given(st.binary(min_size=1, max_size=30).filter(lambda name: b"\0" not in name))
def test_every_name_of_bytes_comes_back_exactly(name: bytes) -> None:
    path = os.fsdecode(name)
    assert os.fsencode(original_path(printable_path(path))) == name
    printable_path(path).encode("utf-8")


@pytest.mark.parametrize("name", ["bytes:a.wav", r"bytes:\xff", r"a\xff.wav", r"bytes:\\"])
def test_names_that_look_like_escapes_come_back_exactly(name: str) -> None:
    assert original_path(printable_path(name)) == name


def test_csv_is_rfc_4180_with_crlf() -> None:
    content = written("csv", [row("a.wav")])
    assert content.count(b"\r\n") == 2
    assert content.count(b"\n") == 2


def test_all_formats_hold_the_same_values() -> None:
    rows = [
        labelled_row("a.wav", (0.1234567, 0.8765433, 0, 0, 0, 0, 0, 0), 1.23456, 1.23456),
        labelled_row("b.wav", UNIFORM, 2.0, 1.0, is_partial=True),
        error_row("c.wav", RecordingError("corrupt", "broken")),
    ]
    lines = list(csv.DictReader(io.StringIO(written("csv", rows).decode(), newline="")))
    records = [json.loads(line) for line in written("jsonl", rows).splitlines()]
    table = pyarrow.parquet.read_table(io.BytesIO(written("parquet", rows))).to_pylist()
    assert records == table
    for line, record in zip(lines, records, strict=True):
        for column in COLUMNS:
            text = "" if record[column] is None else line[column]
            assert line[column] == text
            if isinstance(record[column], float):
                assert float(text) == record[column]
            elif record[column] is not None:
                assert text == record[column]
    assert lines[0]["emotion"] == "calm"
    assert lines[0]["confidence"] == "0.876543"
    assert (lines[1]["status"], lines[1]["error_code"]) == ("partial", "truncated")
    assert (lines[2]["emotion"], lines[2]["p_calm"], lines[2]["status"]) == ("", "", "error")


def test_least_confidence_adds_a_column_and_hides_no_row() -> None:
    sure = labelled_row("a.wav", (0.9, 0.1, 0, 0, 0, 0, 0, 0), 1.0, 1.0)
    lines = list(
        csv.DictReader(
            io.StringIO(written("csv", [sure, row("b.wav")], TableLayout(min_confidence=0.5)).decode(), newline="")
        )
    )
    assert [(line["path"], line["uncertain"]) for line in lines] == [("a.wav", "false"), ("b.wav", "true")]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_probability_that_is_no_number_is_never_a_label(bad: float) -> None:
    with pytest.raises(RecordingError, match="not a number"):
        labelled_row("a.wav", (bad, *UNIFORM[1:]), 1.0, 1.0)


def test_rows_survive_the_pipe() -> None:
    original = labelled_row(os.fsdecode(b"\xff.wav"), UNIFORM, 1.0, 0.5, is_partial=True, start_s=0.0, end_s=1.0)
    assert Row.from_json(json.loads(json.dumps(original.to_json()))) == original


def test_an_unknown_extension_is_refused_with_what_is_known() -> None:
    with pytest.raises(UsageError, match=r"\.csv, \.parquet or \.jsonl"):
        format_of("labels.xlsx")


def test_the_emotion_is_the_most_probable_one() -> None:
    for place, emotion in enumerate(EMOTIONS):
        probabilities = [0.05] * 8
        probabilities[place] = 0.65
        assert labelled_row("a", probabilities, 1.0, 1.0).emotion == emotion


def test_every_error_code_in_the_code_is_documented() -> None:
    package = REPOSITORY / "emosense"
    raised = set()
    for path in package.rglob("*.py"):
        raised |= set(re.findall(r'(?:RecordingError|WorkerDied)\(\s*"(\w+)"', path.read_text()))
    assert raised
    assert raised <= set(ERROR_CODES)
    documented = (package.parent / "docs" / "rows.md").read_text()
    assert [code for code in ERROR_CODES if f"`{code}`" not in documented] == []
