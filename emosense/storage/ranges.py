"""Parts of a file, local or remote, without the rest of it: where an archive says that a member lies.

A remote file is read with range requests, each of which may fetch more than it was asked for, since the next part is
often the one behind. That the file is still the same is checked after every request.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Any, BinaryIO, Final, Self, cast

from emosense.storage.locations import local_path, redact
from emosense.storage.objects import filesystem, object_version, retry
from emosense.storage.reading import open_regular
from emosense.storage.schemes import is_url

# One request for so much costs about as much time as one for nothing.
BLOCK_BYTES: Final = 8 << 20


class RangeFile:
    """A file of which parts are read; a context manager.

    Parameters
    ----------
    location : str
        Local path or URL. It is not looked at before `open`.
    ahead : int
        Least number of bytes that a request to a remote file fetches.

    Attributes
    ----------
    length : int
        Its bytes; -1 before it is opened.
    version : str
        What changes with its content: the modification time in nanoseconds, or the etag.
    ahead : int
        As above; may be changed at any time.
    ahead_to : int
        Where reading ahead ends, in bytes from the beginning; may be changed at any time.
    """

    def __init__(self, location: str, ahead: int = 0) -> None:
        self.location, self.ahead = local_path(location), ahead
        self.length, self.version = -1, ""
        self.ahead_to = sys.maxsize
        self._start, self._block = 0, b""
        self._local: BinaryIO | None = None
        self._fs: Any = None
        self._path = self.location
        # The driver is opened here: fsspec keeps one per thread, and another thread may read.
        if is_url(self.location):
            self._fs, self._path = filesystem(self.location)

    def __enter__(self) -> Self:
        """Return the file itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()

    def open(self) -> None:
        """Look at the file.

        Raises
        ------
        StorageError
            If storage does not answer. Errors of the operating system pass through: not found, permission denied.
        """
        if self._fs is None:
            self._local = open_regular(self._path)
        self.length, self.version = self._identity()

    def _identity(self) -> tuple[int, str]:
        if self._local is not None:
            status = os.fstat(self._local.fileno())
            return status.st_size, str(status.st_mtime_ns)
        info: dict[str, Any] = retry(lambda: self._fs.info(self._path), f"looking at {redact(self.location)}")
        return int(info.get("size") or 0), object_version(info)

    def part(self, start: int, length: int) -> bytes:
        """Read a part.

        Parameters
        ----------
        start, length : int
            Its first byte, and how many.

        Returns
        -------
        bytes
            Fewer at the end of the file.

        Raises
        ------
        StorageError
            If storage does not answer.
        OSError
            As the system reports; ESTALE if the file is another one by now.
        """
        length = max(0, min(length, self.length - start))
        if not length:
            return b""
        if self._local is not None:
            content = os.pread(self._local.fileno(), length, start)
            self._check_same()
            return content
        at = start - self._start
        if at < 0 or at + length > len(self._block):
            # What is there of the part is not fetched again.
            held = self._block[at:] if at >= 0 else b""
            fetched = self._fetch(start + len(held), self._fetch_to(start, length))
            self._block, self._start, at = held + fetched, start, 0
            if len(self._block) < length:
                raise OSError(errno.EIO, "the server gave less than it was asked for", redact(self.location))
            self._check_same()
        return self._block[at : at + length]

    def _fetch_to(self, start: int, length: int) -> int:
        return min(max(start + length, min(start + self.ahead, self.ahead_to)), self.length)

    def _fetch(self, start: int, end: int) -> bytes:
        content: bytes = retry(
            lambda: self._fs.cat_file(self._path, start=start, end=end), f"reading {redact(self.location)}"
        )
        # A server that does not know ranges gives the whole file.
        return content if len(content) <= end - start else content[start:end]

    def reaches(self, end: int) -> bool:
        """Tell whether the file is at least so long.

        Parameters
        ----------
        end : int
            Number of bytes.

        Returns
        -------
        bool
        """
        return end <= self.length

    def _check_same(self) -> None:
        if self._identity() != (self.length, self.version):
            raise OSError(errno.ESTALE, "the file was replaced", self.location)

    def stream(self) -> BinaryIO:
        """Return the file as one that is read from a position, for packages that want one.

        Returns
        -------
        binary file
            At its start; closing it changes nothing.
        """
        return cast("BinaryIO", _Stream(self))

    def close(self) -> None:
        """Close the file."""
        if self._local is not None:
            self._local.close()
        self._block = b""


class _Stream(io.RawIOBase):
    """A `RangeFile` with a position."""

    def __init__(self, file: RangeFile) -> None:
        self._file, self._position = file, 0

    def readinto(self, buffer: Any) -> int:
        content = self._file.part(self._position, len(buffer))
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._position = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._file.length}[whence]
        return self._position

    def tell(self) -> int:
        return self._position

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True
