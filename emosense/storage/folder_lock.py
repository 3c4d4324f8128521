"""One run at a time on one output.

A run owns a folder beside its output, such as ``labels.csv.run``. A local one is locked with a lock of the file system,
which the system releases when the process ends, however it ends. Object storage and some network file systems have no
locks; there, a lease takes its place.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final, Protocol

from emosense.errors import OutputError
from emosense.storage.commits import ANY, Put
from emosense.storage.file_lock import lock_file
from emosense.storage.folders import make_folder, remove
from emosense.storage.lease import Lease, locked_error
from emosense.storage.locations import join, redact
from emosense.storage.schemes import is_url

if TYPE_CHECKING:
    from filelock import FileLock

RENEW_EVERY_S: Final = 5.0


class RunLock(Protocol):
    """Ownership of the folder of a run."""

    def assert_owned(self) -> None:
        """Raise if this run may not write any more: asked before every part."""
        ...

    def protect(self, places: Iterable[str]) -> None:
        """Note what lies at the places of the tables: only that, or what this run puts there, is replaced."""
        ...

    def commit(self, _location: str, put: Put, /) -> None:
        """Put a table or the manifest in place, once it is sure that this run still owns the folder."""
        ...

    def remove(self, location: str, /) -> None:
        """Remove the manifest, once it is sure that this run still owns the folder."""
        ...

    def release(self) -> None:
        """Free the folder for other runs."""
        ...


@contextlib.contextmanager
def lock_folder(
    folder: str, on_message: Callable[[str], None], renew_every_s: float = RENEW_EVERY_S
) -> Iterator[RunLock]:
    """Own the folder of a run for the duration of the block.

    Parameters
    ----------
    folder : str
        Local path or URL; created if it is not there.
    on_message : callable
        Receives a sentence when there is another run to wait for.
    renew_every_s : float
        Seconds between two renewals of a lease, > 0.

    Yields
    ------
    RunLock

    Raises
    ------
    UsageError
        If another run owns the folder.
    OutputError
        If the folder cannot be written.
    """
    if not is_url(folder) and os.path.islink(folder):
        raise OutputError(f"cannot write {redact(folder)}: it is a link; remove it, or choose another output")
    make_folder(folder)
    lock = None if is_url(folder) else _lock_of_file_system(folder)
    if lock is None:
        lock = Lease(folder, renew_every_s)
        lock.acquire(on_message)
    try:
        yield lock
    finally:
        lock.release()


class _FileSystemLock:
    """A lock of the file system, acquired: it is lost only if the file that is locked is taken away."""

    def __init__(self, lock: FileLock, folder: str) -> None:
        self._lock, self._folder = lock, folder
        self._before = self._identity()

    def _identity(self) -> tuple[int, ...]:
        status = [os.lstat(path) for path in (self._folder, self._lock.lock_file)]
        return tuple(number for each in status for number in (each.st_dev, each.st_ino))

    def assert_owned(self) -> None:
        """Raise if the folder or the file in it is another one now, which another run can lock."""
        try:
            is_same = self._identity() == self._before
        except OSError:
            is_same = False
        if not is_same:
            raise OutputError(f"{redact(self._folder)} was removed or replaced: this run stops")

    def protect(self, places: Iterable[str]) -> None:
        """Do nothing: while the lock lasts nobody else writes there."""

    def commit(self, _location: str, put: Put) -> None:
        """Put a complete file in place."""
        self.assert_owned()
        put(ANY)

    def remove(self, location: str) -> None:
        """Remove a file."""
        self.assert_owned()
        remove(location)

    def release(self) -> None:
        """Free the folder for other runs."""
        self._lock.release()


def _lock_of_file_system(folder: str) -> RunLock | None:
    """Lock a local folder; None where its file system has no locks."""
    place = join(folder, "lock")
    try:
        lock = lock_file(place)
        return _FileSystemLock(lock, folder) if lock else None
    except (TimeoutError, FileNotFoundError) as err:
        # Where the folder is gone again, the other run has just ended.
        raise locked_error(folder) from err
    except OSError as err:
        is_strange = os.path.lexists(place) and (os.path.islink(place) or not os.path.isfile(place))
        hint = f"; remove {redact(place)}, which is no file of a run" if is_strange else ""
        raise OutputError(f"cannot lock {redact(folder)}: {err.strerror}{hint}") from err
