"""The schema: what tables and the page of the rows take from it."""

from __future__ import annotations

import importlib.util

from conftest import REPOSITORY

from emosense.tables.columns import COLUMNS, QUALITY_COLUMNS, SCHEMA, SEGMENT_COLUMNS, SPEAKER_COLUMNS, select_columns
from emosense.tables.row import Row


def test_the_columns_are_those_of_the_contract() -> None:
    assert ",".join(COLUMNS) == (
        "path,emotion,confidence,p_neutral,p_calm,p_happy,p_sad,p_angry,p_fearful,p_disgust,p_surprised,"
        "duration_s,decoded_s,speech_s,unfamiliar,n_segments,agreement,status,error_code,error"
    )
    of_recordings = {"n_segments", "agreement"}
    assert (*(name for name in COLUMNS if name not in of_recordings), "start_s", "end_s") == SEGMENT_COLUMNS


def test_columns_on_request_come_after_those_that_are_always_there() -> None:
    names = [column.name for column in select_columns({"quality", "speakers", "min_confidence"})]
    assert names == [*COLUMNS, *QUALITY_COLUMNS, *SPEAKER_COLUMNS, "uncertain"]


def test_a_row_has_a_value_for_every_column_that_does_not_depend_on_the_table() -> None:
    assert [*Row("a.wav", (), None, None, "error").to_dict(), "uncertain"] == list(SCHEMA)


def test_the_page_of_the_rows_has_the_tables_that_its_generator_makes() -> None:
    spec = importlib.util.spec_from_file_location("make_rows", REPOSITORY / "docs" / "make_rows.py")
    assert spec is not None
    assert spec.loader is not None
    make_rows = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_rows)
    assert make_rows.PAGE.read_text(encoding="utf-8") == make_rows.page(), "run: python docs/make_rows.py"
