"""Locks on run folders, with and without locks of the file system."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from emosense.errors import OutputError, UsageError
from emosense.storage.commits import Version
from emosense.storage.folder_lock import lock_folder
from emosense.storage.writing import write_bytes


def refuse_locks(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Make flock fail as on a file system without locks, which no test can mount."""

    def flock(_descriptor: int, _operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_folder_without_locks_is_owned_through_a_lease(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    refuse_locks(monkeypatch, number)
    folder = str(tmp_path / "out.csv.run")
    with lock_folder(folder, print, renew_every_s=1.0) as lock:
        lock.assert_owned()
        assert json.loads(Path(folder, "lock.json").read_text())["pid"] == os.getpid()
        with pytest.raises(UsageError, match="another run is writing"), lock_folder(folder, print, renew_every_s=1.0):
            pass
    assert not Path(folder, "lock.json").exists()


def test_what_is_put_where_a_lease_has_removed_a_file_must_find_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_locks(monkeypatch, errno.ENOLCK)
    manifest, seen = tmp_path / "labels.run.json", list[Version]()
    manifest.write_bytes(b"earlier")
    with lock_folder(str(tmp_path / "labels.run"), print) as lock:
        lock.protect([str(manifest)])
        lock.remove(str(manifest))
        assert not manifest.exists()
        lock.commit(str(manifest), seen.append)
        write_bytes(str(manifest), b"new", lock.commit)
    assert (seen, manifest.read_bytes()) == ([None], b"new")


def test_a_run_that_has_lost_its_lease_removes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_locks(monkeypatch, errno.ENOLCK)
    manifest, folder = tmp_path / "labels.run.json", tmp_path / "labels.run"
    manifest.write_bytes(b"of another run")
    with lock_folder(str(folder), print) as lock:
        (folder / "lock.json").write_text('{"run": "another"}')
        with pytest.raises(OutputError, match="another run has taken over"):
            lock.remove(str(manifest))
    assert manifest.read_bytes() == b"of another run"


def test_a_lock_that_fails_otherwise_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_locks(monkeypatch, errno.EIO)
    folder = str(tmp_path / "run")
    with pytest.raises(OutputError, match=r"cannot lock .*: Input/output error"), lock_folder(folder, print):
        pass


def test_a_lock_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError, match="cannot lock"), lock_folder(str(tmp_path / "run"), print):
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_a_lock_ends_with_its_process_however_that_ends(tmp_path: Path) -> None:
    folder = str(tmp_path / "run")
    script = (
        "import os, sys; from emosense.storage.folder_lock import lock_folder\n"
        "with lock_folder(sys.argv[1], print):\n    print('locked', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, folder]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"locked\n"
        with pytest.raises(UsageError, match="another run is writing"), lock_folder(folder, print):
            pass
        owner.kill()
    with lock_folder(folder, print) as lock:
        lock.assert_owned()
