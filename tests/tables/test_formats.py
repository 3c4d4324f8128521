"""Output formats: the registry, and a format that an installed package adds."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import REPOSITORY

from emosense.errors import UsageError
from emosense.tables.formats import OUTPUT_FORMATS, format_of, place_of

Run = Callable[..., subprocess.CompletedProcess[str]]


def recipe() -> dict[str, str]:
    """The code of the recipe in CONTRIBUTING.md, by language."""
    page = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = page.split("\n## Add an output format\n")[1].split("\n## ")[0]
    blocks = (textwrap.dedent("   " + block) for block in section.split("```")[1::2])
    return dict(block.split("\n", 1) for block in blocks)


@pytest.fixture
def run_with_the_recipe(tmp_path: Path) -> Run:
    """The command line with the package of the recipe, installed as pip installs it."""
    site = tmp_path / "site"
    info = site / "emosense_sentences-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: emosense-sentences\nVersion: 1\n")
    files = recipe()
    (site / "sentences.py").write_text(files["python"])
    points = files["toml"].replace('[project.entry-points."emosense.output_formats"]', "[emosense.output_formats]")
    (info / "entry_points.txt").write_text(points.replace('"', ""))

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "emosense", *map(str, arguments)]
        path = os.pathsep.join([str(site), str(REPOSITORY)])
        return subprocess.run(
            command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, timeout=120
        )

    return run


def test_a_format_of_an_installed_package_is_written(
    run_with_the_recipe: Run, tmp_path: Path, tiny_model: str, write_voice: Callable[..., Path]
) -> None:
    write_voice("in/a.wav", duration_s=1.0)
    (tmp_path / "in" / "b.wav").write_bytes(b"")
    run = run_with_the_recipe
    assert "sentences" in run("label", "--help").stdout
    for output, options in (("second.csv", ("-f", "sentences")), ("main.sentences", ())):
        done = run("label", "in", "-o", output, "-m", tiny_model, *options, "--engine", "local")
        assert done.returncode == 3, done.stderr
    refused = run("label", "in", "-o", "main.sentences", "--report", "page.html")
    assert (refused.returncode, "tables in sentences cannot be read" in refused.stderr) == (2, True)
    main, added = ((tmp_path / f"{name}.sentences").read_text() for name in ("main", "second"))
    first, second = main.splitlines()
    assert first.startswith("in/a.wav: ")
    assert second == "in/b.wav: empty_file"
    assert added == main


def test_a_format_that_needs_segments_gets_a_span_per_window() -> None:
    assert {name for name, entry in OUTPUT_FORMATS.items() if entry.needs_segments} == {
        "audacity",
        "raven",
        "audformat",
    }


@pytest.mark.parametrize("output", ["labels.xlsx", "labels", ".csv", "labels.raven", "labels.audformat"])
def test_an_extension_that_names_no_table_is_refused_with_the_choices(output: str) -> None:
    with pytest.raises(UsageError, match=r"end it in \.csv, \.parquet or \.jsonl, or in / for a data set"):
        format_of(output)


def test_the_extension_of_the_output_is_replaced() -> None:
    assert format_of("calls/labels.CSV") == "csv"
    assert place_of("calls/labels.v2.csv", "jsonl") == "calls/labels.v2.jsonl"
    assert format_of("s3://bucket/labels/") == "dataset"
    assert place_of("calls/labels/", "jsonl") == "calls/labels.jsonl"
    assert place_of("calls/v.1/", "jsonl") == "calls/v.1.jsonl"
    assert place_of("./", "csv") == f"{os.getcwd()}.csv"
    assert place_of("s3://bucket/labels.parquet", "raven") == "s3://bucket/labels.raven.txt"
    with pytest.raises(
        UsageError, match="unknown output format 'xml': choose one of csv, parquet, jsonl, dataset, audacity"
    ):
        place_of("labels.csv", "xml")
