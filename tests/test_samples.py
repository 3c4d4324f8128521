"""The first command of the README says what samples/README.md promises."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPOSITORY

import emosense

ROW = re.compile(r"^\| `([^`]+)` \| [^|]+ \| (\w+) \| (\.\d\d) \|$", re.MULTILINE)


def test_the_labels_of_the_samples_are_those_that_their_page_states() -> None:
    promised = ROW.findall((REPOSITORY / "samples" / "README.md").read_text())
    assert len(promised) == 6
    rows = emosense.label([str(REPOSITORY / "samples" / name) for name, _, _ in promised])
    found = [(row.emotion, f"{row.confidence:.2f}".lstrip("0")) for row in rows]
    assert found == [(emotion, confidence) for _, emotion, confidence in promised]


def test_the_picture_of_the_terminal_shows_what_the_command_prints_today(tmp_path: Path) -> None:
    shutil.copytree(REPOSITORY / "samples", tmp_path / "samples")
    command = [sys.executable, "-m", "emosense", "label", "samples", "-o", "labels.csv"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=120)
    table = [line.split(",")[:3] for line in (tmp_path / "labels.csv").read_text().splitlines()]
    picture = (REPOSITORY / "docs" / "pictures" / "terminal.svg").read_text()
    lines = re.findall(r'fill="#e6e9ed" xml:space="preserve">(.*?)</text>', picture)
    said, shown = lines[: -len(table)], [html.unescape(line).split(",") for line in lines[-len(table) :]]
    assert [timeless(line) for line in said] == [timeless(line) for line in done.stderr.splitlines()]
    assert [row[:2] for row in shown] == [row[:2] for row in table]
    # The last digits differ between kinds of CPU.
    assert [float(row[2]) for row in shown[1:]] == pytest.approx([float(row[2]) for row in table[1:]], abs=1e-5)


def timeless(line: str) -> str:
    """A line without what differs from run to run: time, rate and CPU time."""
    return re.sub(r"(?<=cost: )[^,]+, [^,]+|(?<=recordings in ).*", "", line)
