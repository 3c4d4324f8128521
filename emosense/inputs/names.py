"""Names of recordings, as lists and tables give them -> recordings; object storage is asked about 64 at a time."""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from emosense.inputs.recording import Recording
from emosense.storage.locations import local_path, redact, shown_location
from emosense.storage.objects import filesystem, object_version, retry
from emosense.storage.schemes import is_url

# A request takes 20 to 100 ms: one at a time, a million would take at least 6 hours.
_AT_ONCE: Final = 64
# Answers that wait for an earlier one, so that a slow question does not hold up the others.
_AHEAD: Final = 4 * _AT_ONCE


@dataclasses.dataclass(frozen=True, slots=True)
class Name:
    """A recording that a list or table names.

    Parameters
    ----------
    location : str
        Local path or URL.
    size : int
        Bytes, as the list says; -1 where it does not.
    version : str
        As in `Recording`; empty where the list does not say.
    is_listed : bool
        Whether a store has made the list of all its objects: those that are not recordings are skipped.
    """

    location: str
    size: int = -1
    version: str = ""
    is_listed: bool = False

    @property
    def is_known(self) -> bool:
        """Whether nothing needs to be asked about the recording; local files are always looked at."""
        return self.size >= 0 and bool(self.version) and is_url(self.location)


def named_recordings(locations: Iterable[str]) -> Iterator[Recording]:
    """Look at recordings by name.

    Parameters
    ----------
    locations : iterable of str
        Local paths and URLs.

    Yields
    ------
    Recording
        For each name, in order; with size -1 where there is no such file, or access is denied.

    Raises
    ------
    StorageError
        If storage does not answer.
    """
    pool = concurrent.futures.ThreadPoolExecutor(_AT_ONCE)
    waiting: collections.deque[Callable[[], Recording]] = collections.deque()
    try:
        for location in locations:
            waiting.append(_asked(location, pool))
            if len(waiting) == _AHEAD:
                yield waiting.popleft()()
        while waiting:
            yield waiting.popleft()()
    finally:
        pool.shutdown(cancel_futures=True)


def named_recording(location: str) -> Recording:
    """Look at one recording by name.

    Parameters
    ----------
    location : str
        Local path or URL.

    Returns
    -------
    Recording
        With size -1 where there is no such file, or access is denied.

    Raises
    ------
    StorageError
        If storage does not answer.
    """
    (recording,) = named_recordings([location])
    return recording


def _asked(location: str, pool: concurrent.futures.Executor) -> Callable[[], Recording]:
    """Begin to look at a recording; what is returned waits for the answer."""
    location = local_path(location)
    if not is_url(location):
        recording = _local(location)
    else:
        # The driver is opened here: fsspec keeps one per thread, each with connections of its own.
        fs, path = filesystem(location)
        if fs.async_impl:
            return pool.submit(_object, fs, path, location).result
        recording = _object(fs, path, location)
    return lambda: recording


def _local(path: str) -> Recording:
    try:
        return local_recording(path, os.stat(path))
    except (OSError, ValueError):
        return Recording(shown_path(path), os.path.abspath(path), -1, "")


def _object(fs: Any, path: str, location: str) -> Recording:
    try:
        info = retry(lambda: fs.info(path), f"looking at {redact(location)}")
    except (FileNotFoundError, PermissionError):
        return Recording(shown_location(location), location, -1, "")
    return object_recording(shown_location(location), location, info)


def local_recording(path: str, status: os.stat_result) -> Recording:
    """Describe a local file.

    Parameters
    ----------
    path : str
        As the user gave it, or found below that.
    status : os.stat_result
        What the system says about it.

    Returns
    -------
    Recording
    """
    return Recording(shown_path(path), os.path.abspath(path), status.st_size, str(status.st_mtime_ns))


def object_recording(path: str, location: str, info: dict[str, Any]) -> Recording:
    """Describe an object.

    Parameters
    ----------
    path, location : str
        As a `Recording` has them.
    info : dict
        What an fsspec driver reports about it.

    Returns
    -------
    Recording
        With size -1 where a web server does not send the length of its answer.
    """
    size = info.get("size")
    return Recording(path, location, -1 if size is None else int(size), object_version(info))


def shown_path(path: str) -> str:
    """Return a local path as the table has it.

    Parameters
    ----------
    path : str
        Local path.

    Returns
    -------
    str
        Without ``./`` at its start.
    """
    return path[2:] if path.startswith("./") else path
