"""Object storage through fsspec: drivers by scheme, retries, and downloads of whole objects.

A passing fault is retried; one that lasts becomes a `StorageError`.
"""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import time
from collections.abc import Callable
from typing import Any, BinaryIO, Final, TypeVar

from emosense.errors import EmoSenseError, StorageError, UsageError
from emosense.storage.locations import redact
from emosense.storage.object_md5 import Md5Check, stated_md5
from emosense.storage.retry_after import retry_after_s
from emosense.storage.schemes import driver_url, scheme_name, scheme_of
from emosense.storage.temporary import faults_of_temporary

T = TypeVar("T")

_BLOCK_BYTES: Final = 1 << 22
_RETRY_DELAYS_S: Final = (0.2, 0.8, 3.0)
# Drivers retry themselves (botocore for up to 15 s per call): a run must still report the problem within a minute.
_RETRY_FOR_S: Final = 25.0
# EBUSY and EREMOTEIO are what s3fs raises for 503 Slow Down and for 500 Internal Error.
_PASSING_ERRNO: Final = frozenset(
    {errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ECONNRESET, errno.EAGAIN, errno.EBUSY, errno.ECONNREFUSED,
     errno.ECONNABORTED, errno.EPIPE, errno.EHOSTUNREACH, errno.ENETUNREACH, getattr(errno, "EREMOTEIO", errno.EIO)}
)  # fmt: skip
# What drivers raise where they find no credentials at all, or settings for them that are incomplete.
_NO_CREDENTIALS: Final = frozenset(
    {"NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "DefaultCredentialsError"}
)
_LASTING: Final = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError, MemoryError)


def filesystem(url: str) -> tuple[Any, str]:
    """Open the fsspec file system of a URL, without a listing cache.

    Parameters
    ----------
    url : str
        URL of any scheme that fsspec knows.

    Returns
    -------
    tuple
        The file system, and the path in it.

    Raises
    ------
    UsageError
        If the scheme is unknown, its driver is not installed, or it needs more than a URL says.
    StorageError
        If a driver that connects at once gets no answer.
    """
    import fsspec

    scheme, known_url = scheme_name(url), driver_url(url)
    try:
        # Not fsspec.core.url_to_fs, which reads a name with :: as a chain of file systems.
        driver = fsspec.get_filesystem_class(scheme_name(known_url))
        if scheme == "hdfs":
            _require_hadoop()
        settings = driver._get_kwargs_from_urls(known_url)
        # Some drivers connect in their constructor.
        fs = retry(lambda: driver(use_listings_cache=False, **settings), f"opening {redact(url)}")
    except (ImportError, ValueError) as err:
        raise UsageError(f"cannot open {scheme}:// locations: {_missing(url, err)}") from err
    except (TypeError, AttributeError, OSError) as err:
        raise UsageError(f"cannot open {scheme}:// locations as {redact(url)}: {redact(str(err))}") from err
    return fs, driver._strip_protocol(known_url)


def _require_hadoop() -> None:
    """Raise unless Hadoop's library can be loaded, which the driver would report as a fault of storage."""
    import pyarrow

    if not pyarrow.have_libhdfs():
        raise UsageError(
            "cannot open hdfs:// locations: Hadoop's library was not found: set HADOOP_HOME, JAVA_HOME and "
            "CLASSPATH, or use webhdfs://"
        )


def _missing(url: str, err: Exception) -> str:
    """Return what to install for a scheme; fsspec learns some schemes only from the package that opens them."""
    known = scheme_of(url)
    if known.install_command and (isinstance(err, ImportError) or importlib.util.find_spec(known.package) is None):
        return f"install its driver with: {known.install_command}"
    is_known = isinstance(err, ImportError) or bool(known.package)
    return redact(str(err)) if is_known else "the scheme is unknown"


def object_version(info: dict[str, Any]) -> str:
    """Return what changes with the content of an object.

    Parameters
    ----------
    info : dict
        What an fsspec driver reports about the object.

    Returns
    -------
    str
        Its etag, else its modification time; empty where the driver gives neither.
    """
    for key in ("ETag", "etag", "md5Hash", "content_md5", "mtime", "LastModified", "last_modified", "created"):
        if info.get(key):
            return str(info[key]).strip('"')
    return ""


def retry(action: Callable[[], T], what: str) -> T:
    """Run an action on storage, and run it again after passing faults, no sooner than a web server asks.

    Parameters
    ----------
    action : callable
        Takes nothing; may be called up to four times.
    what : str
        What it does, for the message: ``reading s3://bucket/a.wav``.

    Returns
    -------
    object
        What the action returns.

    Raises
    ------
    StorageError
        If the last try fails too. Errors that a retry cannot cure (not found, permission denied) pass through.
    UsageError
        If there are no credentials.
    """
    end_s = time.monotonic() + _RETRY_FOR_S
    for delay_s in (*_RETRY_DELAYS_S, None):
        try:
            return action()
        except (EmoSenseError, ImportError, TypeError, AttributeError):
            raise
        except Exception as err:
            if type(err).__name__ in _NO_CREDENTIALS:
                raise UsageError(f"there are no credentials for {what}: {redact(str(err))}") from err
            fault = _translated(err)
            if isinstance(fault, _LASTING):
                raise fault from err.__cause__
            is_lasting = isinstance(fault, OSError) and fault.errno is not None and fault.errno not in _PASSING_ERRNO
            if delay_s is None or is_lasting or time.monotonic() > end_s:
                text = str(fault) if isinstance(fault, OSError) else f"{type(fault).__name__}: {fault}"
                raise StorageError(f"storage does not answer while {what}: {redact(text)}") from err
            asked_s = min(_asked_pause_s(err), end_s - time.monotonic())
            time.sleep(max(delay_s, asked_s))
    raise AssertionError("the loop returns or raises")


def _asked_pause_s(fault: Exception) -> float:
    """Return how long a web server asks to wait; its headers are at the error of aiohttp."""
    headers = getattr(fault, "headers", None) or getattr(fault.__cause__, "headers", None)
    return retry_after_s(headers) if headers else 0.0


def _translated(fault: Exception) -> Exception:
    """Return the fault behind a driver's error: fsspec's HTTP driver reports every failure as a missing file."""
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


def n_reads(n_bytes: int) -> int:
    """Return how many requests `fetch_object` makes: one for what the object is, and one for each block.

    Parameters
    ----------
    n_bytes : int
        Size of the object.

    Returns
    -------
    int
        At least 1.
    """
    return 1 + -(-n_bytes // _BLOCK_BYTES)


def fetch_object(url: str, file: BinaryIO, on_block: Callable[[], None] = lambda: None) -> dict[str, Any]:
    """Copy an object to an open local file; after a passing fault, or if bytes changed on the way, it starts again.

    Parameters
    ----------
    url : str
        URL of the object.
    file : binary file
        Open for writing; what it holds is replaced.
    on_block : callable
        Called after every block that has arrived.

    Returns
    -------
    dict
        What the driver reports about the object: its size, its etag and the like.

    Raises
    ------
    StorageError
        If storage does not answer, or the file cannot be written. Not found and permission denied pass through.
    """
    fs, path = filesystem(url)
    name, check = getattr(file, "name", ""), Md5Check(url)

    def _copy() -> dict[str, Any]:
        file.seek(0)
        file.truncate()
        read = hashlib.md5(usedforsecurity=False)
        with fs.open(path, "rb", cache_type="none", block_size=_BLOCK_BYTES) as source:
            details: dict[str, Any] = getattr(source, "details", None) or {}
            stated = stated_md5(details)
            while block := source.read(_BLOCK_BYTES):
                with faults_of_temporary(name if isinstance(name, str) else ""):
                    file.write(block)
                    file.flush()
                if stated:
                    read.update(block)
                on_block()
        if file.tell() < (expected := int(details.get("size") or 0)):
            raise TimeoutError(f"{file.tell()} of {expected} bytes arrived")
        check.accept(stated, read.hexdigest())
        return details

    return retry(_copy, f"reading {redact(url)}")
