"""Files and folders, local or remote: read, listed, written in one step, and removed.

A location is a local path or an fsspec URL. Local paths go through the operating system's own calls, so that every
name works. A file that is being written has a temporary name, `half_written`, and gets its own in one step,
`replaced_file`: readers see the old content or the new one, never a part.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import stat
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, Final, cast

from emosense.errors import OutputError, StorageError, UsageError
from emosense.storage.commits import Commit, Version, at_once, put_file, put_object, sync_folder
from emosense.storage.locations import local_path, redact
from emosense.storage.objects import faults_of_temporary, fetch_object, filesystem, retry, temporary_file
from emosense.storage.schemes import is_url, scheme_name, scheme_of

_HALF_WRITTEN: Final = re.compile(r"\.tmp-[0-9]+\Z")
# What is read as a whole fits in memory several times over; an ONNX graph cannot be larger than 2 GiB.
MAX_BYTES: Final = 1 << 31
MAX_JSON_BYTES: Final = 1 << 26


def open_regular(path: str, *, follows_links: bool = True) -> BinaryIO:
    """Open a local file to be read, without waiting for the writer of a FIFO.

    Parameters
    ----------
    path : str
        Local path.
    follows_links : bool
        Whether the file may be a link to another one.

    Returns
    -------
    binary file
        At its start.

    Raises
    ------
    FileNotFoundError
        If there is none.
    IsADirectoryError
        If it is a folder.
    OSError
        As the system reports, and if it is not a regular file: a FIFO or a device has no end.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follows_links else os.O_NOFOLLOW))
    except ValueError as err:
        raise FileNotFoundError(errno.ENOENT, "a name cannot contain NUL", path) from err
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        raise OSError(errno.EINVAL, "it is not a regular file", path)
    return os.fdopen(descriptor, "rb")


def read_bytes(location: str, max_bytes: int = MAX_BYTES) -> bytes:
    """Read a small file.

    Parameters
    ----------
    location : str
        Local path or URL.
    max_bytes : int
        A larger file is refused.

    Returns
    -------
    bytes
        Its content.

    Raises
    ------
    OSError
        As the storage reports, or if it is not a regular file or too large.
    """
    location = local_path(location)
    if not is_url(location):
        with open_regular(location) as file:
            _check_size(os.fstat(file.fileno()).st_size, max_bytes)
            return file.read(max_bytes)
    fs, path = filesystem(location)
    if max_bytes < MAX_BYTES:
        _check_size(retry(lambda: fs.info(path), f"looking at {redact(location)}").get("size") or 0, max_bytes)
    content: bytes = retry(lambda: fs.cat_file(path), f"reading {redact(location)}")
    return content


def read_own(location: str, max_bytes: int = MAX_JSON_BYTES) -> bytes:
    """Read a file that EmoSense has written, in a folder where a stranger may have put something else in its place.

    Parameters
    ----------
    location : str
        Local path or URL; a link is not followed.
    max_bytes : int
        A larger file is refused.

    Returns
    -------
    bytes
        Its content.

    Raises
    ------
    OSError
        As the storage reports, or if it is a link, not a regular file, or too large.
    """
    location = local_path(location)
    if is_url(location):
        return read_bytes(location)
    with open_regular(location, follows_links=False) as file:
        _check_size(os.fstat(file.fileno()).st_size, max_bytes)
        return file.read(max_bytes)


def _check_size(size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise OSError(errno.EFBIG, f"it has {size:,} bytes, at most {max_bytes:,} are read")


def read_json(location: str) -> Any:
    """Read a small file of JSON.

    Parameters
    ----------
    location : str
        Local path or URL.

    Returns
    -------
    object
        What it holds.

    Raises
    ------
    OSError
        As `read_bytes`.
    """
    return parse_json(read_bytes(location, MAX_JSON_BYTES))


def parse_json(content: bytes) -> Any:
    """Parse JSON that may come from anybody.

    Parameters
    ----------
    content : bytes
        UTF-8.

    Returns
    -------
    object
        What it holds.

    Raises
    ------
    ValueError
        If it is not JSON, or nested more deeply than Python can parse.
    """
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


@contextlib.contextmanager
def open_stream(location: str) -> Iterator[BinaryIO]:
    """Open a file to be read a little at a time; an object is fetched to a temporary file first.

    Parameters
    ----------
    location : str
        Local path or URL.

    Yields
    ------
    binary file
        At its start.

    Raises
    ------
    StorageError
        If storage does not answer. Errors of the operating system pass through: not found, permission denied, and not
        a regular file.
    """
    location = local_path(location)
    if not is_url(location):
        with open_regular(location) as file:
            yield file
        return
    with temporary_file() as fetched:
        fetch_object(location, fetched)
        fetched.seek(0)
        yield fetched


def exists(location: str) -> bool:
    """Return whether there is a file or a folder at a location.

    Parameters
    ----------
    location : str
        Local path or URL.

    Returns
    -------
    bool
        True also for a broken link.

    Raises
    ------
    UsageError
        If access is denied.
    """
    location = local_path(location)
    if not is_url(location):
        return os.path.lexists(location)
    fs, path = filesystem(location)
    try:
        # Not fs.exists: fsspec's takes every fault for absence.
        retry(lambda: fs.info(path), f"looking at {redact(location)}")
    except FileNotFoundError:
        return False
    except PermissionError as err:
        raise UsageError(f"access to {redact(location)} is denied: check the credentials") from err
    return True


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
    OutputError
        If the location cannot be written.
    StorageError
        If the block meets another fault, such as a file that it cannot read, or the temporary folder has no room.
    """
    location = local_path(location)
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


def make_folder(location: str) -> None:
    """Create a folder and its parents; object storage has no folders to create.

    Parameters
    ----------
    location : str
        Local path or URL.

    Raises
    ------
    OutputError
        If it cannot be created.
    """
    location = local_path(location)
    if is_url(location):
        return
    missing = []
    folder = os.path.abspath(location)
    while not os.path.lexists(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    try:
        os.makedirs(location, exist_ok=True)
        for folder in reversed(missing):
            sync_folder(os.path.dirname(folder))
    except OSError as err:
        raise OutputError(f"cannot create the folder {redact(location)}: {err.strerror}") from err


def make_inner_folder(folder: str, name: str) -> None:
    """Create a folder inside another one, and those between, without following a link that lies there.

    Parameters
    ----------
    folder : str
        Local path or URL; created if it is not there.
    name : str
        Path below it; may be empty.

    Raises
    ------
    OutputError
        If it cannot be created, or one of them is a link.
    """
    place = local_path(folder)
    if is_url(place):
        return
    for step in ["", *filter(None, name.split("/"))]:
        place = os.path.join(place, step).rstrip("/") or "/"
        if os.path.islink(place):
            raise OutputError(f"cannot write {redact(place)}: it is a link; remove it, or choose another output")
    make_folder(place)


def list_folder(location: str) -> list[str]:
    """List the names in a folder.

    Parameters
    ----------
    location : str
        Local path or URL.

    Returns
    -------
    list of str
        Sorted; empty where there is no such folder.
    """
    location = local_path(location)
    if not is_url(location):
        try:
            return sorted(os.listdir(location))
        except FileNotFoundError:
            return []
    fs, path = filesystem(location)
    try:
        entries = retry(lambda: fs.ls(path, detail=False), f"listing {redact(location)}")
    except FileNotFoundError:
        return []
    return sorted(str(entry).rstrip("/").rsplit("/", 1)[-1] for entry in entries)


def remove(location: str) -> None:
    """Remove a file or a whole folder, if it is there.

    Parameters
    ----------
    location : str
        Local path or URL; a link is removed, not followed.
    """
    import shutil

    location = local_path(location)
    if not is_url(location):
        if os.path.isdir(location) and not os.path.islink(location):
            shutil.rmtree(location)
        else:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(location)
        return
    fs, path = filesystem(location)
    with contextlib.suppress(FileNotFoundError):
        retry(lambda: fs.rm(path, recursive=True), f"removing {redact(location)}")
