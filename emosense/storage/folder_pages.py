"""A folder of a bucket -> what is in it, a page at a time: ten million objects under one prefix take no memory.

An entry is a dict as fsspec's drivers give it: ``name`` (without a slash at its end), ``type`` (``file``, ``directory``
or another), and for a file ``size``, ``ETag`` and the like.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from emosense.storage.objects import retry

# How the names of S3's directory buckets end: the only ones that do not list in order of names.
_DIRECTORY_BUCKET = "--x-s3"


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
        The entries of one page, in order of `entry_order`; one page follows the other in this order. S3 lists a
        thousand entries a page; any other driver gives the folder as a whole.

    Raises
    ------
    StorageError
        If storage does not answer: a page that fails is asked for again. Not found and permission denied pass through.
    """
    is_s3 = "s3" in fs.protocol and folder and not fs.version_aware
    if not is_s3 or folder.partition("/")[0].endswith(_DIRECTORY_BUCKET):
        entries = retry(lambda: fs.ls(folder, detail=True), what)
        # An object whose name ends in a slash stands for its folder.
        found = [entry for entry in entries if entry["name"].rstrip("/") != folder and not entry["name"].endswith("/")]
        yield sorted(found, key=entry_order)
        return
    bucket, key, _ = fs.split_path(folder)
    request = {"Bucket": bucket, "Prefix": f"{key}/" if key else "", "Delimiter": "/"}
    while True:
        page = retry(lambda: fs.call_s3("list_objects_v2", **request), what)
        yield sorted(_s3_entries(bucket, request["Prefix"], page), key=entry_order)
        if not page.get("IsTruncated"):
            return
        request["ContinuationToken"] = page["NextContinuationToken"]


def _s3_entries(bucket: str, prefix: str, page: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for folder in page.get("CommonPrefixes", ()):
        # A folder whose own name is empty cannot be told from the one that it is in: it is named, and not listed.
        kind = "unnamed" if folder["Prefix"] == f"{prefix}/" else "directory"
        yield {"name": f"{bucket}/{folder['Prefix'][:-1]}", "type": kind}
    for found in page.get("Contents", ()):
        if not found["Key"].endswith("/"):
            yield {"name": f"{bucket}/{found['Key']}", "type": "file", "size": found["Size"], "ETag": found["ETag"]}


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
