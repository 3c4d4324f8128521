"""A lease on the folder of a run where there are no locks: a file that names the run that owns the folder.

The owner rewrites the file every few seconds. A run that finds a lease waits for three such intervals: if the file
changes, the other run is alive; if not, that run is dead or paused and the new one takes over. Clocks of different
machines are never compared.

A run that was paused does not know it when it wakes. So ownership ends with the time that has passed since the last
renewal, and the lease is read again just before a table or the manifest is put in place. Between this reading and the
last step the run may be paused once more: where storage can compare (S3, Google Cloud Storage, Azure), or a name can be
taken only once (a new file in a local folder), the step itself fails if another run has been there. Elsewhere a pause
of more than ten seconds between these two instants is not noticed.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

from emosense.errors import EmoSenseError, OutputError, StorageError, UsageError
from emosense.storage.commits import ANY, Put, ReplacedMeanwhile, Version, only_over, version_of
from emosense.storage.folders import remove
from emosense.storage.locations import join, redact
from emosense.storage.reading import read_own
from emosense.storage.writing import write_bytes

# Long enough that two runs that start together both see the name that was written last.
_SETTLE_S: Final = 0.5
# A run that waits for a silent one takes over after as many intervals; storage that is back earlier costs nothing.
_MAX_MISSED: Final = 3
# A run stops to trust its lease before another one may take it.
_MARGIN: Final = 0.9
_N_TRIES: Final = 3
_MAX_BYTES: Final = 1 << 16
# What reading gives for a link, a folder, a FIFO, or a file that is too large: something that no run has written.
_NOT_A_LEASE: Final = frozenset({errno.ELOOP, errno.EISDIR, errno.EINVAL, errno.ENXIO, errno.EFBIG})


def clock_s() -> float:
    """Return the seconds of a clock that also counts the time in which the machine is suspended.

    Returns
    -------
    float
        Seconds since some moment in the past.
    """
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


def locked_error(folder: str) -> UsageError:
    """Return the error for a folder that another run owns.

    Parameters
    ----------
    folder : str
        Local path or URL: the output, a dot, and what the folder is for.

    Returns
    -------
    UsageError
    """
    return UsageError(
        f"another run is writing {redact(os.path.splitext(folder)[0])}: wait for it, or choose another output"
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
        self._n_renewals = 0
        self._renewed_s = float("-inf")
        self._is_lost = False
        self._versions: dict[str, Version] = {}
        self._mutex = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew_regularly, daemon=True, name="emosense-lease")

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
        version, found = self._read()
        if found is not None and not _is_dead(found):
            wait_s = _MAX_MISSED * self._renew_every_s
            on_message(f"{redact(self._folder)} is locked by an earlier run: waiting up to {wait_s:g} s for it")
            end_s = clock_s() + wait_s
            while found is not None and clock_s() < end_s:
                time.sleep(self._renew_every_s / 10)
                before = found
                version, found = self._read()
                if found not in (None, before):
                    raise locked_error(self._folder)
        start_s = clock_s()
        try:
            self._write(version)
        except ReplacedMeanwhile as err:
            # A driver that repeats a request whose answer was lost finds its own lease.
            if not _is_same_run(self._read()[1], self._owner):
                raise locked_error(self._folder) from err
        time.sleep(_SETTLE_S)
        if not _is_same_run(self._read()[1], self._owner):
            raise locked_error(self._folder)
        self._renewed_s = start_s
        self._thread.start()

    @property
    def _is_overdue(self) -> bool:
        """Whether so much time has passed since the last renewal that another run may have taken over."""
        return clock_s() - self._renewed_s > _MARGIN * _MAX_MISSED * self._renew_every_s

    def assert_owned(self) -> None:
        """Raise if this run may not write any more.

        Raises
        ------
        OutputError
            If another run has taken over.
        StorageError
            If the lease could not be renewed for so long that another run may have taken over.
        """
        if self._is_lost or self._is_overdue:
            self._confirm()

    def protect(self, places: Iterable[str]) -> None:
        """Note what lies at the places of the tables.

        Parameters
        ----------
        places : iterable of str
            Local paths or URLs.
        """
        self._versions |= {place: version_of(place) for place in places}

    def commit(self, location: str, put: Put) -> None:
        """Put a file in place, if the lease still names this run and nothing else has been put there.

        What another program has put there meanwhile is replaced by the run that owns the folder, as it always was.

        Parameters
        ----------
        location : str
            Local path or URL.
        put : callable
            Puts the file in place.

        Raises
        ------
        OutputError
            If another run has taken over.
        StorageError
            If the lease cannot be read.
        """
        if location not in self._versions:
            # One of the many files of a folder of tracks: a look at the lease for each would double the requests.
            self.assert_owned()
            put(ANY)
            return
        for _ in range(_N_TRIES):
            self._confirm()
            try:
                put(self._versions[location])
            except ReplacedMeanwhile:
                self._versions[location] = version_of(location)
            except OSError:
                # A run that has taken over removes the half-written files of this one.
                self._confirm()
                raise
            else:
                return
        raise ReplacedMeanwhile(location)

    def remove(self, location: str) -> None:
        """Remove a file, if the lease still names this run; what is put there later must find nothing.

        Parameters
        ----------
        location : str
            Local path or URL.

        Raises
        ------
        OutputError
            If another run has taken over.
        StorageError
            If the lease cannot be read, or storage does not answer.
        """
        self._confirm()
        remove(location)
        self._versions[location] = None

    def release(self) -> None:
        """Free the folder; a fault of storage no longer matters."""
        self._ended.set()
        self._thread.join()
        with contextlib.suppress(EmoSenseError, OSError):
            if not self._is_lost and _is_same_run(self._read()[1], self._owner):
                remove(self._location)

    def _confirm(self) -> None:
        """Raise unless the lease names this run now; a lease that is overdue is renewed first."""
        for n_missed in range(_MAX_MISSED):
            try:
                with self._mutex:
                    if self._is_overdue and not self._is_lost:
                        self._renew()
                        # Another run that has just waited long enough may be writing its name at this moment.
                        time.sleep(_SETTLE_S)
                    self._is_lost |= not _is_same_run(self._read()[1], self._owner)
                break
            except (EmoSenseError, OSError) as err:
                if n_missed + 1 == _MAX_MISSED:
                    raise StorageError(f"cannot renew the lock {redact(self._location)}: this run stops") from err
            time.sleep(self._renew_every_s)
        if self._is_lost:
            raise OutputError(f"another run has taken over {redact(self._folder)}: this one stops")

    def _renew_regularly(self) -> None:
        while not self._ended.wait(self._renew_every_s) and not self._is_lost:
            # Storage that does not answer, or denies, may answer next time; by then another run may own the folder.
            with self._mutex, contextlib.suppress(EmoSenseError, OSError):
                self._renew()

    def _renew(self) -> None:
        start_s = clock_s()
        version, found = self._read()
        if not _is_same_run(found, self._owner):
            self._is_lost = True
            return
        # If another run writes its name between these two steps, storage that compares refuses ours.
        with contextlib.suppress(ReplacedMeanwhile):
            self._write(version)
            self._renewed_s = start_s

    def _write(self, version: Version) -> None:
        self._n_renewals += 1
        content = json.dumps({**self._owner, "beat": self._n_renewals}).encode()
        write_bytes(self._location, content, only_over(version))

    def _read(self) -> tuple[Version, dict[str, Any] | None]:
        """Return the version and the content of the lease, None where there is none."""
        # The version first: if the lease changes in between, a write over this version fails.
        version = version_of(self._location)
        try:
            content = json.loads(read_own(self._location, _MAX_BYTES))
        except FileNotFoundError:
            return None, None
        except ValueError:
            return version, {}
        except OSError as err:
            if err.errno not in _NOT_A_LEASE:
                raise
            return version, {}
        return version, content if isinstance(content, dict) else {}


def _is_same_run(found: dict[str, Any] | None, owner: dict[str, Any]) -> bool:
    return found is not None and found.get("run") == owner["run"]


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
