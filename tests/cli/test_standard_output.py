"""`-o -`: a table on standard output."""

from __future__ import annotations

import csv
import io
import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import run_command as run


def test_a_table_is_printed_as_csv_or_json_lines_and_nothing_else(
    tmp_path: Path, tiny_model: str, write_voice: Callable[..., Path]
) -> None:
    write_voice("in/a.wav")
    (tmp_path / "in" / "b.wav").write_bytes(b"no audio")
    done = run("label", "in", "-m", tiny_model, "-o", "-", cwd=tmp_path)
    assert done.returncode == 3
    assert "standard output: 2 recordings" in done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [(row["path"], row["status"]) for row in rows] == [("in/a.wav", "ok"), ("in/b.wav", "error")]
    done = run("label", "in", "-m", tiny_model, "-o", "-", "-f", "jsonl", "-q", cwd=tmp_path)
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [record["emotion"] for record in records] == [rows[0]["emotion"], ""]
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("-f", "parquet"), "-o - prints one table: choose -f csv or -f jsonl"),
        (("-f", "csv", "-f", "jsonl"), "-o - prints one table: choose -f csv or -f jsonl"),
        (("--address", "a:1"), "-o - is for this machine: with --address, name a place that all machines reach"),
        (("--json",), "-o - prints only the table: leave out --report and --json, or name a file"),
        (("--report", "r.html"), "-o - prints only the table: leave out --report and --json, or name a file"),
    ],
)
def test_what_does_not_fit_on_standard_output_is_refused(tmp_path: Path, options: tuple[str, ...], says: str) -> None:
    done = run("label", tmp_path, "-o", "-", *options)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"emosense-batch: {says}\n")


def test_a_table_that_cannot_be_printed_is_not_a_success(
    tmp_path: Path, tiny_model: str, write_voice: Callable[..., Path]
) -> None:
    write_voice("in/a.wav")
    command = [sys.executable, "-m", "emosense", "label", "in", "-m", tiny_model, "-o", "-"]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    assert done.returncode == 6
    assert "the table could not be printed: No space left on device" in done.stderr
    closed = ["sh", "-c", f"exec {shlex.join(command)} >&-"]
    done = subprocess.run(closed, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    assert done.returncode == 6
    assert "the table could not be printed: it is closed" in done.stderr


def test_messages_name_standard_output_and_not_where_the_table_lies_until_it_is_printed(
    tmp_path: Path, tiny_model: str
) -> None:
    (tmp_path / "a.wav").write_bytes(b"no audio")
    done = run("label", "a.wav", "-m", tiny_model, "-o", "-", "--max-errors", "0", "-q", cwd=tmp_path)
    assert (done.returncode, done.stdout.count("\n")) == (4, 2)
    assert done.stderr == (
        "emosense-batch: 1 recording with errors, more than --max-errors 0 allows; standard output has the 1 of 1 "
        "done so far\n"
    )


def test_a_wrong_choice_is_refused_in_plain_words(tmp_path: Path) -> None:
    done = run("label", tmp_path, "-o", "-", "--engine", "spark")
    assert done.returncode == 2
    assert "Invalid value for '--engine': 'spark' is not one of 'auto', 'local', 'ray'." in done.stderr
