"""Where recordings, models and tables lie: local paths and object storage, through fsspec.

A location is a local path or an fsspec URL. Local paths are handled with the operating system's own calls, so that
every name works, only regular files are opened, and nothing hangs on a FIFO. A passing fault is retried; one that
lasts is a `StorageError`, and a fault of one file alone is a `RecordingError`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import re
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Final, TypeVar

from emosense.errors import OutputError, RecordingError, StorageError, UsageError

T = TypeVar("T")

_URL = re.compile(r"^([a-zA-Z][a-zA-Z0-9+.-]*)://")
_EXTRAS: Final = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs", "az": "azure", "abfs": "azure", "adl": "azure"}
_RETRY_DELAYS_S: Final = (0.2, 0.8, 3.0)
_PASSING_ERRNO: Final = frozenset({errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ECONNRESET, errno.EAGAIN})
# Of one local file: a bad sector, or a file on NFS that was replaced.
_READ_ERRNO: Final = frozenset({errno.EIO, errno.ESTALE})


@dataclasses.dataclass(frozen=True, slots=True)
class Recording:
    """One file to label.

    Parameters
    ----------
    path : str
        As the table shows it; bytes that are not UTF-8 are kept as surrogate escapes.
    location : str
        Absolute local path, or URL.
    size : int
        Bytes, as listed; -1 where the listing does not say.
    version : str
        Changes with the content: the modification time in nanoseconds, or the object's etag.
    """

    path: str
    location: str
    size: int
    version: str


def is_url(location: str) -> bool:
    """Whether a location is an fsspec URL; ``C:`` and ``a::b`` are local names."""
    return _URL.match(location) is not None


def redact(text: str) -> str:
    """Return the text without the credentials of any URL in it."""
    text = re.sub(r"(://)[^/@\s]+@", r"\1***@", text)
    return re.sub(
        r"(?i)([?&](?:[^=&\s]*(?:key|token|secret|signature|sig|password|credential)[^=&\s]*))=[^&\s]+", r"\1=***", text
    )


def filesystem(url: str) -> tuple[Any, str]:
    """Return the fsspec file system of a URL, without listing cache, and the path in it.

    Raises
    ------
    UsageError
        If the scheme is unknown or its driver is not installed.
    """
    import fsspec

    scheme = url.split("://", 1)[0]
    try:
        fs, path = fsspec.core.url_to_fs(url, use_listings_cache=False)
    except (ImportError, ValueError) as err:
        extra = _EXTRAS.get(scheme)
        hint = f"install its driver with: pip install 'emosense[{extra}]'" if extra else "the scheme is unknown"
        raise UsageError(f"cannot open {scheme}:// locations: {hint}") from err
    return fs, path


def retry(action: Callable[[], T], what: str) -> T:
    """Run an action on storage, again after passing faults.

    Raises
    ------
    StorageError
        If it still fails after the last try. Errors that trying again cannot mend (not found, permission) pass through.
    """
    for delay_s in (*_RETRY_DELAYS_S, None):
        try:
            return action()
        except (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError):
            raise
        except OSError as err:
            if delay_s is None or (
                isinstance(err, OSError) and err.errno not in _PASSING_ERRNO and err.errno is not None
            ):
                raise StorageError(f"storage does not answer while {what}: {redact(str(err))}") from err
            time.sleep(delay_s)
    raise AssertionError("the loop returns or raises")


@contextlib.contextmanager
def open_recording(recording: Recording) -> Iterator[BinaryIO]:
    """Open the content of a recording as a file with a descriptor; a remote one is fetched to a temporary file first.

    Raises
    ------
    RecordingError
        ``missing``, ``permission_denied``, ``not_a_file``, ``name_too_long``, ``io_error`` or ``changed_during_read``.
    StorageError
        If object storage does not answer.
    """
    if is_url(recording.location):
        with tempfile.TemporaryFile() as file:
            _fetch(recording, file)
            yield file
        return
    with os.fdopen(_open_regular(recording.location), "rb", buffering=0) as raw:
        before = os.fstat(raw.fileno())
        try:
            yield raw
        except RecordingError as err:
            # What a file that is being written lacks is no fault of its content.
            _check_unchanged(recording, before, raw.fileno(), err)
            raise
        except OSError as err:
            if err.errno not in _READ_ERRNO:
                raise
            raise RecordingError("io_error", f"the file cannot be read: {os.strerror(err.errno)}") from err
        _check_unchanged(recording, before, raw.fileno())


def _check_unchanged(
    recording: Recording, before: os.stat_result, descriptor: int, fault: RecordingError | None = None
) -> None:
    """Refuse a file that is not the one that was listed, or that was written to while it was read."""
    after = os.fstat(descriptor)
    is_listed = recording.size < 0 or before.st_size == recording.size
    if not is_listed or (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise RecordingError("changed_during_read", "the file was written to since it was listed") from fault


def _open_regular(path: str) -> int:
    """Open a local file without waiting for a writer at the other end of a FIFO."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as err:
        raise RecordingError("missing", "the file was there when the folder was listed and is gone") from err
    except PermissionError as err:
        raise RecordingError("permission_denied", "the file may not be read") from err
    except OSError as err:
        code = {errno.ENAMETOOLONG: "name_too_long", errno.ENXIO: "not_a_file"}.get(err.errno or 0, "io_error")
        raise RecordingError(code, os.strerror(err.errno or 0)) from err
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise RecordingError("not_a_file", "not a regular file")
    return descriptor


def _fetch(recording: Recording, file: BinaryIO) -> None:
    """Copy an object to a local file and compare its size with the listing."""
    fs, path = filesystem(recording.location)

    def copy() -> None:
        file.seek(0)
        file.truncate()
        with fs.open(path, "rb", cache_type="none", block_size=1 << 22) as source:
            while block := source.read(1 << 22):
                file.write(block)
        if file.tell() < recording.size:
            raise TimeoutError(f"{file.tell()} of {recording.size} bytes arrived")

    try:
        retry(copy, f"reading {redact(recording.location)}")
    except FileNotFoundError as err:
        raise RecordingError("missing", "the object was there when the bucket was listed and is gone") from err
    except PermissionError as err:
        raise RecordingError("permission_denied", "the object may not be read") from err
    file.flush()
    file.seek(0)
    if recording.size >= 0 and os.fstat(file.fileno()).st_size != recording.size:
        raise RecordingError("changed_during_read", "the object has another size than when it was listed")


def read_bytes(location: str) -> bytes:
    """Read a small file, local or remote.

    Raises
    ------
    FileNotFoundError, PermissionError
        As the storage says.
    """
    if not is_url(location):
        with open(location, "rb") as file:
            return file.read()
    fs, path = filesystem(location)
    content: bytes = retry(lambda: fs.cat_file(path), f"reading {redact(location)}")
    return content


def exists(location: str) -> bool:
    """Whether there is a file or a folder at the location."""
    if not is_url(location):
        return os.path.lexists(location)
    fs, path = filesystem(location)
    return bool(retry(lambda: fs.exists(path), f"looking at {redact(location)}"))


def write_bytes(location: str, content: bytes) -> None:
    """Put a whole file in place in one step: readers see the old content or the new one, never a part."""
    with atomic_writer(location) as file:
        file.write(content)


@contextlib.contextmanager
def atomic_writer(location: str) -> Iterator[BinaryIO]:
    """Write a file that appears, whole, when the block ends without an error.

    A local file is written beside its place and renamed; an object appears when its upload is closed, and is
    discarded on an error.

    Raises
    ------
    OutputError
        If the place cannot be written.
    """
    try:
        if is_url(location):
            fs, path = filesystem(location)
            with fs.transaction, fs.open(path, "wb") as remote:
                yield remote
            return
        temporary = f"{location}.tmp-{os.getpid()}"
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


def make_folder(location: str) -> None:
    """Create a folder and its parents; object storage has none to create."""
    if is_url(location):
        return
    try:
        os.makedirs(location, exist_ok=True)
    except OSError as err:
        raise OutputError(f"cannot create the folder {location}: {err.strerror}") from err


def join(folder: str, name: str) -> str:
    """Join a folder's location and a name."""
    return f"{folder.rstrip('/')}/{name}"


def list_folder(location: str) -> list[str]:
    """Names in a folder, sorted; an absent folder has none."""
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
