"""A folder of a bucket -> what is in it, a page at a time: ten million objects under one prefix take no memory.

An entry is a dict as fsspec's drivers give it: ``name`` (without a slash at its end), ``type`` (``file``, ``directory``
or another), and for a file ``size``, the etag and the like.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from typing import Any

from emosense.storage.objects import retry
from emosense.storage.page_requests import page_request


def folder_pages(fs: Any, folder: str, what: str) -> Iterator[list[dict[str, Any]]]:
    """List a folder.

    Parameters
    ----------
    fs : fsspec file system
        As `emosense.storage.objects.filesystem` opens it.
    folder : str
        Path in the file system, without a slash at its end.
    what : str
        What is done, for messages: ``listing s3://bucket/calls``.

    Yields
    ------
    list of dict
        The entries of one page, in order of `entry_order`; one page follows the other in this order. S3, Google Cloud
        Storage and Azure list a thousand entries a page; any other driver gives the folder as a whole.

    Raises
    ------
    StorageError
        If storage does not answer: a page that fails is asked for again. Not found and permission denied pass through.
    """
    request = page_request(fs, folder)
    if request is None:
        entries = retry(lambda: fs.ls(folder, detail=True), what)
        # An object whose name ends in a slash stands for its folder.
        found = [entry for entry in entries if entry["name"].rstrip("/") != folder and not entry["name"].endswith("/")]
        yield sorted(found, key=entry_order)
        return
    token = ""
    while True:
        entries, token = retry(functools.partial(request, fs, folder, token), what)
        yield sorted(entries, key=entry_order)
        if not token:
            return


def entry_order(entry: dict[str, Any]) -> bytes:
    """Return what sorts entries so that the paths below them are sorted by their bytes.

    Parameters
    ----------
    entry : dict
        An entry of a page.

    Returns
    -------
    bytes
        Its name, that of a folder with a slash: ``a-b.wav``, ``a.wav``, ``a/z.wav``.
    """
    return os.fsencode(entry["name"]) + (b"/" if entry["type"] == "directory" else b"")
