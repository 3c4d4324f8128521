"""Files, local or remote, read as a whole or as a stream.

A location is a local path or an fsspec URL. Only regular files of limited size are read.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import json
import os
import stat
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

from emosense.storage.locations import local_path, redact
from emosense.storage.objects import fetch_object, filesystem, retry
from emosense.storage.schemes import is_url
from emosense.storage.temporary import temporary_file

# What is read as a whole fits in memory several times over; an ONNX graph cannot be larger than 2 GiB.
MAX_BYTES: Final = 1 << 31
MAX_JSON_BYTES: Final = 1 << 26


@functools.cache
def _kernel_devices() -> frozenset[int]:
    """Return the devices of the file systems that the kernel makes up, such as that of /proc/self/mem."""
    return frozenset(os.stat(folder).st_dev for folder in ("/proc", "/sys") if os.path.isdir(folder))


def is_regular(status: os.stat_result) -> bool:
    """Return whether a file has a content that lies on a disk, and an end.

    Parameters
    ----------
    status : os.stat_result
        What the system says about it.

    Returns
    -------
    bool
        False for folders, devices, FIFOs and sockets, and for files of ``/proc`` and ``/sys``, which only look regular.
    """
    return stat.S_ISREG(status.st_mode) and status.st_dev not in _kernel_devices()


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
    status = os.fstat(descriptor)
    if not is_regular(status):
        os.close(descriptor)
        if stat.S_ISDIR(status.st_mode):
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
        A larger local file is refused. The size of an object is not asked for: who can write to a bucket can do worse.

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
