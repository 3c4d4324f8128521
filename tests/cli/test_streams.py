"""Messages that cannot be written: dropped, and never a reason to end a run or to change its exit code."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from emosense.cli.streams import dropping_stream
from emosense.progress import Bar, Lines, Progress, rate_text


def closed_reader() -> int:
    reader, writer = os.pipe()
    os.close(reader)
    return writer


def closed_terminal() -> int:
    terminal, other_end = pty.openpty()
    os.close(terminal)
    return other_end


def full_disk() -> int:
    return os.open("/dev/full", os.O_WRONLY)


def not_for_writing() -> int:
    return os.open(os.devnull, os.O_RDONLY)


@pytest.mark.parametrize("place", [closed_reader, closed_terminal, full_disk, not_for_writing])
def test_what_cannot_be_written_is_dropped_and_told_once(place: Callable[[], int]) -> None:
    descriptor = place()
    faults: list[OSError] = []
    with dropping_stream(descriptor, "utf-8", faults.append, at_once=True) as stream:
        for number in range(3):
            print("line", number, file=stream, flush=True)
        stream.write("x" * 1_000_000)
    os.close(descriptor)
    assert len(faults) == 1


@pytest.mark.parametrize("display", [lambda: Lines(as_json=True), lambda: Lines(as_json=False), Bar])
def test_progress_goes_on_without_a_terminal(display: Callable[[], Progress], monkeypatch: pytest.MonkeyPatch) -> None:
    descriptor = closed_terminal()
    with dropping_stream(descriptor, "utf-8", at_once=True) as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        progress = display()
        progress.start(2)
        progress.advance(2, 1)
        progress.position(754.2)
        progress.message("done")
    os.close(descriptor)


@pytest.mark.parametrize(
    ("per_s", "text"),
    [
        (1234.5, "1,234/s"),
        (79.4, "79/s"),
        (7.46, "7.5/s"),
        (0.5, "30/min"),
        (0.02, "1.2/min"),
        (0.001, "3.6/h"),
        (0, "0/h"),
    ],
)
def test_a_rate_is_in_the_unit_in_which_a_person_reads_it(per_s: float, text: str) -> None:
    assert rate_text(per_s) == text


def test_a_long_recording_shows_how_far_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 0.0
    monkeypatch.setattr("emosense.progress.time.monotonic", lambda: now_s)
    displays = Lines(as_json=False), Lines(as_json=True)
    for display in displays:
        display.start(2)
    now_s = 11.0
    for display in displays:
        display.position(754.2)
        display.position(755.2)
    assert capsys.readouterr().err.splitlines() == [
        "0 of 2 (0%), 13 min into the next",
        '{"done": 0, "total": 2, "audio_s": 754}',
    ]
    displays[0].start(1)
    now_s = 22.0
    displays[0].position(754.2)
    assert capsys.readouterr().err == "13 min of audio done\n"


def test_everything_arrives_where_it_can_be_written_and_what_the_encoding_lacks_is_escaped() -> None:
    reader, writer = os.pipe()
    with dropping_stream(writer, "ascii", at_once=False) as stream:
        stream.write("Zürich \udcff\n")
    os.close(writer)
    with os.fdopen(reader, "rb") as arrived:
        assert arrived.read() == b"Z\\xfcrich \\udcff\n"


def test_a_full_pipe_that_another_process_made_non_blocking_is_waited_for() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    counter = subprocess.Popen(["wc", "-c"], stdin=reader, stdout=subprocess.PIPE)
    os.close(reader)
    with dropping_stream(writer, "ascii", at_once=False) as stream:
        stream.write("x" * 3_000_000)
    os.close(writer)
    assert int(counter.communicate()[0]) == 3_000_000


@pytest.mark.parametrize(
    "where", ["2>&-", "<&- >&- 2>&-", "--json >/dev/full 2>/dev/full", "--progress json 2>&1 | true"]
)
def test_a_run_whose_messages_are_lost_writes_its_table_and_has_its_own_exit_code(
    where: str, tmp_path: Path, tiny_model: str, write_voice: Callable[..., Path]
) -> None:
    write_voice("in/a.wav")
    (tmp_path / "in" / "b.wav").write_bytes(b"")
    command = (
        f"{sys.executable} -m emosense label in -m {tiny_model} --engine local -j 1 {where}; exit ${{PIPESTATUS[0]}}"
    )
    done = subprocess.run(["bash", "-c", command], capture_output=True, cwd=tmp_path, timeout=60)
    assert done.returncode == 3, done
    assert (tmp_path / "labels.csv").read_bytes().count(b"\r\n") == 3
    assert (tmp_path / "labels.csv.run.json").exists()


def test_a_result_that_is_lost_to_a_full_disk_is_told_on_standard_error() -> None:
    command = f"{sys.executable} -m emosense models list >/dev/full"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert done.stderr.endswith("emosense-batch: standard output cannot be written: No space left on device\n")


def test_names_are_those_of_the_file_system_whatever_the_locale(tmp_path: Path) -> None:
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-m", "emosense", "label", tmp_path / "nöwhere"]
    done = subprocess.run(command, capture_output=True, env=os.environ | locale, timeout=60)
    assert (done.returncode, "nöwhere: check the path".encode() in done.stderr) == (2, True)


def test_a_command_that_runs_out_of_memory_says_so_without_a_traceback() -> None:
    code = "import emosense.cli.main as m\ndef app(**_): raise MemoryError\nm.app = app\nm.main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "emosense-batch: there is not enough memory; finished work is kept\n"
