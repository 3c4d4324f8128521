"""What counts as a recording when a folder, a bucket or a store's own list of it is read."""

from __future__ import annotations

import collections
import dataclasses
import os
import re
from typing import Final

from emosense.audio.formats import is_recording_name
from emosense.inputs.archive import is_archive

_PARTIAL_DOWNLOADS: Final = frozenset({".part", ".tmp", ".crdownload", ".partial"})
_SYSTEM_FOLDERS: Final = frozenset({"@eaDir", "System Volume Information", "__MACOSX", "$RECYCLE.BIN", "lost+found"})
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
    inside : str
        ``archives`` to take the recordings in archives; empty to skip archives.
    """

    follow_links: bool = False
    any_extension: bool = False
    excluded: tuple[str, ...] = ()
    root: str = ""
    inside: str = ""


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
    if config.inside and is_archive(name):
        return None
    if not config.any_extension and not is_recording_name(name):
        # Unusual extensions share one counter: numbered files would otherwise fill it, and the terminal shows it.
        return "no extension" if not extension else extension if _EXTENSION.fullmatch(extension) else "other"
    return None


def is_ignored_folder(name: str) -> bool:
    """Return whether a folder is skipped because of its name.

    Parameters
    ----------
    name : str
        Without the folder that it is in.

    Returns
    -------
    bool
        True for hidden folders and those of the system.
    """
    return name.startswith(".") or name in _SYSTEM_FOLDERS


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


def archives_hint(ignored: collections.Counter[str]) -> str:
    """Say how to take the recordings in archives.

    Parameters
    ----------
    ignored : Counter
        Skipped files by reason.

    Returns
    -------
    str
        The end of a sentence; empty if no archive was skipped.
    """
    is_skipped = any(ignored[extension] for extension in (".tar", ".zip"))
    return "; --inside archives takes the recordings in .tar and .zip files" if is_skipped else ""
