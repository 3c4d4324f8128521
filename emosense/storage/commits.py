"""A complete file is put in place in one step, and only over what it may replace.

A `Commit` decides when: a run that shares its output with others asks first whether the output is still its own. What
lies at a location is named by its `Version`, so that a file that somebody else has put there meanwhile is not replaced.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable
from typing import Final

from emosense.errors import OutputError, UsageError
from emosense.storage.conditions import conditions_of
from emosense.storage.locations import local_path, redact
from emosense.storage.objects import filesystem, retry
from emosense.storage.schemes import is_url

# What lies at a location: a text that changes with the content, or None for nothing.
Version = str | None
ANY: Final = "*"
# Puts a complete file in place if what lies there has the version; `ANY` for whatever lies there.
Put = Callable[[Version], None]
# Takes the location and puts the complete file in place, or raises.
Commit = Callable[[str, Put], None]

# File systems without hard links.
_NO_LINKS: Final = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK})
# File systems that cannot sync a folder.
_NO_SYNC: Final = frozenset({errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EBADF})


class ReplacedMeanwhile(OutputError):
    """Somebody else has put a file in place since the location was looked at.

    Parameters
    ----------
    location : str
        Local path or URL.
    """

    def __init__(self, location: str) -> None:
        super().__init__(f"cannot write {redact(location)}: another run has written it meanwhile")


def at_once(_location: str, put: Put) -> None:
    """Put a file in place whatever it replaces: the `Commit` of files that nobody else writes.

    Parameters
    ----------
    _location : str
        Local path or URL.
    put : callable
        Puts the file in place.
    """
    put(ANY)


def only_over(version: Version) -> Commit:
    """Return the `Commit` that replaces one version.

    Parameters
    ----------
    version : str or None
        What may be replaced; None for nothing.

    Returns
    -------
    callable
    """

    def commit(_location: str, put: Put) -> None:
        put(version)

    return commit


def version_of(location: str) -> Version:
    """Return what lies at a location now.

    Parameters
    ----------
    location : str
        Local path or URL.

    Returns
    -------
    str or None
        None where there is nothing.

    Raises
    ------
    UsageError
        If access is denied.
    """
    location = local_path(location)
    try:
        if not is_url(location):
            status = os.lstat(location)
            return f"{status.st_ino} {status.st_size} {status.st_mtime_ns}"
        fs, path = filesystem(location)
        info = retry(lambda: fs.info(path), f"looking at {redact(location)}")
    except FileNotFoundError:
        return None
    except PermissionError as err:
        raise UsageError(f"access to {redact(location)} is denied: check the credentials") from err
    conditions = conditions_of(location)
    seen = conditions and info.get(conditions.key)
    return None if info["type"] == "directory" else str(seen or ANY)


def put_file(temporary: str, path: str, version: Version = ANY) -> None:
    """Give a complete, synced local file its name, and sync the folder, so that the name outlasts a power cut.

    Parameters
    ----------
    temporary : str
        Its name until now, on the same file system.
    path : str
        Its name from now on.
    version : str or None
        What may be replaced.

    Raises
    ------
    ReplacedMeanwhile
        If something else lies there.
    """
    if version is None:
        _link(temporary, path)
    else:
        if version not in (ANY, version_of(path)):
            raise ReplacedMeanwhile(path)
        os.replace(temporary, path)
    sync_folder(os.path.dirname(path))


def _link(temporary: str, path: str) -> None:
    """Give a file its name unless the name is taken."""
    try:
        os.link(temporary, path)
    except FileExistsError as err:
        raise ReplacedMeanwhile(path) from err
    except OSError as err:
        if err.errno not in _NO_LINKS:
            raise
        if os.path.lexists(path):
            raise ReplacedMeanwhile(path) from err
        os.replace(temporary, path)
    else:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def sync_folder(folder: str) -> None:
    """Make the names in a local folder durable.

    Parameters
    ----------
    folder : str
        Local path; empty for the working directory.

    Raises
    ------
    OSError
        If the disk fails.
    """
    try:
        descriptor = os.open(folder or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:
        # Names may be added to a folder that cannot be read.
        return
    try:
        os.fsync(descriptor)
    except OSError as err:
        if err.errno not in _NO_SYNC:
            raise
    finally:
        os.close(descriptor)


def put_object(file: str, location: str, version: Version = ANY) -> None:
    """Upload a complete local file as one object.

    Where storage knows no conditions, the version is not compared: nobody can do that in one step from outside.

    Parameters
    ----------
    file : str
        Local path.
    location : str
        URL.
    version : str or None
        What may be replaced.

    Raises
    ------
    ReplacedMeanwhile
        If something else lies there.
    StorageError
        If storage does not answer. Permission denied passes through.
    """
    fs, path = filesystem(location)
    conditions = None if version == ANY else conditions_of(location)

    def put() -> None:
        if conditions is None:
            fs.put_file(file, path)
            return
        try:
            conditions.put(fs, file, path, version)
        except Exception as err:
            if conditions.is_refused(err, version is not None):
                raise ReplacedMeanwhile(location) from err
            if not conditions.is_unknown(err):
                raise
            fs.put_file(file, path)

    retry(put, f"writing {redact(location)}")
