"""An archive of recordings -> its members, each with its place: ``.tar``, compressed tars, ``.zip``, ``.parquet``.

An archive may come from anywhere. It is read a part at a time, nothing in it is written under its own name, and a
member that is damaged or dangerous has the reason in its place, so that it becomes an error row.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Final

from emosense.errors import RecordingError
from emosense.storage.locations import shown_location
from emosense.storage.ranges import RangeFile

SEPARATOR: Final = "::"
BAD: Final = "bad_archive"
# A longer name or header is taken for damage.
MAX_NAME_BYTES: Final = 1 << 16
# The list holds sizes in 64 bits.
_MOST_BYTES: Final = 1 << 63
# Silence is compressed a thousandfold, so a high ratio is refused only where much is unpacked.
_MAX_RATIO, _LARGE_BYTES = 100, 1 << 28


@dataclasses.dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive.

    Parameters
    ----------
    name : str
        As the archive has it; empty for what is wrong with the archive itself.
    size : int
        Its bytes; -1 where only reading it tells.
    place : str
        Where it lies: the key of a reader in `emosense.inputs.member_reading`, a colon, and what the reader needs.
    skipped : str
        Why it is no recording, such as ``link``; empty otherwise.
    """

    name: str
    size: int = -1
    place: str = ""
    skipped: str = ""


def bad(name: str, reason: str, size: int = -1) -> Member:
    """Make a member that cannot be read.

    Parameters
    ----------
    name : str
        Its name; empty for the archive itself.
    reason : str
        One sentence.
    size : int
        Its bytes, if they are known.

    Returns
    -------
    Member
    """
    return Member(name, size if size < _MOST_BYTES else -1, f"bad:{reason}")


def most_unpacked(n_packed: int) -> int:
    """Return the most that compressed bytes may unpack to: what gives more is a decompression bomb.

    Parameters
    ----------
    n_packed : int
        Number of compressed bytes.

    Returns
    -------
    int
        Number of bytes.
    """
    return max(_LARGE_BYTES, _MAX_RATIO * n_packed)


def is_archive(name: str) -> bool:
    """Return whether a file is an archive, by its name.

    Parameters
    ----------
    name : str
        Name or path.

    Returns
    -------
    bool
    """
    return name.lower().endswith(ARCHIVE_EXTENSIONS)


def members_of(file: RangeFile) -> Iterator[Member]:
    """List an archive.

    Parameters
    ----------
    file : RangeFile
        Open; its name tells the kind.

    Yields
    ------
    Member
        In order of the archive. Names that lead elsewhere are those of bad members.

    Raises
    ------
    RecordingError
        If it is no such archive.
    """
    # Without the signature of a URL, which would follow the extension.
    name = shown_location(file.location).lower()
    kind = next((extension for extension in _INDEXES if name.endswith(extension)), "")
    if not kind:
        raise RecordingError(BAD, "it is compressed in a way that is not read: decompress it to .tar")
    for member in _INDEXES[kind](file):
        reason = "" if member.skipped or member.place.startswith("bad:") else _fault_of(member)
        yield bad(member.name, reason, member.size) if reason else member


def _fault_of(member: Member) -> str:
    name = member.name
    if member.size >= _MOST_BYTES:
        return "its size is impossible"
    if name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/"):
        return "its name leads out of the archive"
    return "its name has characters that no name has" if "\0" in name or "\n" in name else ""


def _tar(file: RangeFile) -> Iterator[Member]:
    from emosense.inputs.tar_index import HeaderReads, tar_members

    return tar_members(HeaderReads(file))


def _zip(file: RangeFile) -> Iterator[Member]:
    from emosense.inputs.zip_index import zip_members

    return zip_members(file)


def _parquet(file: RangeFile) -> Iterator[Member]:
    from emosense.inputs.parquet_index import parquet_members

    return parquet_members(file)


def _compressed_tar(file: RangeFile) -> Iterator[Member]:
    from emosense.inputs.unpacked import compressed_tar_members

    return compressed_tar_members(file)


# Compressed tars, and the module that unpacks them.
COMPRESSED_TARS: Final = {".tar.gz": "gzip", ".tgz": "gzip", ".tar.bz2": "bz2", ".tar.xz": "lzma"}
_INDEXES: Final[dict[str, Callable[[RangeFile], Iterator[Member]]]] = {
    ".tar": _tar, ".zip": _zip, ".parquet": _parquet, **dict.fromkeys(COMPRESSED_TARS, _compressed_tar)
}  # fmt: skip
# The last one is named in a row that says what to do with it.
ARCHIVE_EXTENSIONS: Final = (*_INDEXES, ".tar.zst")
