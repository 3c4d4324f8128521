"""Inputs after they were listed: whether they can still be listed and read as they were then.

A recording that cannot be read is one row. Storage that fails after the listing makes such a row of every recording, so
a run asks here which of the two it is.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

from emosense.errors import EmoSenseError, RecordingError, StorageError
from emosense.inputs.recording import Recording, open_recording
from emosense.storage.locations import absolute_location, redact
from emosense.storage.objects import filesystem, retry
from emosense.storage.schemes import is_url

_BLOCK_BYTES: Final = 1 << 20
_MAX_BYTES: Final = 1 << 28


class InputRoots:
    """The inputs of a job, as they are when it has listed them.

    Parameters
    ----------
    inputs : sequence of str
        Files, folders and URLs.
    """

    def __init__(self, inputs: Sequence[str] = ()) -> None:
        self._roots = {absolute_location(location): _identity(location) for location in inputs}

    def check(self, recording: Recording) -> None:
        """Raise if the input that a recording was found in is gone, or access to it is denied.

        Parameters
        ----------
        recording : Recording
            One that was there when it was listed.

        Raises
        ------
        StorageError
            Naming the input.
        """
        location = recording.location
        root = next((root for root in self._roots if location.startswith(os.path.join(root, ""))), None)
        if is_url(location):
            _check_url(root or location, is_folder=root is not None)
        elif root is not None:
            _check_folder(root, self._roots[root])


def _identity(location: str) -> tuple[int, int] | None:
    try:
        status = None if is_url(location) else os.stat(location)
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if status else None


def _check_folder(root: str, before: tuple[int, int] | None) -> None:
    try:
        with os.scandir(root) as entries:
            next(entries, None)
        is_same = _identity(root) == before
    except OSError as err:
        raise StorageError(f"{redact(root)} cannot be read any more: {err.strerror}") from err
    if not is_same:
        # What is unmounted leaves an empty folder.
        raise StorageError(f"{redact(root)} is another folder than the one that was listed")


def _check_url(root: str, *, is_folder: bool) -> None:
    """Ask what the listing asked first; what was allowed then is denied now only if access has changed."""
    try:
        fs, path = filesystem(root)
        retry(lambda: fs.info(path), f"looking at {redact(root)}")
    except PermissionError as err:
        raise StorageError(f"access to {redact(root)} is denied since it was listed: check the credentials") from err
    except FileNotFoundError as err:
        if is_folder:
            raise StorageError(f"there is nothing at {redact(root)} any more") from err


def is_readable(recording: Recording, *, whole: bool) -> bool:
    """Return whether a recording can be read now.

    Parameters
    ----------
    recording : Recording
        One that was there when it was listed.
    whole : bool
        Read all of it (256 MiB at most), not only its beginning.

    Returns
    -------
    bool
    """
    try:
        with open_recording(recording) as file:
            if hasattr(os, "posix_fadvise"):
                # Otherwise a disk that is gone would still answer from memory.
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            n_bytes = _MAX_BYTES if whole else 1
            while n_bytes > 0 and (block := file.read(_BLOCK_BYTES)):
                n_bytes -= len(block)
    except RecordingError as err:
        return err.code == "changed_during_read"
    except (EmoSenseError, OSError):
        return False
    return True


def folder_is_gone(recording: Recording) -> bool:
    """Return whether the local folder of a recording is gone or empty, as when a disk was unmounted.

    Parameters
    ----------
    recording : Recording
        One that was there when it was listed.

    Returns
    -------
    bool
        False for an object: buckets have no folders.
    """
    if is_url(recording.location):
        return False
    try:
        with os.scandir(os.path.dirname(recording.location)) as entries:
            return next(entries, None) is None
    except OSError:
        return True
