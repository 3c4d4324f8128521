"""A location -> the recordings in it, in no order: a file, a folder with all below it, or a bucket.

A walk that fails half-way is a `StorageError`: a partial listing is never labelled.
"""

from __future__ import annotations

import collections
import dataclasses
import errno
import os
import re
import stat
from collections.abc import Iterator
from typing import Any, Final

from emosense.audio.formats import is_recording_name
from emosense.errors import StorageError, UsageError
from emosense.inputs.recording import Recording, object_version
from emosense.inputs.text_files import is_text_file, is_text_object
from emosense.storage.locations import local_path, redact, shown_location
from emosense.storage.objects import filesystem, retry
from emosense.storage.schemes import is_url

_PARTIAL_DOWNLOADS: Final = frozenset({".part", ".tmp", ".crdownload", ".partial"})
_SYSTEM_FOLDERS: Final = frozenset({"@eaDir", "System Volume Information", "__MACOSX", "$RECYCLE.BIN", "lost+found"})
# Faults of one folder, which no rerun cures by itself.
_LASTING_ERRNO: Final = frozenset({errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENAMETOOLONG})
_EXTENSION: Final = re.compile(r"\.(?=.*[a-z])[a-z0-9_]{1,8}")


@dataclasses.dataclass(frozen=True, slots=True)
class ListingConfig:
    """What counts as a recording.

    Parameters
    ----------
    follow_links : bool
        Follow symbolic links that lead out of the input folder.
    any_extension : bool
        Take files with any extension and judge them by their content (``--sniff``).
    excluded : tuple of str
        Absolute paths and URLs of files and folders to skip: the run's own output.
    root : str
        Folder or URL that relative names in tables and lists begin at; empty for the folder of the table.
    """

    follow_links: bool = False
    any_extension: bool = False
    excluded: tuple[str, ...] = ()
    root: str = ""


def recordings_at(location: str, config: ListingConfig, ignored: collections.Counter[str]) -> Iterator[Recording]:
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

    Returns
    -------
    iterator of Recording
        In no order.

    Raises
    ------
    UsageError
        If there is nothing at the location.
    StorageError
        If it cannot be listed completely.
    """
    location = local_path(location)
    walk = _walk_url if is_url(location) else _walk_local
    return walk(location, config, ignored)


def reason_to_ignore(name: str, config: ListingConfig) -> str | None:
    """Return why a file is skipped because of its name.

    Parameters
    ----------
    name : str
        Without its folder.
    config : ListingConfig
        Which files count as recordings.

    Returns
    -------
    str or None
        ``hidden``, an extension, ``no extension`` or ``other``; None if the file counts.
    """
    extension = os.path.splitext(name)[1].lower()
    if name.startswith("."):
        return "hidden"
    if extension in _PARTIAL_DOWNLOADS:
        return extension
    if not config.any_extension and not is_recording_name(name):
        # Unusual extensions share one counter: numbered files would otherwise fill it, and the terminal shows it.
        return "no extension" if not extension else extension if _EXTENSION.fullmatch(extension) else "other"
    return None


def links_hint(ignored: collections.Counter[str]) -> str:
    """Say how to take the files that links lead to: git-annex, DataLad and the cache of Hugging Face have only links.

    Parameters
    ----------
    ignored : Counter
        Skipped files by reason.

    Returns
    -------
    str
        The end of a sentence; empty if no link leads out of the folder.
    """
    return "; --follow-links takes what the links lead to" if ignored["outside"] else ""


def _is_ignored_folder(name: str) -> bool:
    return name.startswith(".") or name in _SYSTEM_FOLDERS


def _walk_local(root: str, config: ListingConfig, ignored: collections.Counter[str]) -> Iterator[Recording]:
    """Walk a local folder; a storage fault stops the run, since a partial listing is never labelled."""
    try:
        status = os.stat(root)
    except OSError as err:
        raise UsageError(f"cannot read {redact(root)}: {err.strerror}") from err
    if not stat.S_ISDIR(status.st_mode):
        if not stat.S_ISREG(status.st_mode):
            raise UsageError(f"{redact(root)} is neither a file nor a folder")
        yield _local_recording(root, status)
        return
    real_root = os.path.realpath(root)
    folders, seen = [root], {real_root}
    while folders:
        folder = folders.pop()
        try:
            entries = os.scandir(folder)
        except OSError as err:
            if err.errno not in _LASTING_ERRNO:
                raise StorageError(f"cannot list {redact(folder)}: {err.strerror}") from err
            if folder == root:
                raise UsageError(f"cannot list {redact(root)}: {err.strerror}") from err
            # Its row says that it is denied, and the listing continues.
            yield Recording(_shown(folder), os.path.abspath(folder), -1, "")
            continue
        try:
            with entries:
                for entry in entries:
                    if not _is_ignored_entry(entry, real_root, config, ignored, seen):
                        if entry.is_dir():
                            folders.append(entry.path)
                        else:
                            yield _entry_recording(entry)
        except OSError as err:
            raise StorageError(f"cannot list all of {redact(folder)}: {err.strerror}") from err


def _is_ignored_entry(
    entry: os.DirEntry[str], real_root: str, config: ListingConfig, ignored: collections.Counter[str], seen: set[str]
) -> bool:
    """Tell whether an entry of a folder is skipped, and count it if it is a file or a link.

    `seen` has the targets of links to folders: each is listed once.
    """
    target = os.path.realpath(entry.path) if entry.is_symlink() else ""
    if target:
        inside = target == real_root or target.startswith(real_root + os.sep)
        # A linked folder inside the root is listed under its own name, unless that one is ignored.
        steps = target[len(real_root) :].split(os.sep)
        is_twice = inside and os.path.isdir(target) and not any(map(_is_ignored_folder, steps))
        if is_twice or not (inside or config.follow_links) or not os.path.exists(target):
            ignored["link" if inside or not os.path.exists(target) else "outside"] += 1
            return True
    if os.path.abspath(entry.path) in config.excluded:
        return True
    if entry.is_dir():
        if _is_ignored_folder(entry.name) or (target and target in seen):
            return True
        seen.update({target} - {""})
        return False
    reason = reason_to_ignore(entry.name, config) or (None if entry.is_file() else "special")
    if not reason and not config.any_extension and is_text_file(entry.path):
        reason = os.path.splitext(entry.name)[1].lower()
    ignored.update([reason] if reason else [])
    return reason is not None


def _entry_recording(entry: os.DirEntry[str]) -> Recording:
    """Return a file of a folder; one that was removed meanwhile, or denies access, gets a row as well."""
    try:
        return _local_recording(entry.path, entry.stat())
    except OSError:
        return Recording(_shown(entry.path), os.path.abspath(entry.path), -1, "")


def named_recording(location: str) -> Recording:
    """Return the recording that a name stands for.

    Parameters
    ----------
    location : str
        Local path or URL.

    Returns
    -------
    Recording
        With size -1 where there is no such file, or access is denied.
    """
    location = local_path(location)
    if is_url(location):
        fs, path = filesystem(location)
        try:
            info = retry(lambda: fs.info(path), f"looking at {redact(location)}")
        except (FileNotFoundError, PermissionError):
            return Recording(shown_location(location), location, -1, "")
        return _object_recording(shown_location(location), location, info)
    try:
        return _local_recording(location, os.stat(location))
    except (OSError, ValueError):
        return Recording(location, os.path.abspath(location), -1, "")


def _local_recording(path: str, status: os.stat_result) -> Recording:
    return Recording(_shown(path), os.path.abspath(path), status.st_size, str(status.st_mtime_ns))


def _shown(path: str) -> str:
    return path[2:] if path.startswith("./") else path


def _object_recording(path: str, location: str, info: dict[str, Any]) -> Recording:
    # A web server need not send the length of its answer.
    size = info.get("size")
    return Recording(path, location, -1 if size is None else int(size), object_version(info))


def _walk_url(root: str, config: ListingConfig, ignored: collections.Counter[str]) -> Iterator[Recording]:
    """Walk a bucket folder by folder; if a page fails its folder is listed again, and a lasting fault stops the run."""
    fs, top = filesystem(root)
    try:
        info = retry(lambda: fs.info(top), f"listing {redact(root)}")
    except FileNotFoundError as err:
        raise UsageError(f"there is nothing at {redact(root)}") from err
    except PermissionError as err:
        raise UsageError(f"access to {redact(root)} is denied: check the credentials") from err
    if info["type"] == "file":
        yield _object_recording(shown_location(root), root, info)
        return
    # Names are appended to the location as it was given: a driver's own names lack host and user.
    prefix = root if root.endswith("://") else root.rstrip("/") + "/"
    shown = shown_location(prefix)
    excluded = {fs._strip_protocol(location) for location in config.excluded if is_url(location)}
    folders = [top]
    while folders:
        folder = folders.pop()
        entries = _entries(fs, folder, root, is_top=folder == top)
        if entries is None:
            # Its row says that it is denied, and the listing continues.
            relative = folder[len(top) :].lstrip("/")
            yield Recording(shown + relative, prefix + relative, -1, "")
        for entry in entries or ():
            name, is_folder = entry["name"].rstrip("/"), entry["type"] == "directory"
            if name in excluded:
                continue
            reason = "link" if entry.get("islink") else None
            if is_folder and not reason and not _is_ignored_folder(name.rsplit("/", 1)[-1]):
                folders.append(name)
                continue
            is_special = not is_folder and entry["type"] != "file"
            reason = reason or ("special" if is_special else None)
            reason = reason or ("hidden" if is_folder else reason_to_ignore(name.rsplit("/", 1)[-1], config))
            if not reason and not config.any_extension and is_text_object(fs, entry):
                reason = os.path.splitext(name)[1].lower()
            if reason:
                ignored[reason] += 1
                continue
            relative = name[len(top) :].lstrip("/")
            yield _object_recording(shown + relative, prefix + relative, entry)


def _entries(fs: Any, folder: str, root: str, *, is_top: bool) -> list[dict[str, Any]] | None:
    """Return all entries of one folder of a bucket, never only the part that could be listed; None if it is denied."""
    try:
        entries = retry(lambda: fs.ls(folder, detail=True), f"listing {redact(root)}")
    except FileNotFoundError as err:
        raise StorageError(f"cannot list all of {redact(root)}: a folder in it was removed") from err
    except PermissionError as err:
        if is_top:
            raise UsageError(f"access to {redact(root)} is denied: check the credentials") from err
        return None
    # An object whose name ends in a slash stands for its folder.
    return [entry for entry in entries if entry["name"].rstrip("/") != folder and not entry["name"].endswith("/")]
