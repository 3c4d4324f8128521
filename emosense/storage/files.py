"""Where recordings, models and tables lie: local paths and object storage, through fsspec.

A location is a local path or an fsspec URL. Local paths are handled with the operating system's own calls, so that
every name works. A passing fault is retried; one that lasts is a `StorageError`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Final, TypeVar, cast

from emosense.errors import EmoSenseError, OutputError, StorageError, UsageError

T = TypeVar("T")

_URL = re.compile(r"^([a-zA-Z][a-zA-Z0-9+.-]*)://")
_CREDENTIAL: Final = re.compile(
    r"(?i)([?&](?:[^=&\s]*(?:key|token|secret|signature|sig|password|credential)[^=&\s]*))=[^&\s]+"
)
# What a killed process leaves of a file that it was writing.
LEFTOVER: Final = re.compile(r"\.tmp-[0-9]+\Z")
# Stands for what is not shown.
HIDDEN: Final = "***"
_EXTRAS: Final = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs", "az": "azure", "abfs": "azure", "adl": "azure"}
_RETRY_DELAYS_S: Final = (0.2, 0.8, 3.0)
# Drivers try again themselves (botocore for up to 15 s a call): a run must still say within a minute what is wrong.
_RETRY_FOR_S: Final = 25.0
# EBUSY and EREMOTEIO are what s3fs makes of 503 Slow Down and of 500 Internal Error.
_PASSING_ERRNO: Final = frozenset(
    {errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ECONNRESET, errno.EAGAIN, errno.EBUSY, errno.ECONNREFUSED,
     errno.ECONNABORTED, errno.EPIPE, errno.EHOSTUNREACH, errno.ENETUNREACH, getattr(errno, "EREMOTEIO", errno.EIO)}
)  # fmt: skip
_LASTING: Final = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError, MemoryError)


def is_url(location: str) -> bool:
    """Whether a location is an fsspec URL; ``C:`` and ``a::b`` are local names."""
    return _URL.match(location) is not None


def plain(location: str) -> str:
    """Return the path that a ``file://`` URL names, and any other location as it is: one way leads to a local file."""
    return re.sub(r"(?i)^(?:file|local)://(?=/)", "", location)


def without_credentials(text: str) -> str:
    """Return the text with user names, passwords, keys and tokens of every URL in it replaced by ``***``."""
    # Up to the last @ before the path: a password may hold one.
    text = re.sub(r"(://)[^/\s]*@", rf"\1{HIDDEN}@", text)
    return _CREDENTIAL.sub(rf"\1={HIDDEN}", text)


def redact(text: str) -> str:
    """Return the text fit for terminals and logs: without credentials, and on one line.

    Control characters, with which a file's name could drive a terminal or forge a line, become escapes.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in without_credentials(text))


def filesystem(url: str) -> tuple[Any, str]:
    """Return the fsspec file system of a URL, without listing cache, and the path in it.

    Raises
    ------
    UsageError
        If the scheme is unknown, its driver is not installed, or it needs more than a URL says.
    StorageError
        If a driver that connects at once gets no answer.
    """
    import fsspec

    scheme = url.split("://", 1)[0].lower()
    try:
        # Not fsspec.core.url_to_fs, which takes a name with :: for a chain of file systems.
        driver = fsspec.get_filesystem_class(scheme)
        settings = driver._get_kwargs_from_urls(url)
        # Some drivers connect as they are made.
        fs = retry(lambda: driver(use_listings_cache=False, **settings), f"opening {redact(url)}")
    except ImportError as err:
        extra = _EXTRAS.get(scheme)
        hint = f"install its driver with: pip install 'emosense[{extra}]'" if extra else redact(str(err))
        raise UsageError(f"cannot open {scheme}:// locations: {hint}") from err
    except ValueError as err:
        raise UsageError(f"cannot open {scheme}:// locations: the scheme is unknown") from err
    except (TypeError, AttributeError, OSError) as err:
        raise UsageError(f"cannot open {scheme}:// locations as {redact(url)}: {redact(str(err))}") from err
    return fs, driver._strip_protocol(url)


def retry(action: Callable[[], T], what: str) -> T:
    """Run an action on storage, again after passing faults.

    Raises
    ------
    StorageError
        If it still fails after the last try. Errors that trying again cannot mend (not found, permission) pass through.
    """
    end_s = time.monotonic() + _RETRY_FOR_S
    for delay_s in (*_RETRY_DELAYS_S, None):
        try:
            return action()
        except (EmoSenseError, ImportError, TypeError, AttributeError):
            raise
        except Exception as err:
            fault = _meant(err)
            if isinstance(fault, _LASTING):
                raise fault from err.__cause__
            is_lasting = isinstance(fault, OSError) and fault.errno is not None and fault.errno not in _PASSING_ERRNO
            if delay_s is None or is_lasting or time.monotonic() > end_s:
                text = str(fault) if isinstance(fault, OSError) else f"{type(fault).__name__}: {fault}"
                raise StorageError(f"storage does not answer while {what}: {redact(text)}") from err
            time.sleep(delay_s)
    raise AssertionError("the loop returns or raises")


def _meant(fault: Exception) -> Exception:
    """Return what a driver's error stands for: that of HTTP says of every failure that there is no such file."""
    cause = fault.__cause__
    is_of_http = type(cause).__module__.startswith("aiohttp") or isinstance(cause, TimeoutError)
    if not isinstance(fault, FileNotFoundError) or not is_of_http:
        return fault
    status = getattr(cause, "status", None)
    if status in (401, 403):
        return PermissionError(errno.EACCES, f"HTTP status {status}")
    if status is None or status in (408, 425, 429) or status >= 500:
        return ConnectionError(f"HTTP status {status}" if status else str(cause))
    return fault


def read_bytes(location: str) -> bytes:
    """Read a small file, local or remote.

    Raises
    ------
    FileNotFoundError, PermissionError
        As the storage says.
    """
    location = plain(location)
    if not is_url(location):
        with open(location, "rb") as file:
            return file.read()
    fs, path = filesystem(location)
    content: bytes = retry(lambda: fs.cat_file(path), f"reading {redact(location)}")
    return content


def exists(location: str) -> bool:
    """Whether there is a file or a folder at the location."""
    location = plain(location)
    if not is_url(location):
        return os.path.lexists(location)
    fs, path = filesystem(location)
    try:
        # Not fs.exists: that of fsspec takes every fault for absence.
        retry(lambda: fs.info(path), f"looking at {redact(location)}")
    except FileNotFoundError:
        return False
    except PermissionError as err:
        raise UsageError(f"access to {redact(location)} is denied: check the credentials") from err
    return True


def half_written(location: str) -> str:
    """Return the name that a local file has until it is whole; `LEFTOVER` finds it."""
    return f"{location}.tmp-{os.getpid()}"


def write_bytes(location: str, content: bytes) -> None:
    """Put a whole file in place in one step: readers see the old content or the new one, never a part."""
    with atomic_writer(location) as file:
        file.write(content)


@contextlib.contextmanager
def atomic_writer(location: str) -> Iterator[BinaryIO]:
    """Write a file that appears, whole, when the block ends without an error.

    A local file is written beside its place and renamed; an object is written to a temporary file and uploaded whole,
    so that an upload that fails can be tried again.

    Raises
    ------
    OutputError
        If the place cannot be written.
    """
    location = plain(location)
    try:
        if is_url(location):
            with tempfile.NamedTemporaryFile(prefix="emosense-upload-") as spooled:
                yield cast("BinaryIO", spooled.file)
                spooled.flush()
                _upload(spooled.name, location)
            return
        temporary = half_written(location)
        try:
            with open(temporary, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, location)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
    except OSError as err:
        raise OutputError(f"cannot write {redact(location)}: {redact(err.strerror or str(err))}") from err


def _upload(file: str, location: str) -> None:
    fs, path = filesystem(location)
    try:
        retry(lambda: fs.put_file(file, path), f"writing {redact(location)}")
    except StorageError as err:
        raise OutputError(f"cannot write {redact(location)}: {redact(str(err.__cause__))}") from err


def make_folder(location: str) -> None:
    """Create a folder and its parents; object storage has none to create."""
    location = plain(location)
    if is_url(location):
        return
    try:
        os.makedirs(location, exist_ok=True)
    except OSError as err:
        raise OutputError(f"cannot create the folder {location}: {err.strerror}") from err


def join(folder: str, name: str) -> str:
    """Join a folder's location and a name."""
    return f"{folder.rstrip('/')}/{name}"


def beside(table: str, path: str) -> str:
    """Return the location of a path that a table names: relative ones lie beside the table."""
    folder = table.rpartition("/")[0]
    return path if is_url(path) or os.path.isabs(path) or not folder else join(folder, path)


def list_folder(location: str) -> list[str]:
    """Names in a folder, sorted; an absent folder has none."""
    location = plain(location)
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
    """Remove a file or a whole folder; an absent one is fine."""
    import shutil

    location = plain(location)
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
