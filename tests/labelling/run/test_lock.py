"""Run folders on file systems that have no locks."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from pathlib import Path

import pytest

from emosense.errors import OutputError, UsageError
from emosense.labelling.run.lock import held


def refuse_locks(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Let the system say of every lock what a file system without locks says: none can be mounted in a test."""

    def flock(_descriptor: int, _operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_folder_without_locks_is_held_by_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    refuse_locks(monkeypatch, number)
    folder = str(tmp_path / "out.csv.run")
    with held(folder, print, beat_s=1.0) as check_held:
        check_held()
        assert json.loads(Path(folder, "lock.json").read_text())["pid"] == os.getpid()
        with pytest.raises(UsageError, match="another run is writing"), held(folder, print, beat_s=1.0):
            pass
    assert not Path(folder, "lock.json").exists()


def test_a_lock_that_fails_otherwise_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_locks(monkeypatch, errno.EIO)
    with pytest.raises(OutputError, match=r"cannot lock .*: Input/output error"), held(str(tmp_path / "run"), print):
        pass
