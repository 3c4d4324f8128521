"""Files, local or remote, written in one step.

A file that is being written has a temporary name, `half_written`, and gets its own in one step, `replaced_file`:
readers see the old content or the new one, never a part.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, Final, cast

from emosense.errors import OutputError, StorageError
from emosense.storage.commits import Commit, Version, at_once, put_file, put_object
from emosense.storage.locations import check_object_name, local_path, redact
from emosense.storage.schemes import is_url, scheme_name, scheme_of
from emosense.storage.temporary import faults_of_temporary

_HALF_WRITTEN: Final = re.compile(r"\.tmp-[0-9]+\Z")


def half_written(path: str) -> str:
    """Return the name that a local file has until it is complete.

    Parameters
    ----------
    path : str
        Local path.

    Returns
    -------
    str
        A name beside it, of this process; `is_half_written` recognises it.
    """
    return f"{path}.tmp-{os.getpid()}"


def is_half_written(path: str) -> bool:
    """Return whether a file is what a killed process left of one that it was writing.

    Parameters
    ----------
    path : str
        Local path.

    Returns
    -------
    bool
        Judged by the name.
    """
    return _HALF_WRITTEN.search(path) is not None


@contextlib.contextmanager
def replaced_file(path: str, temporary: str, commit: Commit = at_once) -> Iterator[BinaryIO]:
    """Write a local file that appears, complete and synced, when the block ends without an error.

    Parameters
    ----------
    path : str
        Local path; what is there is replaced, if `commit` allows it.
    temporary : str
        Name until then, on the same file system; what is there is removed.
    commit : callable
        Puts the complete file in place.

    Yields
    ------
    binary file
        Open for writing.
    """
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)
    try:
        # "x" does not follow a link.
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        commit(path, lambda version: put_file(temporary, path, version))
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


@contextlib.contextmanager
def atomic_writer(location: str, commit: Commit = at_once) -> Iterator[BinaryIO]:
    """Write a file that appears, complete, when the block ends without an error.

    An object is written to a temporary file and uploaded whole, so that an upload that fails can be tried again.

    Parameters
    ----------
    location : str
        Local path or URL.
    commit : callable
        Puts the complete file in place.

    Yields
    ------
    binary file
        Open for writing.

    Raises
    ------
    UsageError
        If it is no name for an object.
    OutputError
        If the location cannot be written.
    StorageError
        If the block meets another fault, such as a file that it cannot read, or the temporary folder has no room.
    """
    location = local_path(location)
    check_object_name(location)
    try:
        if is_url(location):
            with faults_of_temporary(), tempfile.NamedTemporaryFile(prefix="emosense-upload-") as upload:
                with _faults_of_others(location, upload.file) as file:
                    yield file
                upload.flush()
                commit(location, lambda version: _upload(upload.name, location, version))
        else:
            temporary = half_written(location)
            with replaced_file(location, temporary, commit) as own, _faults_of_others(location, own) as file:
                yield file
    except OSError as err:
        raise OutputError(f"cannot write {redact(location)}: {redact(err.strerror or str(err))}") from err


class _Written:
    """A binary file that keeps the faults of its own writes."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.faults: list[OSError] = []

    def write(self, content: bytes) -> int:
        try:
            return int(self._file.write(content))
        except OSError as err:
            self.faults.append(err)
            raise

    def writelines(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@contextlib.contextmanager
def _faults_of_others(location: str, file: Any) -> Iterator[BinaryIO]:
    """Name a fault that the block meets elsewhere, as in a file that it reads: it is not the output that fails."""
    written = _Written(file)
    try:
        yield cast("BinaryIO", written)
    except OSError as err:
        if any(err is fault for fault in written.faults):
            raise
        what = redact(f"{err.strerror or err}{f': {err.filename}' if isinstance(err.filename, str) else ''}")
        raise StorageError(f"{redact(location)} is not complete: {what}") from err


def _upload(file: str, location: str, version: Version) -> None:
    if scheme_of(location).is_read_only:
        raise OutputError(f"cannot write {redact(location)}: {scheme_name(location)}:// locations are read-only")
    try:
        put_object(file, location, version)
    except (StorageError, OSError) as err:
        reason = str(err.__cause__ if isinstance(err, StorageError) else err)
        raise OutputError(f"cannot write {redact(location)}: {redact(reason)}") from err


def write_bytes(location: str, content: bytes, commit: Commit = at_once) -> None:
    """Write a whole file in one step.

    Parameters
    ----------
    location : str
        Local path or URL.
    content : bytes
        What it will hold.
    commit : callable
        Puts the complete file in place.
    """
    with atomic_writer(location, commit) as file:
        file.write(content)


def write_own(location: str, content: bytes) -> None:
    """Write a file of a run, which nothing that lies in its place keeps from being written.

    A folder there is renamed, since nobody knows whose it is; all else is replaced.

    Parameters
    ----------
    location : str
        Local path or URL.
    content : bytes
        What it will hold.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    path = local_path(location)
    if not is_url(path) and os.path.isdir(path) and not os.path.islink(path):
        free = (f"{path}.folder-{number}" for number in itertools.count(1))
        try:
            os.rename(path, next(name for name in free if not os.path.lexists(name)))
        except OSError as err:
            raise OutputError(f"cannot write {redact(location)}, which is a folder: {err.strerror}") from err
    write_bytes(location, content)
