"""A recording of the list -> its content as a file with a descriptor, checked against what was listed.

Only regular files are opened, and a FIFO cannot block. An object is fetched to a temporary file first. A fault of one
file is a `RecordingError`, a fault of the storage a `StorageError`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final

from emosense.errors import RecordingError
from emosense.inputs.member_reading import MemberReader
from emosense.storage.objects import fetch_object, object_version
from emosense.storage.reading import is_regular
from emosense.storage.schemes import is_url
from emosense.storage.temporary import temporary_file

# Faults of one local file: a bad sector, a file on NFS that was replaced, a mount that does not answer.
_READ_ERRNO: Final[frozenset[int]] = frozenset(
    {errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.EHOSTDOWN, getattr(errno, "EREMOTEIO", errno.EIO)}
)

# Begins a version that is a time, where a list of objects has no etags: an object that is read has none to compare.
MODIFIED: Final = "modified "


# A recording as the list holds it: the bytes of its path and of its location (None where that is the path), its size,
# its version and its place in an archive. A driver that hands out millions makes no object of each.
Listed = tuple[bytes, bytes | None, int, str, str]


@dataclasses.dataclass(frozen=True, slots=True)
class Recording:
    """One file to label.

    Parameters
    ----------
    path : str
        As in the table; bytes that are not UTF-8 are kept as surrogate escapes.
    location : str
        Absolute local path, or URL.
    size : int
        Bytes, as listed; -1 where the listing does not say.
    version : str
        Changes with the content: the modification time in nanoseconds, or the object's etag, or its time after
        `MODIFIED`. Of a member of an archive, that of the archive.
    member : str
        Where in the archive at `location` it lies (`emosense.inputs.archive`); empty for a file of its own.
    """

    path: str
    location: str
    size: int
    version: str
    member: str = ""

    @classmethod
    def of_listed(cls, listed: Listed) -> Recording:
        """Return the recording of an entry of the list.

        Parameters
        ----------
        listed : (bytes, bytes or None, int, str, str)
            Path, location (None where it is the path), size, version and member.

        Returns
        -------
        Recording
        """
        path, location, size, version, member = listed
        shown = os.fsdecode(path)
        return cls(shown, shown if location is None else os.fsdecode(location), size, version, member)

    @property
    def listed(self) -> Listed:
        """The recording as the list holds it."""
        path, location = os.fsencode(self.path), os.fsencode(self.location)
        return path, None if location == path else location, self.size, self.version, self.member


@contextlib.contextmanager
def open_recording(
    recording: Recording, on_progress: Callable[[], None] = lambda: None, members: MemberReader | None = None
) -> Iterator[BinaryIO]:
    """Open the content of a recording as a file with a descriptor; an object is fetched to a temporary file first.

    Parameters
    ----------
    recording : Recording
        The recording.
    on_progress : callable
        Called after every block of an object that has arrived.
    members : MemberReader, optional
        Reads members of archives; one that is kept reads ahead.

    Yields
    ------
    binary file
        At its start. When the block ends, a file that was written to meanwhile is refused.

    Raises
    ------
    RecordingError
        ``missing``, ``permission_denied``, ``not_a_file``, ``name_too_long``, ``io_error``, ``changed_during_read``
        or, of a member, ``bad_archive``.
    StorageError
        If object storage does not answer.
    """
    if recording.member:
        version = "" if recording.version.startswith(MODIFIED) else recording.version
        reader = members or MemberReader()
        with temporary_file() as file:
            try:
                reader.copy(recording.location, version, recording.member, file, on_progress)
            finally:
                if members is None:
                    reader.close()
            file.seek(0)
            yield file
        return
    if is_url(recording.location):
        with temporary_file() as file:
            _fetch(recording, file, on_progress)
            yield file
        return
    with os.fdopen(_open_regular(recording.location), "rb", buffering=0) as raw:
        before = os.fstat(raw.fileno())
        try:
            yield raw
        except RecordingError as err:
            # A file that is still being written is not corrupt.
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
    """Refuse a file that changed after it was listed, or while it was read."""
    after = os.fstat(descriptor)
    is_listed = recording.size < 0 or before.st_size == recording.size
    # The version also finds new content of the same size.
    is_listed &= recording.version in ("", str(before.st_mtime_ns))
    if not is_listed or (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise RecordingError("changed_during_read", "the file was written to after it was listed") from fault


def _open_regular(path: str) -> int:
    """Open a local file without waiting for the writer of a FIFO."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except ValueError as err:
        raise RecordingError("missing", "there is no such file: a name cannot contain NUL") from err
    except FileNotFoundError as err:
        raise RecordingError("missing", "there is no such file: it was removed, or never existed") from err
    except PermissionError as err:
        raise RecordingError("permission_denied", "the file may not be read") from err
    except OSError as err:
        code = {errno.ENAMETOOLONG: "name_too_long", errno.ENXIO: "not_a_file"}.get(err.errno or 0, "io_error")
        raise RecordingError(code, os.strerror(err.errno or 0)) from err
    if not is_regular(os.fstat(descriptor)):
        os.close(descriptor)
        raise RecordingError("not_a_file", "not a regular file")
    return descriptor


def _fetch(recording: Recording, file: BinaryIO, on_progress: Callable[[], None]) -> None:
    """Copy an object to a local file and check that it is the one that was listed."""
    try:
        version = object_version(fetch_object(recording.location, file, on_progress))
    except FileNotFoundError as err:
        raise RecordingError("missing", "there is no such object: it was removed, or never existed") from err
    except PermissionError as err:
        raise RecordingError("permission_denied", "the object may not be read") from err
    is_listed_size = recording.size < 0 or file.tell() == recording.size
    is_compared = version and recording.version and not recording.version.startswith(MODIFIED)
    if not is_listed_size or (is_compared and version != recording.version):
        raise RecordingError("changed_during_read", "the object was replaced after it was listed")
    file.seek(0)
