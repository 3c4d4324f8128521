"""A URL -> the recordings below it, page by page; folders are listed side by side where the driver can do so.

A fault that lasts stops the walk: a partial listing is never labelled.
"""

from __future__ import annotations

import collections
import dataclasses
import os
from collections.abc import Iterator
from typing import Any, Final

from emosense.errors import StorageError, UsageError
from emosense.inputs.listing_config import ListingConfig, is_ignored_folder, reason_to_ignore
from emosense.inputs.names import object_recording
from emosense.inputs.recording import Recording
from emosense.inputs.text_files import is_text_object
from emosense.storage.folder_pages import folder_pages
from emosense.storage.locations import redact, shown_location
from emosense.storage.objects import filesystem, retry
from emosense.storage.schemes import driver_url, is_url
from emosense.storage.side_by_side import SideBySide

_FOLDERS_AT_ONCE: Final = 16

_Page = list[dict[str, Any]]


def walk_bucket(
    root: str, config: ListingConfig, ignored: collections.Counter[str], *, in_order: bool
) -> Iterator[Recording]:
    """Yield the recordings of an object or of a folder of a bucket.

    Parameters
    ----------
    root : str
        URL.
    config : ListingConfig
        Which files count as recordings.
    ignored : Counter
        Counts skipped files by reason.
    in_order : bool
        List one folder after the other, in order of the paths' bytes, rather than side by side.

    Yields
    ------
    Recording

    Raises
    ------
    UsageError
        If there is nothing at the URL.
    StorageError
        If it cannot be listed completely.
    """
    fs, top = filesystem(root)
    try:
        info = retry(lambda: fs.info(top), f"listing {redact(root)}")
    except FileNotFoundError as err:
        raise UsageError(f"there is nothing at {redact(root)}") from err
    except PermissionError as err:
        raise UsageError(f"access to {redact(root)} is denied: check the credentials") from err
    if info["type"] == "file":
        yield object_recording(shown_location(root), root, info)
        return
    excluded = frozenset(fs._strip_protocol(driver_url(location)) for location in config.excluded if is_url(location))
    walk = _Walk(fs, top, root, config, excluded, ignored)
    yield from walk.in_order() if in_order else walk.side_by_side()


@dataclasses.dataclass(frozen=True, slots=True)
class _Walk:
    """A walk through a bucket: its driver, its first folder, and what is skipped there."""

    fs: Any
    top: str
    root: str
    config: ListingConfig
    excluded: frozenset[str]
    ignored: collections.Counter[str]

    def in_order(self) -> Iterator[Recording]:
        open_folders = [self._entries(self.top)]
        while open_folders:
            found = next(open_folders[-1], None)
            if found is None:
                open_folders.pop()
            elif isinstance(found, str):
                open_folders.append(self._entries(found))
            else:
                yield found

    def side_by_side(self) -> Iterator[Recording]:
        """List folders in threads; this thread judges the entries."""
        # A driver without a loop of its own may have a single connection.
        work = SideBySide(self._pages, _FOLDERS_AT_ONCE if self.fs.async_impl else 1)
        work.put(self.top)
        for folder, page in work:
            for found in self._judged(folder, page):
                if isinstance(found, str):
                    work.put(found)
                else:
                    yield found

    def _entries(self, folder: str) -> Iterator[Recording | str]:
        for page in self._pages(folder):
            yield from self._judged(folder, page)

    def _pages(self, folder: str) -> Iterator[_Page]:
        """Yield the pages of a folder; of one that may not be listed, a page with the folder itself."""
        try:
            for page in folder_pages(self.fs, folder, f"listing {redact(self.root)}"):
                yield [entry | {"is_text": self._is_text(entry)} for entry in page]
        except FileNotFoundError as err:
            raise StorageError(f"cannot list all of {redact(self.root)}: a folder in it was removed") from err
        except PermissionError as err:
            if folder == self.top:
                raise UsageError(f"access to {redact(self.root)} is denied: check the credentials") from err
            # Its row says that it is denied, and the listing continues.
            yield [{"name": folder, "type": "denied"}]

    def _is_text(self, entry: dict[str, Any]) -> bool:
        """Whether an object is text that is called like a recording; some are looked into for that."""
        return entry["type"] == "file" and not self.config.any_extension and is_text_object(self.fs, entry)

    def _judged(self, folder: str, page: _Page) -> Iterator[Recording | str]:
        """Yield the recordings of a page, and the folders that are to be listed, by their paths."""
        for entry in page:
            name = entry["name"].rstrip("/")
            if name in self.excluded:
                continue
            if entry["type"] == "denied":
                yield self._recording(folder, {})
            elif reason := self._reason(entry, name.rsplit("/", 1)[-1]):
                self.ignored[reason] += 1
            else:
                yield name if entry["type"] == "directory" else self._recording(name, entry)

    def _reason(self, entry: dict[str, Any], name: str) -> str | None:
        """Return why an entry is skipped."""
        if entry.get("islink"):
            return "link"
        if entry["type"] == "directory":
            return "hidden" if is_ignored_folder(name) else None
        if entry["type"] != "file":
            return "special"
        is_text = entry["is_text"]
        return reason_to_ignore(name, self.config) or (os.path.splitext(name)[1].lower() if is_text else None)

    def _recording(self, name: str, info: dict[str, Any]) -> Recording:
        # Names are appended to the location as it was given: a driver's own names lack host and user.
        prefix = self.root if self.root.endswith("://") else self.root.rstrip("/") + "/"
        relative = name[len(self.top) :].lstrip("/")
        return object_recording(shown_location(prefix) + relative, prefix + relative, info)
