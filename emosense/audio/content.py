"""The bytes of an open file, or of one recording in a file that holds several.

Everything is read by position, so that several parts of a file can be read at once.
"""

from __future__ import annotations

import dataclasses
import io
import os
import re
from collections.abc import Iterator
from typing import Final

_HEAD_BYTES: Final = 4096
_READ_BYTES: Final = 1 << 20


@dataclasses.dataclass(frozen=True, slots=True)
class Content:
    """Bytes of an open file.

    Parameters
    ----------
    descriptor : int
        File descriptor.
    size : int
        Number of bytes.
    head : bytes
        The first 4 KiB.
    start : int
        Position in the file of the first byte.
    is_whole : bool
        Whether these are all bytes of the file.
    """

    descriptor: int
    size: int
    head: bytes
    start: int = 0
    is_whole: bool = True

    @classmethod
    def of(cls, descriptor: int) -> Content:
        """Look at an open file.

        Parameters
        ----------
        descriptor : int
            File descriptor, opened for reading.

        Returns
        -------
        Content
            With the first bytes read.
        """
        return cls(descriptor, os.fstat(descriptor).st_size, os.pread(descriptor, _HEAD_BYTES, 0))

    def part(self, start: int, end: int) -> Content:
        """Return some of the bytes.

        Parameters
        ----------
        start, end : int
            Position of the first byte, and of that after the last.

        Returns
        -------
        Content
            Read from the same file.
        """
        head = os.pread(self.descriptor, min(_HEAD_BYTES, end - start), self.start + start)
        return Content(self.descriptor, end - start, head, self.start + start, is_whole=False)

    def at(self, offset: int, n: int) -> bytes:
        """Read bytes at a position.

        Parameters
        ----------
        offset, n : int
            Position and number of bytes.

        Returns
        -------
        bytes
            Fewer than `n` at the end.
        """
        if offset + n <= len(self.head):
            return self.head[offset : offset + n]
        n = min(n, self.size - offset)
        return os.pread(self.descriptor, n, self.start + offset) if n > 0 else b""

    def find(self, pattern: re.Pattern[bytes], longest: int, offset: int = 0) -> Iterator[int]:
        """Search for bytes.

        The file is read and not mapped: a mapped file that is shortened meanwhile would end the process.

        Parameters
        ----------
        pattern : compiled pattern
            What to search for.
        longest : int
            Bytes that it matches at most.
        offset : int
            Position to begin at.

        Yields
        ------
        int
            Positions of the pattern, which do not overlap.
        """
        while offset < self.size:
            block = self.at(offset, _READ_BYTES)
            place = 0
            for match in pattern.finditer(block):
                place = match.end()
                yield offset + match.start()
            if len(block) < _READ_BYTES:
                return
            offset += max(place, len(block) - longest + 1)


class ContentFile(io.RawIOBase):
    """Content as a file that decoders read; the file stays open when this one is closed.

    At most 1 MiB is read at a time: FFmpeg asks for all that a damaged header claims, and Python would allocate it.

    Parameters
    ----------
    content : Content
        What to read.
    """

    def __init__(self, content: Content) -> None:
        self._content, self._position = content, 0

    def readable(self) -> bool:
        """Say that it can be read.

        Returns
        -------
        bool
            True.
        """
        return True

    def seekable(self) -> bool:
        """Say that positions can be set.

        Returns
        -------
        bool
            True.
        """
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Set the position; one before the start is the start, since decoders of damaged files ask for it.

        Parameters
        ----------
        offset : int
            In bytes.
        whence : int
            What it counts from: ``os.SEEK_SET``, ``os.SEEK_CUR`` or ``os.SEEK_END``.

        Returns
        -------
        int
            The new position.
        """
        position = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._content.size}[whence]
        self._position = max(0, position)
        return self._position

    def read(self, size: int | None = -1, /) -> bytes:
        """Read the next bytes.

        Parameters
        ----------
        size : int or None
            How many; all for -1 or None.

        Returns
        -------
        bytes
            At most 1 MiB.
        """
        block = self._content.at(self._position, _READ_BYTES if size is None or size < 0 else min(size, _READ_BYTES))
        self._position += len(block)
        return block

    def readinto(self, buffer: object, /) -> int:
        """Fill a buffer with the next bytes.

        Parameters
        ----------
        buffer : writable buffer
            What to fill.

        Returns
        -------
        int
            Number of bytes read.
        """
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        block = self.read(len(view))
        view[: len(block)] = block
        return len(block)
