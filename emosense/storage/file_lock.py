"""Locks of the file system, which the system releases when the process ends, however it ends."""

from __future__ import annotations

import errno
from typing import Final

from filelock import FileLock

# What flock answers on NFS without its lock service, on Lustre mounted without flock, and on some FUSE file systems.
_NO_LOCKS: Final = frozenset({errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS})


def lock_file(path: str) -> FileLock | None:
    """Lock a local file, at once or not at all.

    Parameters
    ----------
    path : str
        The file; what is in it is lost.

    Returns
    -------
    FileLock or None
        Acquired, until it is released; None where the file system has no locks.

    Raises
    ------
    TimeoutError
        If another process holds the lock.
    OSError
        If the file cannot be made.
    """
    # Without locks filelock would fall back to a lock file that outlives a killed process.
    lock = FileLock(path, blocking=False, fallback_to_soft=False)
    try:
        lock.acquire()
    except OSError as err:
        if err.errno in _NO_LOCKS:
            return None
        raise
    return lock
