"""One run at a time on one output.

A local run folder is held with a lock of the system, which ends with the process, however that ends. Object storage and
some shared file systems have no such lock: there a file names the run that holds the output and is written anew every
few seconds. Who finds one waits for three times that long; if it changes the other run is alive, if not its run is dead
and is followed at once. No clock of two machines is compared. Two runs that still got past each other find out at the
next beat, and one stops: until then each has written whole parts of right rows.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from emosense.errors import EmoSenseError, OutputError, StorageError, UsageError
from emosense.storage.files import exists, make_folder, read_bytes, remove, write_bytes
from emosense.storage.locations import join, redact
from emosense.storage.schemes import is_url

BEAT_S: Final = 5.0
# Long enough that of two runs that start together both see the name that was written last.
_SETTLE_S: Final = 0.5
# Who waits for a silent run follows it after as many beats; storage that is back earlier costs nothing.
_MAX_MISSED: Final = 3
# What flock says on NFS without its lock service, on Lustre mounted without flock, and on some FUSE file systems.
_NO_LOCKS: Final = frozenset({errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS})


@contextlib.contextmanager
def held(folder: str, say: Callable[[str], None], beat_s: float = BEAT_S) -> Iterator[Callable[[], None]]:
    """Hold a run folder for the block; gives a function that raises if it is not held any more.

    That function raises `OutputError` where another run has taken over, and `StorageError` where storage has taken no
    sign of life for so long that another run may.

    Parameters
    ----------
    folder : str
        Local path or URL.
    say : callable
        Told that another run is waited for.
    beat_s : float
        Seconds between two signs of life, where the system has no lock.

    Raises
    ------
    UsageError
        If another run holds the folder.
    OutputError
        If it cannot be written.
    """
    with contextlib.ExitStack() as stack:
        make_folder(folder)
        descriptor = None if is_url(folder) else _file_lock(folder)
        if descriptor is None:
            lease = _Lease(folder, beat_s)
            lease.take(say)
            stack.callback(lease.release)
            check = lease.check
        else:
            stack.callback(os.close, descriptor)
            check = _nothing_to_check
        yield check


def _nothing_to_check() -> None:
    """Do nothing: the system's lock cannot be lost."""


def _refusal(folder: str) -> UsageError:
    return UsageError(
        f"another run is writing {redact(folder.removesuffix('.run'))}: wait for it, or choose another output"
    )


def _file_lock(folder: str) -> int | None:
    """Return a descriptor that holds the lock as long as it is open; None where the file system has no locks."""
    import fcntl

    try:
        descriptor = os.open(join(folder, "lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
    except OSError as err:
        raise OutputError(f"cannot write to {folder}: {err.strerror}") from err
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as err:
        os.close(descriptor)
        raise _refusal(folder) from err
    except OSError as err:
        os.close(descriptor)
        if err.errno not in _NO_LOCKS:
            raise OutputError(f"cannot lock {redact(folder)}: {err.strerror}") from err
        return None
    return descriptor


class _Lease:
    """The object, or file, that names the run which holds a folder where the system has no lock."""

    def __init__(self, folder: str, beat_s: float) -> None:
        self._folder, self._location, self._beat_s = folder, join(folder, "lock.json"), beat_s
        self._holder = {"run": secrets.token_hex(8), "place": _place(), "pid": os.getpid()}
        self._n_beats = self._n_missed = 0
        self._is_lost = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True, name="emosense-lease")

    def take(self, say: Callable[[str], None]) -> None:
        """Wait out whoever was here before, and write our name."""
        found = self._read()
        if found is not None and not _is_dead(found):
            say(f"an earlier run holds {redact(self._folder)}: up to {3 * self._beat_s:g} s to see whether it is alive")
            end_s = time.monotonic() + 3 * self._beat_s
            while time.monotonic() < end_s:
                time.sleep(self._beat_s / 10)
                now = self._read()
                if now is None:
                    break
                if now != found:
                    raise _refusal(self._folder)
        self._write()
        time.sleep(_SETTLE_S)
        if not self._is_ours():
            raise _refusal(self._folder)
        self._thread.start()

    def check(self) -> None:
        """Raise if another run has taken over, or may have."""
        if self._is_lost:
            raise OutputError(f"another run has taken over {redact(self._folder)}: this one stops")
        if self._n_missed >= _MAX_MISSED:
            raise StorageError(f"storage takes no sign of life at {redact(self._location)}: this run stops")

    def release(self) -> None:
        """Let others have the folder; what storage says no more matters."""
        self._ended.set()
        self._thread.join()
        with contextlib.suppress(EmoSenseError, OSError):
            if self._is_ours():
                remove(self._location)

    def _beat(self) -> None:
        while not self._ended.wait(self._beat_s):
            # Storage that does not answer now, or denies, may answer at the next beat; by then another run may hold
            # the folder.
            try:
                if not self._is_ours():
                    self._is_lost = True
                    return
                self._write()
            except (EmoSenseError, OSError):
                self._n_missed += 1
            else:
                self._n_missed = 0

    def _write(self) -> None:
        self._n_beats += 1
        write_bytes(self._location, json.dumps({**self._holder, "beat": self._n_beats}).encode())

    def _read(self) -> dict[str, Any] | None:
        """Return what the object says, None where there is none."""
        if not exists(self._location):
            return None
        try:
            content = json.loads(read_bytes(self._location))
        except FileNotFoundError:
            return None
        except ValueError:
            return {}
        return content if isinstance(content, dict) else {}

    def _is_ours(self) -> bool:
        found = self._read()
        return found is not None and found.get("run") == self._holder["run"]


def _place() -> str:
    """Where a process number means a process: the machine, and on Linux the container."""
    try:
        return f"{socket.gethostname()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return socket.gethostname()


def _is_dead(holder: dict[str, Any]) -> bool:
    """Whether a holder is known to be gone: its process was on this machine and is no more."""
    if holder.get("place") != _place() or not isinstance(holder.get("pid"), int):
        return False
    try:
        os.kill(holder["pid"], 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
