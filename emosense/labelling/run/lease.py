"""A lease on a run folder where there are no locks: a file that names the run that owns the folder.

The owner rewrites the file every few seconds. A run that finds a lease waits for three such intervals: if the file
changes, the other run is alive; if not, that run is dead and the new one takes over. Clocks of different machines are
never compared. If two runs still get past each other, each notices at its next renewal and one of them stops. Until
then both have written only whole, correct parts.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from emosense.errors import EmoSenseError, OutputError, StorageError, UsageError
from emosense.storage.files import exists, read_bytes, remove, write_bytes
from emosense.storage.locations import join, redact

# Long enough that two runs that start together both see the name that was written last.
_SETTLE_S: Final = 0.5
# A run that waits for a silent one takes over after as many intervals; storage that is back earlier costs nothing.
_MAX_MISSED: Final = 3


def locked_error(folder: str) -> UsageError:
    """Return the error for a folder that another run owns.

    Parameters
    ----------
    folder : str
        Local path or URL of the run folder.

    Returns
    -------
    UsageError
    """
    return UsageError(
        f"another run is writing {redact(folder.removesuffix('.run'))}: wait for it, or choose another output"
    )


class Lease:
    """A lease on one folder; `acquire` it before use.

    Parameters
    ----------
    folder : str
        Local path or URL.
    renew_every_s : float
        Seconds between two renewals, > 0.
    """

    def __init__(self, folder: str, renew_every_s: float) -> None:
        self._folder, self._location, self._renew_every_s = folder, join(folder, "lock.json"), renew_every_s
        self._owner = {"run": secrets.token_hex(8), "place": _place(), "pid": os.getpid()}
        self._n_renewals = self._n_missed = 0
        self._is_lost = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew, daemon=True, name="emosense-lease")

    def acquire(self, on_message: Callable[[str], None]) -> None:
        """Wait until an earlier owner is known to be dead, then take the folder.

        Parameters
        ----------
        on_message : callable
            Receives a sentence when there is an owner to wait for.

        Raises
        ------
        UsageError
            If another run owns the folder.
        """
        found = self._read()
        if found is not None and not _is_dead(found):
            wait_s = 3 * self._renew_every_s
            on_message(f"{redact(self._folder)} is locked by an earlier run: waiting up to {wait_s:g} s for it")
            end_s = time.monotonic() + wait_s
            while time.monotonic() < end_s:
                time.sleep(self._renew_every_s / 10)
                now = self._read()
                if now is None:
                    break
                if now != found:
                    raise locked_error(self._folder)
        self._write()
        time.sleep(_SETTLE_S)
        if not self._is_ours():
            raise locked_error(self._folder)
        self._thread.start()

    def assert_owned(self) -> None:
        """Raise if this run may not write any more.

        Raises
        ------
        OutputError
            If another run has taken over.
        StorageError
            If the lease could not be renewed for so long that another run may have taken over.
        """
        if self._is_lost:
            raise OutputError(f"another run has taken over {redact(self._folder)}: this one stops")
        if self._n_missed >= _MAX_MISSED:
            raise StorageError(f"cannot renew the lock {redact(self._location)}: this run stops")

    def release(self) -> None:
        """Free the folder; a fault of storage no longer matters."""
        self._ended.set()
        self._thread.join()
        with contextlib.suppress(EmoSenseError, OSError):
            if self._is_ours():
                remove(self._location)

    def _renew(self) -> None:
        while not self._ended.wait(self._renew_every_s):
            # Storage that does not answer, or denies, may answer next time; by then another run may own the folder.
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
        self._n_renewals += 1
        write_bytes(self._location, json.dumps({**self._owner, "beat": self._n_renewals}).encode())

    def _read(self) -> dict[str, Any] | None:
        """Return the content of the lease, None where there is none."""
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
        return found is not None and found.get("run") == self._owner["run"]


def _place() -> str:
    """Return where a process number identifies a process: the machine, and on Linux the container."""
    try:
        return f"{socket.gethostname()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return socket.gethostname()


def _is_dead(owner: dict[str, Any]) -> bool:
    """Whether an owner is known to be dead: its process ran on this machine and has ended."""
    if owner.get("place") != _place() or not isinstance(owner.get("pid"), int):
        return False
    try:
        os.kill(owner["pid"], 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
