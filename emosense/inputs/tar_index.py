"""A tar archive, as WebDataset writes shards -> its members: ustar, GNU and pax names, sizes of any length.

After damage, the next sound header is looked for, so that what follows is not lost.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final, Protocol

from emosense.inputs.archive import MAX_NAME_BYTES, Member, bad
from emosense.storage.ranges import BLOCK_BYTES, RangeFile

_BLOCK: Final = 512
_LINKS: Final = b"12"
_FILES: Final = b"0\x007"
_FOLDER, _SPARSE, _LONG_NAME, _PAX = b"5", b"S", b"L", b"x"
# Names of links, comments, settings for all members: nothing that a recording needs.
_OTHER_HEADERS: Final = b"KgVMXN"
# A header, a long name with headers of its own, and what surrounds them.
_HEADERS_BYTES: Final = 1 << 16
# A request for a header takes 5.5 ms of CPU, one for 8 MiB takes 11.2 (s3fs, a server on the same machine).
_LONG_BYTES: Final = 4 << 20


class Parts(Protocol):
    """A file that is read by parts: a `RangeFile`, or one that is unpacked meanwhile."""

    def part(self, start: int, length: int) -> bytes:
        """Return a part; fewer bytes at the end of the file."""
        ...

    def reaches(self, end: int) -> bool:
        """Tell whether the file has at least so many bytes."""
        ...


class HeaderReads:
    """A tar of which only the headers are wanted.

    Where members are short, all is fetched: a request for each header would take longer. Where a member is longer, the
    next header takes a request of its own, which fetches no more than that.

    Parameters
    ----------
    file : RangeFile
        Open.
    """

    def __init__(self, file: RangeFile) -> None:
        self._file, self._end = file, 0

    def part(self, start: int, length: int) -> bytes:
        """Return a part.

        Parameters
        ----------
        start, length : int
            Position of the first byte, and number of bytes.

        Returns
        -------
        bytes
            Fewer at the end of the file.
        """
        self._file.ahead = _HEADERS_BYTES if start - self._end >= _LONG_BYTES else BLOCK_BYTES
        self._end = start + length
        return self._file.part(start, length)

    def reaches(self, end: int) -> bool:
        """Tell whether the file is so long.

        Parameters
        ----------
        end : int
            Number of bytes.

        Returns
        -------
        bool
            Whether the file has at least so many.
        """
        return self._file.reaches(end)


def tar_members(file: Parts) -> Iterator[Member]:
    """List a tar archive.

    Parameters
    ----------
    file : Parts
        Open; it is read from its beginning to its end.

    Yields
    ------
    Member
        In order of the archive.
    """
    at, long_name, pax, is_damaged = 0, b"", dict[bytes, bytes](), False
    while header := file.part(at, _BLOCK):
        if header.count(0) == len(header):
            at += _BLOCK
            continue
        size = _size(header)
        if size is None:
            if not is_damaged:
                yield bad(f"damage at byte {at}", "the archive is damaged here, or ends in the middle")
            is_damaged, at = True, at + _BLOCK
            long_name, pax = b"", {}
            continue
        kind, is_damaged = header[156:157], False
        start = at + _BLOCK
        if kind in (_LONG_NAME, _PAX):
            if size <= MAX_NAME_BYTES:
                content = file.part(start, size)
                long_name = content.rstrip(b"\0") if kind == _LONG_NAME else long_name
                pax = pax if kind == _LONG_NAME else _pax_records(content)
        elif kind not in _OTHER_HEADERS:
            size = int(pax[b"size"]) if pax.get(b"size", b"").isdigit() else size
            name = os.fsdecode(pax.get(b"path") or long_name or _short_name(header))
            yield _member(name, kind, start, size, file)
            long_name, pax = b"", {}
        at = start + -(-size // _BLOCK) * _BLOCK


def _member(name: str, kind: bytes, start: int, size: int, file: Parts) -> Member:
    if kind in _LINKS:
        return Member(name, skipped="link")
    if kind == _FOLDER or name.endswith("/"):
        return Member(name, skipped="folder")
    if kind == _SPARSE:
        return bad(name, "it is stored as a sparse file", size)
    if kind not in _FILES:
        return Member(name, skipped="special")
    if not file.reaches(start + size):
        return bad(name, "the archive ends in the middle of it", size)
    return Member(name, size, f"range:{start}:{size}")


def _size(header: bytes) -> int | None:
    """Return the size in a header; None if it is no header, by its checksum."""
    checksum = _number(header[148:156])
    if len(header) < _BLOCK or checksum != sum(header) - sum(header[148:156]) + 8 * ord(" "):
        return None
    size = _number(header[124:136])
    return size if size is not None and size >= 0 else None


def _number(field: bytes) -> int | None:
    if field[:1] == b"\x80":
        # GNU's form of numbers that have more digits.
        return int.from_bytes(field[1:], "big")
    try:
        return int(field.split(b"\0")[0].strip() or b"0", 8)
    except ValueError:
        return None


def _short_name(header: bytes) -> bytes:
    name = header[:100].split(b"\0")[0]
    prefix = header[345:500].split(b"\0")[0] if header[257:263] == b"ustar\0" else b""
    return prefix + b"/" + name if prefix else name


def _pax_records(content: bytes) -> dict[bytes, bytes]:
    """Read lines such as ``30 path=a/b.wav``, each of which begins with its length."""
    records = {}
    while content:
        length, _, _ = content.partition(b" ")
        if not length.isdigit() or not 0 < int(length) <= len(content):
            break
        key, _, value = content[len(length) + 1 : int(length) - 1].partition(b"=")
        records[key], content = value, content[int(length) :]
    return records
