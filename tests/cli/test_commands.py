"""What all commands do alike: saved options, JSON on standard output, comparisons, figures, closed pipes."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import run_command as run
from made_tables import CLASSES

from emosense.crossvalidation.evaluate import evaluate
from emosense.crossvalidation.job import EvaluateJob
from emosense.models.model_files import read_model
from emosense.progress import Silent
from emosense.ray_session import ray_session


def write_corpus(path: Path) -> None:
    """A corpus table whose only recording exists but is not audio: reading the table finds nothing wrong."""
    path.with_name("x.wav").write_bytes(b"x")
    path.write_text("path,emotion,speaker\nx.wav,calm,Ann\n")


def test_saved_options_are_loaded_and_the_command_line_takes_precedence(
    tmp_path: Path, tiny_model: str, write_voice: Callable[..., Path]
) -> None:
    write_voice("in/a.wav", duration_s=3.0)
    options = ("-m", tiny_model, "--window", "1", "--min-confidence", "0.9", "--save-params", "params.json")
    assert run("label", "in", "-o", "a.csv", *options, cwd=tmp_path).returncode == 0
    saved = json.loads((tmp_path / "params.json").read_text())
    assert (saved["window"], saved["min_confidence"], saved["model"]) == (1.0, 0.9, tiny_model)
    again = run("label", "in", "-o", "b.csv", "--load-params", "params.json", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "b.csv").read_bytes() == (tmp_path / "a.csv").read_bytes()
    run("label", "in", "-o", "c.csv", "--load-params", "params.json", "--window", "2", cwd=tmp_path)
    assert json.loads((tmp_path / "c.csv.run.json").read_text())["parameters"]["window_s"] == 2.0


def test_a_configuration_file_has_a_table_of_options_per_command(tmp_path: Path) -> None:
    (tmp_path / "emosense.toml").write_text(
        '[label]\nmax-errors = "5%"\nadapt = "wings"\n[models.familiarity]\nmodel = "fast"\n[evaluate]\nwings = 2\n'
    )
    done = run("label", ".", "--load-params", "emosense.toml", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (
        2, "emosense-batch: --adapt takes one of speaker, folder, none, not 'wings'\n",
    )  # fmt: skip
    done = run("evaluate", ".", "--load-params", "emosense.toml", cwd=tmp_path)
    assert "emosense.toml contains the option wings, which this command does not have" in done.stderr
    (tmp_path / "flat.toml").write_text("label = 3\n")
    assert (
        "flat.toml is not a TOML file with a table [label]"
        in run("label", ".", "--load-params", "flat.toml", cwd=tmp_path).stderr
    )
    for text, says in (
        ('[lable]\nmodel = "fast"\n', "c.toml has no table [label]"),
        ('[label]\noutput = "a.csv"\no = "b.csv"\n', "c.toml gives the option o twice, with two of its names"),
        ('[label]\nformat = "xml"\n', "unknown output format 'xml'"),
        ('[label]\nemotions = ["angry", "bored"]\n', "bored"),
    ):
        (tmp_path / "c.toml").write_text(text)
        done = run("label", ".", "--load-params", "c.toml", cwd=tmp_path)
        assert done.returncode == 2
        assert says in done.stderr


def test_a_few_errors_are_told_and_many_are_counted(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / f"{name}.wav").write_bytes(b"no audio")
    done = run("label", ".", "-o", "three.csv", cwd=tmp_path)
    assert done.returncode == 3
    sentence = "the content is not audio: no known audio format"
    assert [line for line in done.stderr.splitlines() if "audio" in line] == [
        "  problems: not_audio 3", *(f"    {name}.wav: {sentence}" for name in "abc")
    ]  # fmt: skip
    assert "    a.wav" not in run("label", ".", "-v", "-o", "again.csv", cwd=tmp_path).stderr
    (tmp_path / "d.wav").write_bytes(b"no audio")
    many = run("label", ".", "-o", "four.csv", cwd=tmp_path)
    assert "  problems: not_audio 4 (see the column error)\n" in many.stderr


def test_a_wrong_option_names_the_right_one(tmp_path: Path) -> None:
    assert run("label", "x", "--emotion", "calm").stderr.endswith(
        "No such option: --emotion. Did you mean --emotions?\n"
    )
    assert run("label", "x", "--qualty").stderr.endswith("No such option: --qualty. Did you mean --quality?\n")
    assert run("label", "x", "--png").stderr.endswith("No such option: --png\n")
    assert run("report", "x", "--png").stderr == (
        "emosense-batch: a report is a page; for pictures of its figures: --figures FOLDER --figure-format png\n"
    )


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("broken.json", "broken.json was not written by --save-params"),
        ("list.json", "list.json was not written by --save-params: it is not a JSON object"),
        ("other.json", "other.json contains the option wings"),
        ("gone.json", "there is no file gone.json"),
        (".", ". cannot be read: Is a directory"),
        ("deep.json", "deep.json was not written by --save-params: it is nested too deeply"),
        ("fifo.json", "fifo.json cannot be read: it is not a regular file"),
        ("huge.json", "huge.json cannot be read: it has 6,442,450,944 bytes"),
    ],
)
def test_options_that_cannot_be_loaded_are_an_error_that_names_the_file(tmp_path: Path, name: str, says: str) -> None:
    for made, content in (("broken.json", "{"), ("list.json", "[]"), ("other.json", '{"wings": 2}')):
        (tmp_path / made).write_text(content)
    (tmp_path / "deep.json").write_text("[" * 100_000)
    os.mkfifo(tmp_path / "fifo.json")
    with (tmp_path / "huge.json").open("wb") as file:
        file.truncate(6 << 30)
    done = run("label", "in", "--load-params", name, cwd=tmp_path)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_options_are_saved_neither_over_other_files_nor_where_they_are_refused(
    tmp_path: Path, tiny_model: str, write_voice: Callable[..., Path]
) -> None:
    write_voice("in/a.wav")
    (tmp_path / "notes.txt").write_text("mine")
    options = ("label", "in", "-m", tiny_model, "-o", "a.csv", "--dry-run")
    done = run(*options, "--save-params", "notes.txt", cwd=tmp_path)
    assert (done.returncode, (tmp_path / "notes.txt").read_text()) == (2, "mine")
    assert run(*options, "--window", "0.1", "--save-params", "p.json", cwd=tmp_path).returncode == 2
    assert not (tmp_path / "p.json").exists()
    for _ in range(2):
        assert run(*options, "--save-params", "p.json", cwd=tmp_path).returncode == 0


@pytest.mark.parametrize("content", ['{"name": "web", "version": "1"}', '{"path": "a.wav", "emotion": "calm"}\n', "[]"])
def test_saved_options_replace_no_json_of_another_kind(tmp_path: Path, content: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "mine.json").write_text(content)
    done = run("label", "in", "--dry-run", "--save-params", "mine.json", cwd=tmp_path)
    assert done.returncode == 2
    assert "mine.json was not written by --save-params" in done.stderr
    assert (tmp_path / "mine.json").read_text() == content


@pytest.mark.parametrize(
    "arguments",
    [
        ("label", "in", "-o", "x.jsonl", "--save-params", "link/x.jsonl"),
        ("label", "in", "-o", "a.csv", "--segments", "x.jsonl", "--save-params", "x.jsonl"),
        ("label", "in", "--save-params", "labels.csv.run.json"),
        ("label", "in", "-f", "audacity", "--save-params", "labels.audacity/x.json"),
        ("features", "c.csv", "-o", "x.parquet", "--save-params", "./x.parquet"),
        ("evaluate", "c.csv", "-o", "e", "--save-params", "e/metrics.json"),
        ("train", "mlp", "c.csv", "-o", "m", "--save-params", "m/model.json"),
    ],
)
def test_options_are_not_saved_to_a_file_that_the_command_writes(
    tmp_path: Path, tiny_model: str, arguments: tuple[str, ...]
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "link").symlink_to(tmp_path)
    write_corpus(tmp_path / "c.csv")
    done = run(*arguments, *(("-m", tiny_model) if "label" in arguments else ()), cwd=tmp_path)
    assert done.returncode == 2
    assert f"this command writes {arguments[-1]} itself" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (("label", "in", "--encoder", "https://user:secret@host/enc.onnx"), "--encoder"),
        (("label", "in", "-m", "s3://bucket/model?token=secret"), "--model"),
        (("evaluate", "c.csv", "--reuse", "e", "--reuse", "s3://key:secret@bucket/e"), "--reuse"),
        (("train", "mlp", "c.csv", "-o", "m", "--encoder", "https://user:secret@host/enc.onnx"), "--encoder"),
        (("features", "c.csv", "-o", "f.parquet", "--encoder", "https://user:secret@host/enc.onnx"), "--encoder"),
    ],
)
def test_credentials_are_not_saved_with_the_options(tmp_path: Path, arguments: tuple[str, ...], option: str) -> None:
    (tmp_path / "in").mkdir()
    write_corpus(tmp_path / "c.csv")
    done = run(*arguments, "--save-params", "p.json", cwd=tmp_path)
    assert done.returncode == 2
    assert f"{option} contains credentials" in done.stderr
    assert "secret" not in done.stderr
    assert not (tmp_path / "p.json").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("label", "nowhere"),
        ("features", "nowhere", "-o", "f.parquet"),
        ("features", "c.csv", "-o", "f.parquet", "--set", "encoder"),
        ("train", "mlp", "c.csv", "-o", "m", "--gpu"),
        ("train", "mlp", "nowhere", "-o", "m"),
        ("evaluate", "c.csv", "--folds", "3"),
        ("evaluate", "nowhere"),
        ("evaluate", "--compare", "a", "b"),
    ],
)
def test_a_refused_command_saves_no_options_and_keeps_those_of_an_earlier_one(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    write_corpus(tmp_path / "c.csv")
    assert run(*arguments, "--save-params", "p.json", cwd=tmp_path).returncode == 2
    assert not (tmp_path / "p.json").exists()
    (tmp_path / "p.json").write_text('{"quiet": true}')
    assert run(*arguments, "--save-params", "p.json", cwd=tmp_path).returncode == 2
    assert (tmp_path / "p.json").read_text() == '{"quiet": true}'


def test_a_dry_run_says_in_its_json_that_it_is_one(
    tmp_path: Path, tiny_model: str, write_voice: Callable[..., Path]
) -> None:
    write_voice("in/a.wav")
    done = run("label", "in", "-m", tiny_model, "-o", "a.csv", "--dry-run", "--json", cwd=tmp_path)
    summary = json.loads(done.stdout)
    assert (summary["dry_run"], summary["listed"], "engine" in summary) == (True, 1, False)


def test_the_summary_as_json_is_the_only_thing_on_standard_output(
    tmp_path: Path, tiny_model: str, write_voice: Callable[..., Path]
) -> None:
    write_voice("in/a.wav")
    (tmp_path / "in" / "b.wav").write_bytes(b"")
    done = run("label", tmp_path / "in", "-o", tmp_path / "a.csv", "-m", tiny_model, "--json")
    summary = json.loads(done.stdout)
    assert (summary["recordings"], summary["error_code"], summary["exit_code"]) == (2, {"empty_file": 1}, 3)
    assert done.returncode == 3


def test_a_closed_pipe_leaves_no_traceback(tmp_path: Path) -> None:
    script = f"{sys.executable} -m emosense models show | head -c 10"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60)
    assert len(done.stdout) == 10
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


def test_a_model_is_shown_and_verified_with_its_digest() -> None:
    shown = run("models", "show")
    assert {"name", "classes", "features", "scores", "licence"} <= json.loads(shown.stdout).keys()
    verified = run("models", "verify")
    assert f"digest of settings and weights: {read_model('default').sha256}" in verified.stderr


def test_a_sample_rate_that_no_recording_has_is_refused(tmp_path: Path) -> None:
    for rate in ("5", "999", "768001"):
        done = run("features", tmp_path, "-o", tmp_path / "f.parquet", "--sample-rate", rate)
        assert done.returncode == 2
        assert "Invalid value for '--sample-rate'" in done.stderr


@pytest.fixture(scope="module")
def two_evaluations(table: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folders = tmp_path_factory.mktemp("a"), tmp_path_factory.mktemp("b")
    with ray_session(None, 2):
        for folder, calibrate in zip(folders, (False, True), strict=True):
            job = EvaluateJob(table, str(folder), kind="mlp", emotions=CLASSES, protocol="kfold", calibrate=calibrate)
            evaluate(job, Silent())
    return folders


def test_two_evaluations_are_compared_by_a_paired_test(two_evaluations: tuple[Path, Path], tmp_path: Path) -> None:
    done = run("evaluate", "--compare", *two_evaluations, "-o", tmp_path / "c")
    assert done.returncode == 0, done.stderr
    # Calibration changes no label, so the two are equal.
    assert "+0.0 points of UAR" in done.stdout
    assert "p = 1.000" in done.stdout
    assert "144 recordings in common" in done.stdout
    assert (tmp_path / "c" / "comparison.html").stat().st_size > 10_000
    assert run("evaluate", "--compare", two_evaluations[0], tmp_path, "-o", tmp_path / "c").returncode == 2
    assert run("evaluate").returncode == 2


@pytest.mark.parametrize(
    ("ignored", "named"),
    [
        (["corpus.csv"], "DATA"),
        (["--report"], "--report"),
        (["-m", "default"], "--model"),
        (["--seeds", "1"], "--seeds"),
    ],
)
def test_what_a_comparison_would_ignore_is_refused(tmp_path: Path, ignored: list[str], named: str) -> None:
    done = run("evaluate", *ignored, "--compare", "a", "b", "-o", tmp_path / "c")
    assert done.returncode == 2
    assert f"leave out {named}\n" in done.stderr
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize("data", ["c.parquet", "link.parquet", "file://{}/c.parquet"])
def test_features_never_replace_the_table_that_they_are_made_from(tmp_path: Path, data: str) -> None:
    (tmp_path / "c.parquet").write_bytes(b"mine")
    (tmp_path / "link.parquet").symlink_to("c.parquet")
    done = run("features", data.format(tmp_path), "-o", "./c.parquet", cwd=tmp_path)
    assert (done.returncode, "c.parquet is the input and would be overwritten" in done.stderr) == (2, True)
    assert (tmp_path / "c.parquet").read_bytes() == b"mine"


def test_figures_are_saved_in_the_formats_that_are_asked_for(
    two_evaluations: tuple[Path, Path], tmp_path: Path
) -> None:
    formats = ("--figure-format", "png", "--figure-format", "pdf")
    done = run("report", two_evaluations[0], "-o", tmp_path / "r.html", "--figures", tmp_path / "f", *formats)
    assert done.returncode == 0, done.stderr
    stems = {end: {path.stem for path in (tmp_path / "f").glob(f"*.{end}")} for end in ("png", "pdf", "md", "tex")}
    assert "confusion" in stems["png"] == stems["pdf"]
    assert "emotions-table" in stems["md"] == stems["tex"]
    assert len(os.listdir(tmp_path / "f")) == sum(map(len, stems.values()))
    assert (tmp_path / "f" / "confusion.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "f" / "confusion.pdf").read_bytes().startswith(b"%PDF")


def test_a_label_report_is_written_with_the_table(
    tmp_path: Path, tiny_model: str, write_voice: Callable[..., Path]
) -> None:
    write_voice("in/a.wav")
    done = run("label", tmp_path / "in", "-o", tmp_path / "a.csv", "-m", tiny_model, "--report", tmp_path / "a.html")
    assert done.returncode == 0, done.stderr
    assert "a.wav" in (tmp_path / "a.html").read_text()
    assert run("report", tmp_path / "a.csv", "-o", tmp_path / "b.html").returncode == 0
    assert run("report", tmp_path / "nowhere.csv").returncode == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("a.csv", "--figure-format", "png"), "needs --figures FOLDER"),
        (("a.csv", "--figures", "f", "--figure-format", "gif"), "unknown figure format 'gif'"),
        (("a.csv", "--features", "f.parquet"), "--features is only for the report of one evaluation"),
        (("a", "--compare", "b", "--features", "f.parquet"), "--features is only for the report of one evaluation"),
        (("folder.csv",), "the table folder.csv cannot be read"),
        (("page.html",), "page.html has no evaluation: make one with emosense-batch evaluate"),
        (("labels.csv", "--compare", "page.html"), "labels.csv has no evaluation"),
    ],
)
def test_a_report_with_options_that_do_not_fit_is_refused(
    tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "page.html").touch()
    (tmp_path / "labels.csv").touch()
    done = run("report", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_trust_columns_have_their_section_in_the_report(
    tmp_path: Path, tiny_model: str, write_voice: Callable[..., Path]
) -> None:
    write_voice("in/a.wav")
    write_voice("in/b.wav", pitch_hz=200)
    (tmp_path / "in" / "c.wav").write_bytes(b"")
    for options, expected in (((), False), (("--quality",), True)):
        page = tmp_path / f"{len(options)}.html"
        output = page.with_suffix(".csv")
        done = run("label", tmp_path / "in", "-o", output, "-m", tiny_model, "--report", page, *options)
        assert done.returncode == 3, done.stderr
        assert ("Labels to check" in page.read_text()) is expected
    with open(output, newline="") as file:
        levels = [float(row["level_dbfs"]) for row in csv.DictReader(file) if row["level_dbfs"]]
    assert len(levels) == 2
    text = page.read_text().replace("\u00a0", " ").replace("\N{MINUS SIGN}", "-")
    assert f"Median {sum(levels) / 2:.1f} dBFS; 0.0 % of the recordings are below -60 dBFS." in text


def test_the_shipped_models_are_listed_with_figures_that_can_be_compared() -> None:
    done = run("models", "list")
    assert done.returncode == 0
    heads, *rows = [re.split(r" {2,}", line) for line in done.stdout.splitlines()]
    assert heads == ["model", "version", "at home", "with --speakers", "elsewhere", "with --speakers"]
    assert [row[0] for row in rows] == ["accurate", "default", "fast"]
    figures = {row[0]: [float(cell.removesuffix(" %")) for cell in row[2:]] for row in rows}
    # Each is better at home, and better when adapted to the speakers.
    assert all(12.5 < far < far_adapted < home < adapted < 90 for home, adapted, far, far_adapted in figures.values())
    assert "human listeners" in done.stderr
    shown = json.loads(run("models", "show", "default").stdout)["compared"]
    assert f"{100 * shown['home']['uar']:.1f} %" == rows[1][2]
    assert shown["elsewhere"]["protocol"] == "loco"
