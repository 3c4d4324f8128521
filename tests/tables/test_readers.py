"""A table is read back as it was written, in each of its formats."""

from __future__ import annotations

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
