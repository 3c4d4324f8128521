"""What asks each kind of object storage for one page of a folder: S3, Google Cloud Storage and Azure Blob Storage.

fsspec's drivers list a folder as a whole, in memory. Beneath it, each has a call that gives a page and the token of the
next one; that of s3fs and gcsfs takes the words of the service, that of adlfs is Azure's own client.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

# Takes the file system, a folder and the token of a page, "" for the first; gives its entries and the next token.
PageRequest = Callable[[Any, str, str], tuple[list[dict[str, Any]], str]]

# What S3 and Google give at most, and a fifth of what Azure gives.
_PAGE: Final = 1000
# What Google says of a version; stores that speak its language may leave out the first.
_TAGS: Final = ("etag", "md5Hash")
# How the names of S3's directory buckets end: the only ones that do not list in order of names.
_DIRECTORY_BUCKET: Final = "--x-s3"
# A folder of a Data Lake is listed as a prefix, and once more as an empty object that says so.
_FOLDER_MARKS: Final = ("hdi_isfolder", "Hdi_isfolder", "is_directory")


def page_request(fs: Any, folder: str) -> PageRequest | None:
    """Return what asks for a page of a folder.

    Parameters
    ----------
    fs : fsspec file system
        As `emosense.storage.objects.filesystem` opens it.
    folder : str
        Path in the file system.

    Returns
    -------
    callable or None
        None where only the folder as a whole can be had.
    """
    if not folder or getattr(fs, "version_aware", False) or folder.partition("/")[0].endswith(_DIRECTORY_BUCKET):
        return None
    protocols = {fs.protocol} if isinstance(fs.protocol, str) else {*fs.protocol}
    return next((request for protocol, request in _REQUESTS.items() if protocol in protocols), None)


def _bucket_and_prefix(fs: Any, folder: str) -> tuple[str, str]:
    bucket, key, _ = fs.split_path(folder)
    return bucket, f"{key}/" if key else ""


def _s3_page(fs: Any, folder: str, token: str) -> tuple[list[dict[str, Any]], str]:
    bucket, prefix = _bucket_and_prefix(fs, folder)
    further = {"ContinuationToken": token} if token else {}
    page = fs.call_s3("list_objects_v2", Bucket=bucket, Prefix=prefix, Delimiter="/", **further)
    entries = _folders(bucket, prefix, (each["Prefix"] for each in page.get("CommonPrefixes", ())))
    for each in page.get("Contents", ()):
        entries += _file(bucket, each["Key"], each["Size"], ETag=each["ETag"])
    return entries, page["NextContinuationToken"] if page.get("IsTruncated") else ""


def _google_page(fs: Any, folder: str, token: str) -> tuple[list[dict[str, Any]], str]:
    bucket, prefix = _bucket_and_prefix(fs, folder)
    further = {"pageToken": token} if token else {}
    page = fs.call("GET", "b/{}/o", bucket, prefix=prefix, delimiter="/", maxResults=_PAGE, json_out=True, **further)
    entries = _folders(bucket, prefix, page.get("prefixes", ()))
    for each in page.get("items", ()):
        entries += _file(bucket, each["name"], each["size"], **{tag: each[tag] for tag in _TAGS if tag in each})
    return entries, page.get("nextPageToken", "")


def _azure_page(fs: Any, folder: str, token: str) -> tuple[list[dict[str, Any]], str]:
    from fsspec.asyn import sync

    bucket, prefix = _bucket_and_prefix(fs, folder)

    async def page() -> tuple[list[Any], str]:
        async with fs.service_client.get_container_client(container=bucket) as container:
            blobs = container.walk_blobs(prefix, include=["metadata"], results_per_page=_PAGE)
            pages = blobs.by_page(token or None)
            return [blob async for blob in await anext(pages)], pages.continuation_token or ""

    found, following = sync(fs.loop, page)
    # A blob has a size; what has none stands for the names that begin with it.
    entries = _folders(bucket, prefix, (each.name for each in found if "size" not in each))
    for each in found:
        if "size" in each and not _is_folder(each):
            entries += _file(bucket, each.name, each.size, etag=each.etag)
    return entries, following


def _is_folder(blob: Any) -> bool:
    return any((blob.metadata or {}).get(mark) == "true" for mark in _FOLDER_MARKS)


def _folders(bucket: str, prefix: str, names: Iterator[str] | tuple[str, ...]) -> list[dict[str, Any]]:
    # A folder whose own name is empty has the path of the one that it is in: it is named, and not listed.
    kinds = ((name, "unnamed" if name == f"{prefix}/" else "directory") for name in names)
    return [{"name": f"{bucket}/{name[:-1]}", "type": kind} for name, kind in kinds]


def _file(bucket: str, key: str, size: int | str, **tags: str) -> list[dict[str, Any]]:
    # An object whose name ends in a slash stands for its folder.
    return [] if key.endswith("/") else [{"name": f"{bucket}/{key}", "type": "file", "size": int(size), **tags}]


_REQUESTS: Final[dict[str, PageRequest]] = {"s3": _s3_page, "gs": _google_page, "abfs": _azure_page}
