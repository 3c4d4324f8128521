"""A command that the tests fork does what one that is started does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from commands import run_command

PROGRAM = Path(sys.executable).with_name("emosense-batch")


@pytest.mark.parametrize(
    "arguments",
    [
        ("label",),
        ("label", "-", "--dry-run", "--json"),
        ("evaluate", "nowhere"),
        ("models", "show", "fast"),
    ],
)
def test_a_forked_command_has_the_streams_folder_environment_and_code_of_a_started_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    (tmp_path / "a.wav").write_bytes(b"x")
    monkeypatch.setenv("COLUMNS", "60")
    started = subprocess.run([PROGRAM, *arguments], input=b"a.wav\ngone.wav\n", capture_output=True, cwd=tmp_path)
    forked = run_command(*arguments, stdin=b"a.wav\ngone.wav\n", cwd=tmp_path)
    assert started.stdout or started.stderr
    assert (forked.returncode, forked.stdout, forked.stderr) == (
        started.returncode, started.stdout.decode(), started.stderr.decode(),
    )  # fmt: skip


def test_a_forked_command_that_does_not_end_is_killed() -> None:
    with pytest.raises(TimeoutError, match="has not ended"):
        run_command("models", "show", timeout_s=0)
    assert run_command("models", "show", "nobody").returncode == 7
