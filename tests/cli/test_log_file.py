"""`--log-file`: standard error goes to a file as well."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable
from pathlib import Path

from commands import run_command as run

from emosense.cli.log_file import LoggedStream


def test_every_line_is_logged_with_its_time_and_parts_of_a_line_are_joined() -> None:
    shown, log = io.StringIO(), io.StringIO()
    stream = LoggedStream(shown, log)
    for text in ("one", " line\nand ", "another\n\n", "an unfinished one"):
        assert stream.write(text) == len(text)
    assert shown.getvalue() == "one line\nand another\n\nan unfinished one"
    assert not stream.isatty()
    times = re.findall(r"^(\S+) ?(.*)$", log.getvalue(), re.MULTILINE)
    assert [text for _, text in times] == ["one line", "and another", ""]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", time) for time, _ in times)


def test_the_errors_of_two_commands_follow_each_other_in_the_log(tmp_path: Path) -> None:
    for name in ("one", "two"):
        done = run("label", name, "--log-file", "run.log", cwd=tmp_path)
        assert done.returncode == 2
        assert done.stderr.strip() in (tmp_path / "run.log").read_text()
    assert len((tmp_path / "run.log").read_text().splitlines()) == 2
    refused = run("label", "one", "--log-file", "no/run.log", cwd=tmp_path)
    assert refused.returncode == 6
    assert refused.stderr == "emosense-batch: cannot write the log no/run.log: No such file or directory\n"


def test_a_file_that_is_no_log_is_refused_and_unchanged(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    os.mkfifo(tmp_path / "pipe")
    done = run("label", "a.wav", "--log-file", "a.wav", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (
        2,
        "emosense-batch: --log-file: a.wav is not a log: choose another file\n",
    )
    assert (tmp_path / "a.wav").read_bytes() == b"RIFF"
    assert run("label", "a.wav", "--log-file", "pipe", cwd=tmp_path).returncode == 6


def test_the_log_is_complete_with_quiet_and_the_terminal_gets_only_errors(
    tmp_path: Path, write_voice: Callable[..., Path]
) -> None:
    write_voice("a.wav")
    done = run("label", "a.wav", "-q", "--log-file", "run.log", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert " labels.csv: 1 recording in " in (tmp_path / "run.log").read_text()
    stopped = run("label", "a.wav", "none.wav", "-q", "--log-file", "run.log", "-o", "b.csv", cwd=tmp_path)
    assert stopped.returncode == 2
    assert stopped.stderr == "emosense-batch: there is no file or folder none.wav: check the path\n"
