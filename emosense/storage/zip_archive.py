"""A zip archive -> the files in it: every member is checked before the first one is written.

An archive may come from anywhere, so nothing in it is trusted: its members must be regular files and folders below
the folder they are unpacked to, in reasonable number and size. A file appears complete or not at all, files that exist
already are not written again, and a file that is not from the archive is never replaced.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import mmap
import os
import re
import shutil
import stat
import unicodedata
import zipfile
import zlib
from typing import BinaryIO, Final

from emosense.errors import OutputError, StorageError
from emosense.progress import Progress
from emosense.storage.locations import redact
from emosense.storage.writing import replaced_file

_BLOCK_BYTES: Final = 1 << 20
# Bits of the general purpose flag: encrypted, strongly encrypted, headers masked (APPNOTE.TXT 4.4.4).
_ENCRYPTED_FLAGS: Final = 1 | 1 << 6 | 1 << 13
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# Deflate shrinks short files of one value to almost nothing: their ratio means nothing.
_SHORT_BYTES: Final = 1 << 16
_DAMAGE: Final = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """How much an archive may contain; RAVDESS has 1440 members, 0.6 GB, at a ratio of 3.

    Parameters
    ----------
    n_members : int
        Number of files and folders.
    n_bytes : int
        Unpacked size of all members.
    ratio : int
        Unpacked to packed size, of the archive and of each member.
    """

    n_members: int = 10_000
    n_bytes: int = 4 << 30
    ratio: int = 100


@dataclasses.dataclass(frozen=True, slots=True)
class Member:
    """A file of an archive: its name, relative with slashes, and its size in bytes."""

    name: str
    size: int


def unpack(archive: str, folder: str, temporary: str, progress: Progress, limits: Limits | None = None) -> list[Member]:
    """Unpack an archive, or complete one that was unpacked in part.

    Parameters
    ----------
    archive, folder : str
        Local paths.
    temporary : str
        Name under which each file is written, on the same file system as `folder`.
    progress : Progress
        Counts members.
    limits : Limits, optional
        How much the archive may contain.

    Returns
    -------
    list of Member
        All files of the archive.

    Raises
    ------
    StorageError
        If the archive is damaged or one of its members is refused; in the second case nothing has been written.
    OutputError
        If a file cannot be written, or another file has its name.
    """
    try:
        infos = _checked_infos(archive, limits or Limits())
        progress.start(len(infos))
        with zipfile.ZipFile(archive) as source:
            for info in infos:
                _unpack_member(source, info, folder, temporary)
                progress.advance(1, 0)
    except _DAMAGE as err:
        raise StorageError(f"the archive {os.path.basename(archive)} is damaged: {redact(str(err))}") from err
    except OSError as err:
        raise OutputError(f"cannot unpack to {redact(folder)}: {err.strerror}") from err
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
    return [Member(info.filename, info.file_size) for info in infos]


def _checked_infos(archive: str, limits: Limits) -> list[zipfile.ZipInfo]:
    """Return the files of an archive, none of which is beyond the limits or leads out of the folder."""
    _check_number(archive, limits)
    with zipfile.ZipFile(archive) as source:
        infos = source.infolist()
    n_packed = os.path.getsize(archive)
    for info in infos:
        if not 0 <= info.header_offset < n_packed:
            raise zipfile.BadZipFile("a member is outside the file")
        fault = _fault(info, limits)
        if fault:
            raise _refusal(archive, info.filename, fault)
    # Members may share their bytes, so the whole is measured against the file and not against the sum of its members.
    n_bytes = sum(info.file_size for info in infos)
    if n_bytes > min(limits.n_bytes, limits.ratio * n_packed + _SHORT_BYTES):
        raise _refusal(archive, "", f"it would unpack to {n_bytes:,} bytes")
    _check_names(archive, infos)
    return [info for info in infos if not info.is_dir()]


def _check_number(archive: str, limits: Limits) -> None:
    """Count the entries of the directory before `zipfile` makes an object of each."""
    if os.path.getsize(archive) == 0:
        raise zipfile.BadZipFile("the file is empty")
    with open(archive, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        entries = itertools.islice(re.finditer(b"PK\x01\x02", content), limits.n_members + 1)
        if sum(1 for _ in entries) > limits.n_members:
            raise _refusal(archive, "", f"it has more than {limits.n_members:,} members")


def _fault(info: zipfile.ZipInfo, limits: Limits) -> str:
    """Return why a member is refused; empty for one that is not."""
    name, kind = info.filename, stat.S_IFMT(info.external_attr >> 16)
    parts = name.removesuffix("/").split("/")
    if name != info.orig_filename or not name.isprintable() or "\\" in name:
        return "its name has characters that are not portable"
    if name.startswith("/") or re.match("[A-Za-z]:", name):
        return "its name is absolute"
    if not {"", ".", ".."}.isdisjoint(parts):
        return "its name leads elsewhere"
    if kind not in (0, stat.S_IFDIR if info.is_dir() else stat.S_IFREG):
        return "it is a link, a device or another special file"
    if info.flag_bits & _ENCRYPTED_FLAGS:
        return "it is encrypted"
    if info.compress_type not in _METHODS:
        return f"it is packed with method {info.compress_type}"
    if info.file_size > limits.ratio * info.compress_size + _SHORT_BYTES:
        return f"{info.compress_size:,} bytes would unpack to {info.file_size:,}"
    return ""


def _check_names(archive: str, infos: list[zipfile.ZipInfo]) -> None:
    """Refuse two files of one name, as file systems that ignore case see it, and a file that is a folder as well."""
    names: set[str] = set()
    folders: set[str] = set()
    for info in infos:
        name = unicodedata.normalize("NFC", info.filename).casefold()
        if name in names:
            raise _refusal(archive, info.filename, "there are two of that name")
        names.add(name)
        folders.update(str(prefix) for prefix in itertools.accumulate(name.split("/")[:-1], "{}/{}".format))
    if names & folders:
        raise _refusal(archive, min(names & folders), "it is a file and a folder")


def _refusal(archive: str, member: str, fault: str) -> StorageError:
    what = f"its member {redact(member)[:200]!r}: {fault}" if member else fault
    return StorageError(f"the archive {os.path.basename(archive)} is refused, nothing was unpacked: {what}")


def _unpack_member(source: zipfile.ZipFile, info: zipfile.ZipInfo, folder: str, temporary: str) -> None:
    *parents, _ = info.filename.split("/")
    place = folder
    for parent in parents:
        place = os.path.join(place, parent)
        make_real_folder(place)
    target = os.path.join(folder, info.filename)
    if os.path.lexists(target):
        if not _is_member(target, info):
            raise OutputError(
                f"{redact(target)} exists and is not from the archive: move it away, or choose another folder"
            )
        return
    with source.open(info) as packed, replaced_file(target, temporary) as file:
        shutil.copyfileobj(packed, file, _BLOCK_BYTES)


def make_real_folder(path: str) -> None:
    """Create a folder if it does not exist; a link in its place is refused.

    Parameters
    ----------
    path : str
        Local path.

    Raises
    ------
    OutputError
        If something else has its name, or it cannot be created.
    """
    try:
        with contextlib.suppress(FileExistsError):
            os.mkdir(path)
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            raise OutputError(f"{redact(path)} exists and is not a folder")
    except OSError as err:
        raise OutputError(f"cannot create the folder {redact(path)}: {err.strerror}") from err


def _is_member(path: str, info: zipfile.ZipInfo) -> bool:
    """Return whether a file is the member, by size and checksum."""
    status = os.lstat(path)
    if not stat.S_ISREG(status.st_mode) or status.st_size != info.file_size:
        return False
    with open(path, "rb") as file:
        return _crc(file) == info.CRC


def _crc(file: BinaryIO) -> int:
    value = 0
    while block := file.read(_BLOCK_BYTES):
        value = zlib.crc32(block, value)
    return value
