"""`emosense-batch label` as a user runs it: exit codes, streams, rows."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from commands import run_command as run
from conftest import tiny_description, tiny_graph
from made_sounds import voice

import emosense
from emosense.models.model_files import write_model
from emosense.tables.columns import COLUMNS, PROBABILITY_COLUMNS


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def folder(tmp_path: Path, write_voice: Callable[..., Path]) -> Path:
    for index in range(12):
        write_voice(f"in/speaker{index % 3}/{index:02d}.wav", duration_s=0.5 + 0.1 * index, pitch_hz=100 + 10 * index)
    return tmp_path / "in"


def bad_files(folder: Path) -> dict[str, str]:
    """Recordings that cannot be labelled, with their expected error codes."""
    good = (0.3 * voice(1.0)).astype(np.float32)
    soundfile.write(folder / "bad-nan.wav", np.where(np.arange(len(good)) == 9, np.nan, good), 16_000, subtype="FLOAT")
    soundfile.write(folder / "bad-short.wav", good[:800], 16_000)
    soundfile.write(folder / "bad-silent.wav", np.zeros(16_000), 16_000)
    (folder / "bad-empty.wav").write_bytes(b"")
    (folder / "bad-page.wav").write_bytes(b"<!DOCTYPE html><html><body>404</body></html>")
    (folder / "bad-header.wav").write_bytes((folder / "bad-short.wav").read_bytes()[:20])
    return {
        "bad-nan.wav": "non_finite",
        "bad-short.wav": "too_short",
        "bad-silent.wav": "no_speech",
        "bad-empty.wav": "empty_file",
        "bad-page.wav": "not_audio",
        "bad-header.wav": "corrupt",
    }


def test_a_folder_becomes_a_table_with_one_row_per_recording(folder: Path, tmp_path: Path, tiny_model: str) -> None:
    done = run("label", folder, "-o", tmp_path / "out.csv", "-m", tiny_model)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "12 recordings" in done.stderr
    rows = rows_of(tmp_path / "out.csv")
    assert tuple(rows[0]) == COLUMNS
    assert [row["path"] for row in rows] == sorted(str(path) for path in folder.rglob("*.wav"))
    assert {row["status"] for row in rows} == {"ok"}
    for row in rows:
        assert abs(sum(float(row[column]) for column in PROBABILITY_COLUMNS) - 1) < 1e-5
    manifest = json.loads((tmp_path / "out.csv.run.json").read_text())
    assert manifest["counts"]["recordings"] == 12
    assert manifest["exit_code"] == 0


def test_bad_recordings_are_rows_with_codes_and_exit_code_3(folder: Path, tmp_path: Path, tiny_model: str) -> None:
    expected = bad_files(folder)
    done = run("label", folder, "-o", tmp_path / "out.csv", "-m", tiny_model)
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    rows = rows_of(tmp_path / "out.csv")
    found = {os.path.basename(row["path"]): row["error_code"] for row in rows if row["error_code"]}
    assert found == expected
    assert len(rows_of(tmp_path / "out.csv")) == 12 + len(expected)


def test_the_table_does_not_depend_on_workers_or_other_recordings(
    folder: Path, tmp_path: Path, tiny_model: str
) -> None:
    bad_files(folder)
    tables = []
    for workers in (1, 3):
        run("label", folder, "-o", tmp_path / f"{workers}.csv", "-m", tiny_model, "-j", workers)
        tables.append((tmp_path / f"{workers}.csv").read_bytes())
    assert tables[0] == tables[1]
    single = []
    for index, path in enumerate(sorted(folder.rglob("*.wav"))):
        run("label", path, "-o", tmp_path / f"single{index}.csv", "-m", tiny_model)
        single.append((tmp_path / f"single{index}.csv").read_bytes().split(b"\r\n", 1)[1])
        if index == 3:
            break
    assert tables[0].split(b"\r\n", 1)[1].startswith(b"".join(single))


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nowhere"], 2, "there is no file or folder nowhere: check the path"),
        ([], 2, "Missing argument 'inputs'. Files, folders"),
        (["in", "-m", "nobody"], 7, "no model at nobody"),
        (["in", "-o", "out.xlsx"], 2, "out.xlsx"),
        (["in", "-o", "/proc/nope/out.csv"], 6, "cannot create the folder /proc/nope"),
        (["in", "-o", "/proc/out.csv"], 6, "cannot create the folder /proc/out.csv.run"),
        (["in", "-o", "in/speaker0/00.wav/out.csv"], 6, "00.wav/out.csv.run"),
        (["in", "--engine", "spark"], 2, "spark"),
        (["in", "--max-errors", "many"], 2, "many"),
        (["in", "--min-confidence", "2"], 2, "--min-confidence"),
        (["in", "-m", "https://example.org/model"], 7, "not fetched"),
        (["in", "--address", "127.0.0.1:1"], 5, "127.0.0.1:1"),
        (["in", "--address", "127.0.0.1:1", "--engine", "local"], 2, "--engine local"),
        (["in", "--file-timeout", "0"], 2, "--file-timeout"),
        (["in", "--window", "0.1"], 2, "the window must be at least 0.25 s"),
        (["in", "--window", "1", "--hop", "0.1"], 2, "the hop must be at least 0.25 s"),
        (["in", "--hop", "20"], 2, "the hop cannot be longer than the window of 10 s"),
        (["in", "--max-segment", "5"], 2, "needs --segment-by speech"),
        (["in", "--segment-by", "speech", "--hop", "5"], 2, "windows have a length and a hop, utterances do not"),
        (["in", "--segment-by", "speech", "--min-segment", "6"], 2, "6 to 10 s does not work"),
        (["in", "--segment-by", "speech", "--min-segment", "0.1"], 2, "must last at least 0.25 s, not 0.1 s"),
        (["in", "--max-duration", "-1"], 2, "the maximum duration"),
        (["in", "--max-duration", "inf"], 2, "the maximum duration"),
        (["in", "--file-timeout", "-1"], 2, "--file-timeout"),
        (["in", "--report", "page.pdf"], 2, "page.pdf"),
        (["in", "-o", "o.csv", "--segments", "o.csv"], 2, "o.csv would be overwritten"),
        (["in", "-o", "o.csv", "--segments", "./o.jsonl", "-f", "jsonl"], 2, "o.jsonl would be overwritten"),
        (["in", "-o", "who.csv", "--speakers", "who.csv"], 2, "who.csv would be overwritten"),
        (["in", "o.csv", "-o", "o.csv"], 2, "o.csv would be overwritten"),
        (["in", "-o", "o/", "--segments", "o/part-00001.parquet"], 2, "o/part-00001.parquet is inside o/"),
        (["in", "-o", "o/", "--report", "o/r.html"], 2, "o/r.html is inside o/"),
        (["in", "-o", "o.csv", "--segments", "o/"], 2, "--segments writes one file"),
        (["bogus://bucket/x"], 2, "bogus"),
        (["list.txt"], 2, "there is no table at list.txt"),
        ([], 2, "inputs"),
    ],
)
def test_what_cannot_work_is_one_sentence_and_an_exit_code(
    folder: Path, tmp_path: Path, tiny_model: str, arguments: list[str], code: int, message: str
) -> None:
    model = [] if "-m" in arguments else ["-m", tiny_model]
    before = sorted(tmp_path.iterdir())
    done = run("label", *arguments, *model, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    left = [path for path in sorted(tmp_path.iterdir()) if path not in before]
    assert not [path for path in left if path.suffix == ".csv"]


def test_an_empty_folder_gives_a_header_and_exit_code_9(tmp_path: Path, tiny_model: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "notes.txt").write_text("x")
    done = run("label", tmp_path / "in", "-o", tmp_path / "out.csv", "-m", tiny_model)
    assert done.returncode == 9
    assert "no audio" in done.stderr
    assert "1 .txt" in done.stderr
    assert (tmp_path / "out.csv").read_text() == ",".join(COLUMNS) + "\n"


def test_a_list_on_standard_input_is_labelled_by_name(folder: Path, tmp_path: Path, tiny_model: str) -> None:
    names = [str(path) for path in sorted(folder.rglob("*.wav"))[:2]] + [str(folder / "gone.wav")]
    for separator in ("\n", "\0"):
        text = separator.join(names).encode()
        done = run("label", "-", "-o", tmp_path / "out.csv", "-m", tiny_model, "--restart", stdin=text)
        assert done.returncode == 3
        rows = {row["path"]: row["error_code"] for row in rows_of(tmp_path / "out.csv")}
        assert rows == {names[0]: "", names[1]: "", names[2]: "missing"}
        (error,) = [row["error"] for row in rows_of(tmp_path / "out.csv") if row["error"]]
        assert error == "there is no such file: it was removed, or never existed"


def test_a_list_keeps_every_name_as_it_stands(
    tmp_path: Path, tiny_model: str, write_voice: Callable[..., Path]
) -> None:
    write_voice("a.wav")
    (tmp_path / "b.wav\r").write_bytes((tmp_path / "a.wav").read_bytes())
    # Lists from Windows: a byte order mark at the start, and lines that end in CR LF.
    for text, names in ((b"\xef\xbb\xbfa.wav\r\n", ["a.wav"]), (b"a.wav\0b.wav\r\0", ["a.wav", "b.wav\r"])):
        done = run("label", "-", "-o", "out.jsonl", "-m", tiny_model, "--restart", stdin=text, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
        assert [row["path"] for row in rows] == names


def test_a_list_from_a_closed_input_is_refused(tmp_path: Path, tiny_model: str) -> None:
    script = f"{sys.executable} -m emosense label - -m {tiny_model} <&-"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert (done.returncode, "standard input is closed" in done.stderr) == (2, True)


def test_a_rerun_does_nothing_twice_and_a_changed_file_again(folder: Path, tmp_path: Path, tiny_model: str) -> None:
    command = ("label", folder, "-o", tmp_path / "out.csv", "-m", tiny_model)
    run(*command)
    first = (tmp_path / "out.csv").read_bytes()
    again = run(*command, "--progress", "plain")
    assert "12 of 12 recordings are already done" in again.stderr
    assert (tmp_path / "out.csv").read_bytes() == first
    changed = sorted(folder.rglob("*.wav"))[4]
    soundfile.write(changed, voice(2.0, 300.0), 16_000)
    third = run(*command, "--progress", "plain")
    assert "11 of 12 recordings are already done" in third.stderr
    fresh = run("label", folder, "-o", tmp_path / "fresh.csv", "-m", tiny_model)
    assert fresh.returncode == 0
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "fresh.csv").read_bytes() != first


def test_another_model_or_parameter_is_refused_and_restart_discards(
    folder: Path, tmp_path: Path, tiny_model: str
) -> None:
    output = tmp_path / "out.csv"
    run("label", folder, "-o", output, "-m", tiny_model)
    (tmp_path / "other").mkdir()
    write_model(str(tmp_path / "other"), tiny_description(), tiny_graph(seed=1))
    refused = run("label", folder, "-o", output, "-m", tmp_path / "other")
    assert refused.returncode == 2
    assert f"--model was {tiny_model}, now {tmp_path / 'other'}" in refused.stderr
    refused = run("label", folder, "-o", output, "-m", tiny_model, "--window", "1")
    assert refused.returncode == 2
    assert "--window was the model's own, now 1" in refused.stderr
    assert run("label", folder, "-o", output, "-m", tmp_path / "other", "--restart").returncode == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("-o", "made"), "cannot write made.csv: it is a folder"),
        (("-o", "out", "--segments", "made.csv"), "cannot write made.csv: it is a folder"),
        (("-o", "out", "--report", "made.html"), "cannot write made.html: it is a folder"),
        (("-o", "taken", "-f", "audacity"), "cannot write taken.audacity: it is not a folder"),
        (("-o", "out", "--segments", "/proc/segments.csv"), "cannot write /proc/segments.csv"),
        (("-o", "out", "--segments", "s" * 245 + ".csv"), "File name too long"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_before_anything_is_labelled(
    folder: Path, tmp_path: Path, tiny_model: str, options: tuple[str, ...], message: str
) -> None:
    for name in ("made.csv", "made.html"):
        (tmp_path / name).mkdir()
    (tmp_path / "taken.audacity").write_text("mine")
    options = ("-o", f"{options[1]}.csv", *options[2:], "-m", tiny_model, "--restart")
    done = run("label", folder, *options, cwd=tmp_path)
    assert done.returncode == 6
    assert message in done.stderr
    assert not list(tmp_path.rglob("*.parquet"))  # no part of a run
    assert not list(tmp_path.rglob("*.tmp-*"))


def test_a_stop_by_max_errors_has_its_summary_and_its_report(folder: Path, tmp_path: Path, tiny_model: str) -> None:
    for index in range(30):
        (folder / f"a{index:02d}.wav").write_bytes(b"no audio at all")
    options = ("--max-errors", "1", "--json", "--report", "page.html", "-j", 1)
    done = run("label", folder, "-o", "out.csv", "-m", tiny_model, *options, cwd=tmp_path)
    assert done.returncode == 4
    summary = json.loads(done.stdout)
    rows = rows_of(tmp_path / "out.csv")
    assert (summary["exit_code"], summary["listed"], summary["recordings"]) == (4, 42, len(rows))
    assert f"it holds {len(rows)} of the 42 recordings in the inputs" in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize("options", [(), ("--dry-run",)])
def test_inputs_without_audio_have_their_summary_and_no_report(
    tmp_path: Path, tiny_model: str, options: tuple[str, ...]
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "notes.txt").write_text("x")
    command = ("label", "in", "-m", tiny_model, "--json", "--report", "page.html", *options)
    for _ in range(2):
        done = run(*command, cwd=tmp_path)
        assert done.returncode == 9
        assert "no audio in in (skipped: 1 .txt): give recordings" in done.stderr
        summary = json.loads(done.stdout)
        assert (summary["exit_code"], summary["recordings"], summary["ignored"]) == (9, 0, {".txt": 1})
    assert not (tmp_path / "page.html").exists()
    assert (tmp_path / "labels.csv").exists() is not bool(options)


def test_max_errors_stops_with_exit_code_4_and_a_valid_table(folder: Path, tmp_path: Path, tiny_model: str) -> None:
    for index in range(30):
        (folder / f"a{index:02d}.wav").write_bytes(b"no audio at all")
    done = run("label", folder, "-o", tmp_path / "out.csv", "-m", tiny_model, "-j", 1, "--max-errors", "5")
    assert done.returncode == 4
    rows = rows_of(tmp_path / "out.csv")
    assert 6 <= len(rows) < 42
    assert f"--max-errors 5 allows; {tmp_path / 'out.csv'} has the {len(rows)} of 42 done so far" in done.stderr
    counts = json.loads((tmp_path / "out.csv.run.json").read_text())["counts"]
    assert (counts["listed"], counts["recordings"]) == (42, len(rows))
    run("report", tmp_path / "out.csv")
    assert f"it holds {len(rows)} of the 42 recordings in the inputs" in (tmp_path / "out.html").read_text()
    assert run("label", folder, "-o", tmp_path / "b.csv", "-m", tiny_model, "--max-errors", "90%").returncode == 3


def test_a_rerun_after_too_many_errors_stops_at_the_same_place(folder: Path, tmp_path: Path, tiny_model: str) -> None:
    for index in range(30):
        (folder / f"a{index:02d}.wav").write_bytes(b"no audio at all")
    command = ("label", folder, "-o", tmp_path / "out.csv", "-m", tiny_model, "-j", 1)
    assert run(*command, "--max-errors", "5").returncode == 4
    first = (tmp_path / "out.csv").read_bytes()
    again = run(*command, "--max-errors", "5")
    assert again.returncode == 4
    assert "more than --max-errors 5 allows" in again.stderr
    assert (tmp_path / "out.csv").read_bytes() == first
    assert run(*command, "--max-errors", "30").returncode == 3
    assert len(rows_of(tmp_path / "out.csv")) == 42


def test_segments_have_their_own_table_and_the_file_is_their_weighted_mean(
    tmp_path: Path, tiny_model: str, write_voice: Callable[..., Path]
) -> None:
    path = write_voice("long.wav", duration_s=7.5)
    segments = tmp_path / "segments.csv"
    done = run(
        "label", path, "-o", tmp_path / "o.csv", "-m", tiny_model, "--window", 3, "--hop", 3, "--segments", segments
    )
    assert done.returncode == 0, done.stderr
    (row,), parts = rows_of(tmp_path / "o.csv"), rows_of(segments)
    assert [(part["start_s"], part["end_s"]) for part in parts] == [
        ("0.000", "3.000"),
        ("3.000", "6.000"),
        ("6.000", "7.500"),
    ]
    weights = np.array([3.0, 3.0, 1.5])
    mean = np.average([float(part["p_calm"]) for part in parts], weights=weights)
    assert float(row["p_calm"]) == pytest.approx(mean, abs=2e-6)


def test_utterances_have_rows_with_quality_and_pauses_have_none(tmp_path: Path, tiny_model: str) -> None:
    silence = np.zeros(2 * 16_000)
    parts = [voice(1.5, 150.0, 16_000), silence, voice(2.5, 200.0, 16_000), silence]
    soundfile.write(tmp_path / "call.wav", np.concatenate(parts), 16_000)
    command = ["label", tmp_path / "call.wav", "-o", tmp_path / "o.csv", "-m", tiny_model]
    segments = tmp_path / "segments.csv"
    done = run(*command, "--segments", segments, "--segment-by", "speech", "--min-segment", 0.5, "--quality")
    assert done.returncode == 0, done.stderr
    (row,), found = rows_of(tmp_path / "o.csv"), rows_of(segments)
    places = [(float(each["start_s"]), float(each["end_s"])) for each in found]
    assert np.array(places) == pytest.approx(np.array([(0.0, 1.5), (3.5, 6.0)]), abs=0.25)
    assert all(-40 < float(each["level_dbfs"]) < 0 for each in found)
    speech_s = [float(each["speech_s"]) for each in found]
    assert float(row["speech_s"]) == pytest.approx(sum(speech_s), abs=0.002)
    mean = np.average([float(each["p_sad"]) for each in found], weights=speech_s)
    assert float(row["p_sad"]) == pytest.approx(mean, abs=2e-6)
    rows = emosense.label([tmp_path / "call.wav"], tiny_model, segment_by="speech", min_segment_s=0.5, segments=True)
    assert [(row.start_s, row.end_s, row.emotion) for row in rows] == [
        (*place, each["emotion"]) for place, each in zip(places, found, strict=True)
    ]


def test_dry_run_counts_and_writes_nothing(folder: Path, tmp_path: Path, tiny_model: str) -> None:
    (folder / "notes.txt").write_text("x")
    done = run("label", folder, "-o", tmp_path / "out.csv", "-m", tiny_model, "--dry-run")
    assert done.returncode == 0
    assert "12 recordings would be labelled" in done.stderr
    assert "skipped: 1 .txt" in done.stderr
    assert not (tmp_path / "out.csv").exists()
    assert not (tmp_path / "out.csv.run").exists()


def test_limit_takes_the_first_in_order(folder: Path, tmp_path: Path, tiny_model: str) -> None:
    run("label", folder, "-o", tmp_path / "out.csv", "-m", tiny_model, "--limit", 3)
    assert [row["path"] for row in rows_of(tmp_path / "out.csv")] == sorted(str(p) for p in folder.rglob("*.wav"))[:3]


def test_json_progress_is_json_lines_and_quiet_is_quiet(folder: Path, tmp_path: Path, tiny_model: str) -> None:
    done = run("label", folder, "-o", tmp_path / "a.csv", "-m", tiny_model, "--progress", "json")
    records = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    assert records[-1]["done"] == records[-1]["total"] == 12
    quiet = run("label", folder, "-o", tmp_path / "b.csv", "-m", tiny_model, "-q")
    assert (quiet.stdout, quiet.stderr) == ("", "")


def test_two_runs_on_one_output_exclude_each_other(folder: Path, tmp_path: Path, tiny_model: str) -> None:
    import fcntl

    (tmp_path / "out.csv.run").mkdir()
    with open(tmp_path / "out.csv.run" / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = run("label", folder, "-o", tmp_path / "out.csv", "-m", tiny_model)
    assert done.returncode == 2
    assert "another run is writing" in done.stderr


def test_the_outputs_inside_the_input_folder_are_never_labelled(folder: Path, tmp_path: Path, tiny_model: str) -> None:
    names = [str(path) for path in folder.rglob("*.wav")]
    (folder / "who.csv").write_text("path,speaker\n" + "".join(f"{name},Ann\n" for name in names))
    command = ["label", folder, "-o", folder / "out.csv", "-m", tiny_model, "--sniff", "--speakers", folder / "who.csv"]
    command += ["--segments", folder / "parts" / "segments.csv", "--report", folder / "pages" / "page.html"]
    command += [word for name in ("jsonl", "audacity", "raven", "audformat") for word in ("-f", name)]
    for _ in range(2):
        done = run(*command)
        assert done.returncode == 0, done.stderr
        assert [row["path"] for row in rows_of(folder / "out.csv")] == sorted(names)


def test_a_format_that_is_asked_for_twice_is_written_once(folder: Path, tmp_path: Path, tiny_model: str) -> None:
    formats = [word for name in ("csv", "raven", "raven", "jsonl", "jsonl") for word in ("-f", name)]
    done = run("label", folder, "-o", tmp_path / "out.csv", "-m", tiny_model, *formats)
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / "out.raven.txt").read_text().splitlines()) == 13
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == len(rows_of(tmp_path / "out.csv")) == 12


def test_more_formats_and_trust_columns_are_written_beside_the_table(
    tmp_path: Path, tiny_model: str, write_voice: Callable[..., Path]
) -> None:
    write_voice("in/a.wav", duration_s=25.0)
    formats = [word for name in ("parquet", "jsonl", "audacity", "raven", "audformat") for word in ("-f", name)]
    done = run("label", tmp_path / "in", "-o", tmp_path / "out.csv", "-m", tiny_model, "--quality", *formats)
    assert done.returncode == 0, done.stderr
    (row,) = rows_of(tmp_path / "out.csv")
    assert list(row)[-5:] == ["level_dbfs", "clipping_ratio", "speech_ratio", "snr_db", "distance"]
    (record,) = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert record["level_dbfs"] == float(row["level_dbfs"]) < 0
    assert (tmp_path / "out.parquet").stat().st_size > 0
    (track,) = (tmp_path / "out.audacity").rglob("a.wav.txt")
    assert len(track.read_text().splitlines()) == 3  # windows of 10 s
    assert len((tmp_path / "out.raven.txt").read_text().splitlines()) == 4
    assert (tmp_path / "out.audformat" / "db.yaml").is_file()
    wrong = run("label", tmp_path / "in", "-o", tmp_path / "b.csv", "-m", tiny_model, "-f", "xml")
    assert (wrong.returncode, "xml" in wrong.stderr) == (2, True)


def test_verbose_names_each_recording_that_is_not_ok(folder: Path, tmp_path: Path, tiny_model: str) -> None:
    expected = bad_files(folder)
    done = run("label", folder, "-o", tmp_path / "out.csv", "-m", tiny_model, "-v")
    for name, code in expected.items():
        assert f"{folder / name}: {code}: " in done.stderr
    assert "speaker0" not in done.stderr


@pytest.mark.parametrize(("options", "status", "code"), [((), "partial", 0), (("--strict",), "error", 3)])
def test_a_recording_that_is_cut_off_is_partial_and_with_strict_an_error(
    tmp_path: Path, tiny_model: str, write_voice: Callable[..., Path], options: tuple[str, ...], status: str, code: int
) -> None:
    path = write_voice("in/cut.wav", duration_s=2.0)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    done = run("label", path, "-o", tmp_path / "out.csv", "-m", tiny_model, *options)
    assert done.returncode == code, done.stderr
    (row,) = rows_of(tmp_path / "out.csv")
    assert (row["status"], row["error_code"]) == (status, "truncated")
    assert bool(row["emotion"]) is (status == "partial")
    if status == "partial":
        assert (row["duration_s"], row["decoded_s"]) == ("2.000", "0.999")
