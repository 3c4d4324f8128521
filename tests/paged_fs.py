"""A bucket that answers as S3 does, in pages, from a list of keys; ``paged://bucket/key``.

It counts what it is asked. `NO_ORDER` stands for stores whose pages are not in order of names.
"""

from __future__ import annotations

import errno
import os
import threading
from collections import Counter
from typing import Any, ClassVar

import fsspec
from fsspec.spec import AbstractFileSystem

PAGE = 4


class PagedFileSystem(AbstractFileSystem):  # type: ignore[misc]
    """The keys of all tests, and what was asked for."""

    protocol = ("paged", "s3")
    async_impl = True
    version_aware = False
    keys: tuple[str, ...] = ()
    is_ordered = True
    broken_pages: frozenset[int] = frozenset()
    asked: ClassVar[Counter[str]] = Counter()
    lock = threading.Lock()
    at_once: threading.Barrier | None = None  # for HEADs
    below_at_once: threading.Barrier | None = None  # for pages of folders in folders

    def split_path(self, path: str) -> tuple[str, str, None]:
        bucket, _, key = path.partition("/")
        return bucket, key, None

    def call_s3(self, method: str, **request: str) -> dict[str, Any]:
        assert (method, request["Delimiter"]) == ("list_objects_v2", "/")
        prefix = request["Prefix"]
        with self.lock:
            self.asked["pages"] += 1
            if self.asked["pages"] in self.broken_pages:
                raise OSError(errno.EBUSY, "503 SlowDown")
        if self.below_at_once is not None and "/" in prefix[:-1]:
            self.below_at_once.wait(timeout=20)
        below = [key[len(prefix) :] for key in self.keys if key.startswith(prefix) and key != prefix]
        names = sorted({name[: name.find("/") + 1] or name for name in below}, key=os.fsencode)
        names = names if self.is_ordered else names[::-1]
        start = int(request.get("ContinuationToken", 0))
        page = [prefix + name for name in names[start : start + PAGE]]
        return {
            "CommonPrefixes": [{"Prefix": name} for name in page if name.endswith("/")],
            "Contents": [
                {"Key": name, "Size": len(name), "ETag": f'"{name}"'} for name in page if not name.endswith("/")
            ],
            "IsTruncated": start + PAGE < len(names),
            "NextContinuationToken": str(start + PAGE),
        }

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        with self.lock:
            self.asked["heads"] += 1
        _, key, _ = self.split_path(self._strip_protocol(path))
        if self.at_once is not None:
            self.at_once.wait(timeout=20)
        if key in self.keys:
            return {"name": path, "type": "file", "size": len(key), "ETag": f'"{key}"'}
        if not key or any(other.startswith(f"{key}/") for other in self.keys):
            return {"name": path, "type": "directory", "size": 0}
        raise FileNotFoundError(errno.ENOENT, "404 Not Found", path)


def fill(*keys: str, is_ordered: bool = True) -> type[PagedFileSystem]:
    """Put objects into the bucket, and forget what was asked."""
    fsspec.register_implementation("paged", PagedFileSystem, clobber=True)
    PagedFileSystem.keys, PagedFileSystem.is_ordered, PagedFileSystem.broken_pages = keys, is_ordered, frozenset()
    PagedFileSystem.at_once = PagedFileSystem.below_at_once = None
    PagedFileSystem.asked.clear()
    return PagedFileSystem
