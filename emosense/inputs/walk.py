"""A location -> the recordings in it: a file, a folder with all below it, or a bucket.

A walk that fails half-way is a `StorageError`: a partial listing is never labelled.
"""

from __future__ import annotations

import collections
import errno
import heapq
import os
import stat
from collections.abc import Iterator
from typing import Final

from emosense.errors import StorageError, UsageError
from emosense.inputs.bucket_walk import walk_bucket
from emosense.inputs.listing_config import ListingConfig, is_ignored_folder, reason_to_ignore
from emosense.inputs.names import local_recording, shown_path
from emosense.inputs.recording import Recording
from emosense.inputs.text_files import is_text_file
from emosense.storage.locations import local_path, redact
from emosense.storage.reading import is_regular
from emosense.storage.schemes import is_url

# Faults of one folder, which no rerun cures by itself.
_LASTING_ERRNO: Final = frozenset({errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENAMETOOLONG})


def recordings_at(
    location: str, config: ListingConfig, ignored: collections.Counter[str], limit: int | None = None
) -> Iterator[Recording]:
    """Yield the recordings of a file, a folder or a URL.

    Parameters
    ----------
    location : str
        Local path or URL.
    config : ListingConfig
        Which files count as recordings.
    ignored : Counter
        Counts skipped files by reason: an extension, ``hidden``, ``link``, ``outside`` (a link that leads out of the
        folder), ``special``.
    limit : int, optional
        How many recordings are wanted, at least 1: the walk stops when it has the first ones in order of the bytes of
        their paths.

    Yields
    ------
    Recording
        In no order; with a limit, at least the first ones.

    Raises
    ------
    UsageError
        If there is nothing at the location.
    StorageError
        If it cannot be listed completely.
    """
    location = local_path(location)
    if is_url(location):
        found = walk_bucket(location, config, ignored, in_order=limit is not None)
    else:
        found = _walk_local(location, config, ignored, limit)
    last, is_sorted = b"", True
    for n_found, recording in enumerate(found, start=1):
        yield recording
        if limit is not None:
            # A few stores do not list in order, and a folder that may not be read is named without its slash.
            name = os.fsencode(recording.path)
            is_sorted, last = is_sorted and last <= name, name
            if is_sorted and n_found == limit:
                return


def _walk_local(
    root: str, config: ListingConfig, ignored: collections.Counter[str], limit: int | None = None
) -> Iterator[Recording]:
    """Walk a local folder, in order if there is a limit."""
    try:
        status = os.stat(root)
    except FileNotFoundError as err:
        raise UsageError(f"there is no file or folder {redact(root) or '(an empty name)'}: check the path") from err
    except OSError as err:
        raise UsageError(f"cannot read {redact(root)}: {err.strerror}") from err
    if not stat.S_ISDIR(status.st_mode):
        if not is_regular(status):
            raise UsageError(f"{redact(root)} is neither a file nor a folder")
        yield local_recording(root, status)
        return
    real_root = os.path.realpath(root)
    seen = {real_root}
    pending: list[str | os.DirEntry[str]] = [root]
    while pending:
        folder = pending.pop()
        if not isinstance(folder, str):
            yield _entry_recording(folder)
            continue
        try:
            entries = os.scandir(folder)
        except OSError as err:
            if err.errno not in _LASTING_ERRNO:
                raise StorageError(f"cannot list {redact(folder)}: {err.strerror}") from err
            if folder == root:
                raise UsageError(f"cannot list {redact(root)}: {err.strerror}") from err
            # Its row says that it is denied, and the listing continues.
            yield Recording(shown_path(folder), os.path.abspath(folder), -1, "")
            continue
        try:
            with entries:
                kept = (entry for entry in entries if not _is_ignored_entry(entry, real_root, config, ignored, seen))
                if limit is not None:
                    pending += _first(kept, limit)
                    continue
                for entry in kept:
                    if entry.is_dir():
                        pending.append(entry.path)
                    else:
                        yield _entry_recording(entry)
        except OSError as err:
            raise StorageError(f"cannot list all of {redact(folder)}: {err.strerror}") from err


def _first(entries: Iterator[os.DirEntry[str]], limit: int) -> list[str | os.DirEntry[str]]:
    """Return the folders among the entries, by their paths, and the first files; the first entry last."""
    folders: list[os.DirEntry[str]] = []

    def files() -> Iterator[os.DirEntry[str]]:
        for entry in entries:
            if entry.is_dir():
                folders.append(entry)
            else:
                yield entry

    # More files of this folder cannot be among the first.
    first = heapq.nsmallest(limit, files(), key=_order)
    ordered = sorted([*first, *folders], key=_order, reverse=True)
    return [entry.path if entry.is_dir() else entry for entry in ordered]


def _order(entry: os.DirEntry[str]) -> bytes:
    """Return what sorts entries so that the paths below them are sorted by their bytes."""
    return os.fsencode(entry.name) + (b"/" if entry.is_dir() else b"")


def _is_ignored_entry(
    entry: os.DirEntry[str], real_root: str, config: ListingConfig, ignored: collections.Counter[str], seen: set[str]
) -> bool:
    """Tell whether an entry of a folder is skipped, and count it if it is a file or a link.

    `seen` has the targets of links to folders: each is listed once.
    """
    try:
        target = os.path.realpath(entry.path) if entry.is_symlink() else ""
    except PermissionError:
        # The kernel does not say where the links of other processes lead.
        ignored["link"] += 1
        return True
    if target:
        inside = target == real_root or target.startswith(real_root + os.sep)
        # A linked folder inside the root is listed under its own name, unless that one is ignored.
        steps = target[len(real_root) :].split(os.sep)
        is_twice = inside and os.path.isdir(target) and not any(map(is_ignored_folder, steps))
        if is_twice or not (inside or config.follow_links) or not os.path.exists(target):
            ignored["link" if inside or not os.path.exists(target) else "outside"] += 1
            return True
    if os.path.abspath(entry.path) in config.excluded:
        return True
    if entry.is_dir():
        if is_ignored_folder(entry.name) or (target and target in seen):
            return True
        if target:
            seen.add(target)
        return False
    reason = reason_to_ignore(entry.name, config) or ("special" if _is_special(entry) else None)
    if not reason and not config.any_extension and is_text_file(entry.path):
        reason = os.path.splitext(entry.name)[1].lower()
    ignored.update([reason] if reason else [])
    return reason is not None


def _is_special(entry: os.DirEntry[str]) -> bool:
    """Tell whether an entry is no regular file; one that was removed meanwhile, or denies access, is none of these."""
    try:
        return not is_regular(entry.stat())
    except OSError:
        return not entry.is_file()


def _entry_recording(entry: os.DirEntry[str]) -> Recording:
    """Return a file of a folder; one that was removed meanwhile, or denies access, gets a row as well."""
    try:
        return local_recording(entry.path, entry.stat())
    except OSError:
        return Recording(shown_path(entry.path), os.path.abspath(entry.path), -1, "")
