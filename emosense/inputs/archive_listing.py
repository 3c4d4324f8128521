"""The archives of a list -> their members in their places, several archives at a time."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Final

from emosense.errors import RecordingError
from emosense.inputs.archive import SEPARATOR, Member, bad, members_of
from emosense.inputs.listing import Listing
from emosense.inputs.listing_config import ListingConfig, is_ignored_folder, reason_to_ignore
from emosense.inputs.recording import Recording
from emosense.storage.ranges import BLOCK_BYTES, RangeFile
from emosense.storage.side_by_side import SideBySide

_AT_ONCE: Final = 16
_BATCH: Final = 1000
_KEPT: Final = Member("")


def open_archives(listing: Listing, config: ListingConfig) -> None:
    """Replace the archives of a list by the recordings in them.

    Parameters
    ----------
    listing : Listing
        With all inputs; nothing in it is to be looked up any more.
    config : ListingConfig
        Which members count as recordings.

    Raises
    ------
    StorageError
        If storage does not answer.
    """
    waiting = iter(listing.archives())
    work = SideBySide(_batches, _AT_ONCE)
    for archive in itertools.islice(waiting, _AT_ONCE):
        work.put((archive, RangeFile(archive.location, BLOCK_BYTES)))
    for (archive, _), members in work:
        if members is None:
            if (following := next(waiting, None)) is not None:
                work.put((following, RangeFile(following.location, BLOCK_BYTES)))
            continue
        listing.replace_archive(
            archive, (_recording(archive, each) for each in members if _counts(each, listing, config))
        )


def _batches(task: tuple[Recording, RangeFile]) -> Iterator[list[Member] | None]:
    """Yield the members of an archive, many at a time, then None."""
    _, file = task
    try:
        with file:
            file.open()
            members = members_of(file)
            while batch := list(itertools.islice(members, _BATCH)):
                yield batch
    except (FileNotFoundError, PermissionError):
        # The row of the archive says so.
        yield [_KEPT]
    except (RecordingError, OSError, ValueError, LookupError, ArithmeticError) as err:
        # What else an index may hold that no index should: a text that is not UTF-8, a number of 5,000 digits.
        yield [bad("", str(err))]
    yield None


def _counts(member: Member, listing: Listing, config: ListingConfig) -> bool:
    """Judge a member by its name, and count it if it is skipped."""
    # A name that leads out of the archive is no hidden file: its row says so.
    *folders, name = [part for part in member.name.replace("\\", "/").split("/") if part not in (".", "..")] or [""]
    reason = member.skipped
    if not reason and member.name and not member.place.startswith("row:"):
        inner = dataclasses.replace(config, inside="")
        reason = "hidden" if any(map(is_ignored_folder, folders)) else reason_to_ignore(name, inner) or ""
        if member.place.startswith("bad:") and reason == "no extension":
            # It stands for a stretch of damage.
            reason = ""
    listing.ignored.update([reason] if reason not in ("", "folder") else [])
    return not reason


def _recording(archive: Recording, member: Member) -> Recording:
    if member == _KEPT:
        return archive
    path = f"{archive.path}{SEPARATOR}{member.name}" if member.name else archive.path
    return Recording(path, archive.location, member.size, archive.version, member.place)
