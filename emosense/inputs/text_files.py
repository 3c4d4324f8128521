"""Text files whose names end like those of recordings: a program in TypeScript, an alignment of genomes, a device tree.

A folder with such files gets no rows for them. Only files with an extension that text files have too are opened.
"""

from __future__ import annotations

import os
from typing import Any, Final

from emosense.audio.file_type import is_only_text
from emosense.audio.formats import may_be_text
from emosense.storage.locations import redact
from emosense.storage.objects import retry
from emosense.storage.reading import open_regular

_HEAD_BYTES: Final = 4096
# The pieces of a broadcast consist of packets of so many bytes. A text that is a multiple of them is seldom this long.
_PACKET_BYTES, _LONGEST_TEXT_BYTES = 188, 1 << 16


def is_text_file(path: str) -> bool:
    """Return whether a local file is text that is called like a recording.

    Parameters
    ----------
    path : str
        Local path of a regular file.

    Returns
    -------
    bool
        False if it cannot be read: its row will say so.
    """
    if not may_be_text(path):
        return False
    try:
        with open_regular(path) as file:
            return is_only_text(os.pread(file.fileno(), _HEAD_BYTES, 0))
    except OSError:
        return False


def is_text_object(fs: Any, entry: dict[str, Any]) -> bool:
    """Return whether an object is text that is called like a recording.

    Parameters
    ----------
    fs : fsspec.AbstractFileSystem
        Its file system.
    entry : dict
        What a listing says about it.

    Returns
    -------
    bool
        False if it cannot be read: its row will say so. The long pieces of a broadcast are not asked for.
    """
    name, size = str(entry["name"]), entry.get("size") or 0
    is_broadcast = size > _LONGEST_TEXT_BYTES and size % _PACKET_BYTES == 0
    if not may_be_text(name) or size == 0 or is_broadcast:
        return False
    try:
        return is_only_text(
            bytes(retry(lambda: fs.cat_file(name, start=0, end=_HEAD_BYTES), f"reading {redact(name)}"))
        )
    except (FileNotFoundError, PermissionError):
        return False
