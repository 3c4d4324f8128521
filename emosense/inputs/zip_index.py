"""A zip archive -> its members, from the directory at its end; `zipfile` would keep all of it in memory."""

from __future__ import annotations

import os
import struct
import zipfile
from collections.abc import Iterator
from typing import Final

from emosense.inputs.archive import Member, bad, most_unpacked
from emosense.storage.ranges import RangeFile

# APPNOTE.TXT 4.3.16, 4.3.15, 4.3.14 and 4.3.12.
_END: Final = struct.Struct("<4s4H2LH")
_LOCATOR: Final = struct.Struct("<4sLQL")
_END_64: Final = struct.Struct("<4sQ2H2L4Q")
_ENTRY: Final = struct.Struct("<4s6H3L5H2L")
_LONGEST_COMMENT: Final = 0xFFFF
_IN_EXTRA: Final = 0xFFFFFFFF
# Encrypted, strongly encrypted, headers masked.
_ENCRYPTED: Final = 1 | 1 << 6 | 1 << 13
_UTF_8: Final = 1 << 11
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_LINK, _KIND = 0o120000, 0o170000


def zip_members(file: RangeFile) -> Iterator[Member]:
    """List a zip archive.

    Parameters
    ----------
    file : RangeFile
        Open.

    Yields
    ------
    Member
        In order of its directory.
    """
    found = _directory(file)
    if found is None:
        yield bad("", "it is no zip archive, or its end is missing")
        return
    at, end, shift = found
    n_packed = 0
    while at < end:
        head = file.part(at, _ENTRY.size)
        if len(head) < _ENTRY.size or head[:4] != b"PK\x01\x02":
            yield bad("", "its directory is damaged")
            return
        _, made, _, flags, method, _, _, crc, packed, size, n_name, n_extra, n_comment, _, _, external, header = (
            _ENTRY.unpack(head)
        )
        rest = file.part(at + _ENTRY.size, n_name + n_extra)
        name = _name(rest[:n_name], flags)
        size, packed, header = _long_numbers(rest[n_name:], size, packed, header)
        at += _ENTRY.size + n_name + n_extra + n_comment
        n_packed += packed
        if n_packed > file.length:
            yield bad("", "its members share their bytes, as in an archive made to fill a disk")
            return
        is_link = made >> 8 == 3 and (external >> 16) & _KIND == _LINK
        if is_link or name.endswith("/"):
            yield Member(name, skipped="link" if is_link else "folder")
        elif flags & _ENCRYPTED:
            yield bad(name, "it is encrypted", size)
        elif method not in _METHODS:
            yield bad(name, f"it is packed with method {method}, which is not read", size)
        elif size > most_unpacked(packed):
            yield bad(name, f"{packed:,} bytes would unpack to {size:,}", size)
        else:
            yield Member(name, size, f"zip:{header + shift}:{packed}:{size}:{method}:{crc}")


def _directory(file: RangeFile) -> tuple[int, int, int] | None:
    """Return where the directory begins and ends, and how far all is behind where it says to be."""
    start = max(0, file.length - _END.size - _LONGEST_COMMENT)
    tail = file.part(start, file.length - start)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END.size:
        return None
    *_, n_bytes, offset, _ = _END.unpack_from(tail, at)
    end = start + at
    if _IN_EXTRA in (n_bytes, offset) and at >= _LOCATOR.size and tail[at - _LOCATOR.size :][:4] == b"PK\x06\x07":
        _, _, place, _ = _LOCATOR.unpack_from(tail, at - _LOCATOR.size)
        record = file.part(place, _END_64.size)
        if len(record) < _END_64.size or record[:4] != b"PK\x06\x06":
            return None
        *_, n_bytes, offset = _END_64.unpack(record)
        end = place
    shift = end - n_bytes - offset
    return (offset + shift, end, shift) if shift >= 0 and n_bytes <= end else None


def _name(name: bytes, flags: int) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError:
        return os.fsdecode(name) if flags & _UTF_8 else name.decode("cp437")


def _long_numbers(extra: bytes, *numbers: int) -> tuple[int, ...]:
    """Return size, packed size and offset, those that need more than 32 bits from the extra field."""
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<2H", extra)
        if kind == 1:
            values = iter(struct.unpack_from(f"<{length // 8}Q", extra[: 4 + length].ljust(4 + length, b"\0"), 4))
            return tuple(next(values, number) if number == _IN_EXTRA else number for number in numbers)
        extra = extra[4 + length :]
    return numbers
