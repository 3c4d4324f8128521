"""The folder of a Ray session, which no other user of the machine can enter."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_TMP: Final = "/tmp"  # noqa: S108 - a private folder is made there
_FOLDER_PREFIX: Final = "emosense-"
_OWNER, _INNER = "owner", "r"


@contextlib.contextmanager
def private_folder(place: str = _TMP) -> Iterator[str]:
    """Make a folder for Ray's session that no other user can enter; what killed drivers have left is removed first.

    Ray opens the folder that it is given to all users of the machine, so it is given one inside a private folder. As
    long as this process lives, it holds a lock there.

    Parameters
    ----------
    place : str
        Where it is made. The path of Ray's sockets must stay under 108 bytes, whatever TMPDIR says.

    Yields
    ------
    str
        The inner folder.
    """
    _remove_abandoned(place)
    outer = tempfile.mkdtemp(prefix=_FOLDER_PREFIX, dir=place)
    # It gets its name when it is locked: without the lock, it is abandoned.
    with open(os.path.join(outer, "new"), "wb") as owner:
        try:
            fcntl.flock(owner, fcntl.LOCK_EX)
            os.rename(owner.name, os.path.join(outer, _OWNER))
            inner = os.path.join(outer, _INNER)
            os.mkdir(inner)
            yield inner
        finally:
            _remove_folder(outer)


def _remove_folder(outer: str | Path) -> None:
    """Remove a folder; if a process of Ray still writes in it, its mark stays, so that the next start removes it."""
    inner = os.path.join(outer, _INNER)
    shutil.rmtree(inner, ignore_errors=True)
    if not os.path.lexists(inner):
        shutil.rmtree(outer, ignore_errors=True)


def _remove_abandoned(place: str) -> None:
    """Remove the folders of this user whose processes are gone."""
    for outer in Path(place).glob(f"{_FOLDER_PREFIX}*"):
        try:
            status = os.lstat(outer)
            if status.st_uid != os.getuid() or not stat.S_ISDIR(status.st_mode):
                continue
            with open(outer / _OWNER, "rb") as owner:
                fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove_folder(outer)
        except OSError:
            # It has no owner, so it is not one of these; or its owner holds the lock.
            continue
