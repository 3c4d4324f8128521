"""Folders and names, local or remote: what exists, made, listed and removed.

A location is a local path or an fsspec URL. Local paths go through the operating system's own calls, so that every
name works.
"""

from __future__ import annotations

import contextlib
import os

from emosense.errors import OutputError, UsageError
from emosense.storage.commits import sync_folder
from emosense.storage.locations import local_path, redact
from emosense.storage.objects import filesystem, retry
from emosense.storage.schemes import is_url


def exists(location: str) -> bool:
    """Return whether there is a file or a folder at a location.

    Parameters
    ----------
    location : str
        Local path or URL.

    Returns
    -------
    bool
        True also for a broken link.

    Raises
    ------
    UsageError
        If access is denied.
    """
    location = local_path(location)
    if not is_url(location):
        return os.path.lexists(location)
    fs, path = filesystem(location)
    try:
        # Not fs.exists: fsspec's takes every fault for absence.
        retry(lambda: fs.info(path), f"looking at {redact(location)}")
    except FileNotFoundError:
        return False
    except PermissionError as err:
        raise UsageError(f"access to {redact(location)} is denied: check the credentials") from err
    return True


def make_folder(location: str) -> None:
    """Create a folder and its parents; object storage has no folders to create.

    Parameters
    ----------
    location : str
        Local path or URL.

    Raises
    ------
    OutputError
        If it cannot be created.
    """
    location = local_path(location)
    if is_url(location):
        return
    missing = []
    folder = os.path.abspath(location)
    while not os.path.lexists(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    try:
        os.makedirs(location, exist_ok=True)
        for folder in reversed(missing):
            sync_folder(os.path.dirname(folder))
    except OSError as err:
        raise OutputError(f"cannot create the folder {redact(location)}: {err.strerror}") from err


def make_inner_folder(folder: str, name: str) -> None:
    """Create a folder inside another one, and those between, without following a link that lies there.

    Parameters
    ----------
    folder : str
        Local path or URL; created if it is not there.
    name : str
        Path below it; may be empty.

    Raises
    ------
    OutputError
        If it cannot be created, or one of them is a link.
    """
    place = local_path(folder)
    if is_url(place):
        return
    for step in ["", *filter(None, name.split("/"))]:
        place = os.path.join(place, step).rstrip("/") or "/"
        if os.path.islink(place):
            raise OutputError(f"cannot write {redact(place)}: it is a link; remove it, or choose another output")
    make_folder(place)


def list_folder(location: str) -> list[str]:
    """List the names in a folder.

    Parameters
    ----------
    location : str
        Local path or URL.

    Returns
    -------
    list of str
        Sorted; empty where there is no such folder.
    """
    location = local_path(location)
    if not is_url(location):
        try:
            return sorted(os.listdir(location))
        except FileNotFoundError:
            return []
    fs, path = filesystem(location)
    try:
        entries = retry(lambda: fs.ls(path, detail=False), f"listing {redact(location)}")
    except FileNotFoundError:
        return []
    return sorted(str(entry).rstrip("/").rsplit("/", 1)[-1] for entry in entries)


def remove(location: str) -> None:
    """Remove a file or a whole folder, if it is there.

    Parameters
    ----------
    location : str
        Local path or URL; a link is removed, not followed.
    """
    import shutil

    location = local_path(location)
    if not is_url(location):
        if os.path.isdir(location) and not os.path.islink(location):
            shutil.rmtree(location)
        else:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(location)
        return
    fs, path = filesystem(location)
    with contextlib.suppress(FileNotFoundError):
        retry(lambda: fs.rm(path, recursive=True), f"removing {redact(location)}")
