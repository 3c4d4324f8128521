"""Inputs -> recordings, in the order of their paths, each once.

The list is spooled to a SQLite file in the temporary folder, so that ten million paths cost disk and not memory, and is
read back sorted by the bytes of the path. A listing that fails half-way is a `StorageError`: part of a folder is never
taken for all of it.
"""

from __future__ import annotations

import collections
import dataclasses
import os
import sqlite3
import stat
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any, Final, Self

from emosense.errors import StorageError, UsageError
from emosense.storage import Recording, filesystem, is_url, redact, retry

AUDIO_EXTENSIONS: Final = frozenset(
    {
        ".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf",
        ".w64", ".rf64", ".sph", ".nist", ".m4a", ".mp4", ".m4b", ".aac", ".wma", ".webm", ".mka", ".mkv", ".mov",
        ".3gp", ".amr",
    }
)  # fmt: skip
_PARTIAL_DOWNLOADS: Final = frozenset({".part", ".tmp", ".crdownload", ".partial"})
_SYSTEM_FOLDERS: Final = frozenset({"@eaDir", "System Volume Information", "__MACOSX", "$RECYCLE.BIN", "lost+found"})
_ALL: Final = "SELECT path, location, size, version FROM recording ORDER BY path"
_PENDING: Final = "SELECT path, location, size, version FROM recording WHERE NOT is_done ORDER BY path"


@dataclasses.dataclass(frozen=True, slots=True)
class ListingConfig:
    """What counts as a recording.

    Parameters
    ----------
    follow_links : bool
        Follow symbolic links that lead out of the input folder.
    any_extension : bool
        Take files of every name; the content decides (``--sniff``).
    excluded : tuple of str
        Absolute locations of files and folders that are passed over: the run's own output.
    """

    follow_links: bool = False
    any_extension: bool = False
    excluded: tuple[str, ...] = ()


class Listing:
    """The recordings of a job: add inputs, then iterate in order of path as often as needed.

    Attributes
    ----------
    ignored : Counter
        Number of files passed over, by reason (an extension, ``hidden``, ``link``, ``special``).
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="emosense-listing-")
        # One thread at a time uses it: the engines draw chunks under a lock, while the driver only writes parts.
        self._database = sqlite3.connect(
            os.path.join(self._folder.name, "listing.sqlite"), isolation_level=None, check_same_thread=False
        )
        self._database.executescript(
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-16000;"
            "CREATE TABLE recording (path BLOB PRIMARY KEY, location BLOB, size INTEGER, version TEXT, is_done INTEGER)"
            " WITHOUT ROWID;"
        )
        self.ignored: collections.Counter[str] = collections.Counter()

    def __enter__(self) -> Self:
        """Give the listing itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the spool."""
        self._database.close()
        self._folder.cleanup()

    def add(self, recordings: Iterable[Recording]) -> None:
        """Add recordings; one whose path is there already is not added twice."""
        self._database.execute("BEGIN")
        self._database.executemany(
            "INSERT OR IGNORE INTO recording VALUES (?, ?, ?, ?, 0)",
            ((os.fsencode(r.path), os.fsencode(r.location), r.size, r.version) for r in recordings),
        )
        self._database.execute("COMMIT")

    def add_input(self, location: str, config: ListingConfig) -> None:
        """Add a file, a folder or a URL.

        Raises
        ------
        UsageError
            If there is nothing at the location.
        StorageError
            If it cannot be listed to its end.
        """
        walk = _walk_url if is_url(location) else _walk_local
        self.add(walk(location, config, self.ignored))

    def add_list(self, locations: Iterable[str]) -> None:
        """Add files by name, as a list on standard input gives them; one that is not there gets its row too."""
        self.add(_named(location) for location in locations)

    def __len__(self) -> int:
        """Return the number of recordings."""
        return int(self._database.execute("SELECT count(*) FROM recording").fetchone()[0])

    def __iter__(self) -> Iterator[Recording]:
        """Yield the recordings in order of their paths' bytes."""
        yield from self._select(_ALL)

    def pending(self) -> Iterator[Recording]:
        """Yield the recordings that are not marked as done, in the same order."""
        yield from self._select(_PENDING)

    def n_pending(self) -> int:
        """Return the number of recordings that are not marked as done."""
        return int(self._database.execute("SELECT count(*) FROM recording WHERE NOT is_done").fetchone()[0])

    def mark_done(self, finished: Iterable[tuple[str, int, str]]) -> None:
        """Mark recordings whose path, size and version are those of finished work."""
        self._database.execute("BEGIN")
        self._database.executemany(
            "UPDATE recording SET is_done = 1 WHERE path = ? AND size = ? AND version = ?",
            ((os.fsencode(path), size, version) for path, size, version in finished),
        )
        self._database.execute("COMMIT")

    def _select(self, query: str) -> Iterator[Recording]:
        for path, location, size, version in self._database.execute(query):
            yield Recording(os.fsdecode(path), os.fsdecode(location), size, version)

    def truncate(self, limit: int) -> None:
        """Keep the first `limit` recordings."""
        self._database.execute(
            "DELETE FROM recording WHERE path NOT IN (SELECT path FROM recording ORDER BY path LIMIT ?)", (limit,)
        )


def reason_to_ignore(name: str, config: ListingConfig) -> str | None:
    """Say why a file's name rules it out, None where it does not."""
    extension = os.path.splitext(name)[1].lower()
    if name.startswith("."):
        return "hidden"
    if extension in _PARTIAL_DOWNLOADS:
        return extension
    if extension not in AUDIO_EXTENSIONS and not config.any_extension:
        return extension or "no extension"
    return None


def _is_ignored_folder(name: str) -> bool:
    return name.startswith(".") or name in _SYSTEM_FOLDERS


def _walk_local(root: str, config: ListingConfig, ignored: collections.Counter[str]) -> Iterator[Recording]:
    """Walk a local folder; a folder that may not be read stops the run, since part of a list is never labelled."""
    try:
        status = os.stat(root)
    except OSError as err:
        raise UsageError(f"cannot read {root}: {err.strerror}") from err
    if not stat.S_ISDIR(status.st_mode):
        if not stat.S_ISREG(status.st_mode):
            raise UsageError(f"{root} is neither a file nor a folder")
        yield _local_recording(root, status)
        return
    real_root = os.path.realpath(root)
    folders, seen = [root], {real_root}
    while folders:
        folder = folders.pop()
        try:
            entries = os.scandir(folder)
        except OSError as err:
            raise StorageError(f"cannot list {folder}: {err.strerror}") from err
        with entries:
            for entry in entries:
                if entry.is_symlink():
                    target = os.path.realpath(entry.path)
                    inside = target == real_root or target.startswith(real_root + os.sep)
                    if not (inside or config.follow_links) or not os.path.exists(target):
                        ignored["link"] += 1
                        continue
                if os.path.abspath(entry.path) in config.excluded:
                    continue
                if entry.is_dir():
                    target = os.path.realpath(entry.path) if entry.is_symlink() else ""
                    if _is_ignored_folder(entry.name) or (target and target in seen):
                        continue
                    if target:
                        seen.add(target)
                    folders.append(entry.path)
                    continue
                reason = reason_to_ignore(entry.name, config) or (None if entry.is_file() else "special")
                if reason:
                    ignored[reason] += 1
                    continue
                yield _local_recording(entry.path, entry.stat())


def _named(location: str) -> Recording:
    if is_url(location):
        fs, path = filesystem(location)
        try:
            info = retry(lambda: fs.info(path), f"looking at {redact(location)}")
        except FileNotFoundError:
            return Recording(redact(location), location, -1, "")
        return Recording(redact(location), location, int(info.get("size") or 0), object_version(info))
    try:
        return _local_recording(location, os.stat(location))
    except OSError:
        return Recording(location, os.path.abspath(location), -1, "")


def _local_recording(path: str, status: os.stat_result) -> Recording:
    shown = path[2:] if path.startswith("./") else path
    return Recording(shown, os.path.abspath(path), status.st_size, str(status.st_mtime_ns))


def _walk_url(root: str, config: ListingConfig, ignored: collections.Counter[str]) -> Iterator[Recording]:
    """Walk a bucket; a page that fails stops the run."""
    fs, path = filesystem(root)
    entries = retry(lambda: _find(fs, path, root), f"listing {redact(root)}")
    scheme = root.split("://", 1)[0]
    for name, info in entries:
        if info.get("type") != "file" or name.endswith("/"):
            continue
        relative = name[len(path) :].lstrip("/")
        parts = relative.split("/")
        reason = None if name == path else reason_to_ignore(parts[-1], config)
        if reason is None and any(_is_ignored_folder(part) for part in parts[:-1]):
            reason = "hidden"
        if reason:
            ignored[reason] += 1
            continue
        url = f"{scheme}://{name.lstrip('/') if scheme != 'file' else name}"
        yield Recording(redact(url), url, int(info.get("size") or 0), object_version(info))


def _find(fs: Any, path: str, root: str) -> list[tuple[str, dict[str, Any]]]:
    """All entries under a path of a file system, or an error: never the part that could be listed."""
    try:
        info = fs.info(path)
    except FileNotFoundError as err:
        raise UsageError(f"there is nothing at {redact(root)}") from err
    except PermissionError as err:
        raise UsageError(f"access to {redact(root)} is denied: check the credentials") from err
    if info["type"] == "file":
        return [(info["name"], info)]
    found: list[tuple[str, dict[str, Any]]] = []
    for _, _, files in fs.walk(path, detail=True, on_error="raise"):
        found.extend((entry["name"], entry) for entry in files.values())
    return found


def object_version(info: dict[str, Any]) -> str:
    """Return what tells one content of an object from the next: its etag, else its time of change."""
    for key in ("ETag", "etag", "md5Hash", "content_md5", "mtime", "LastModified", "last_modified", "created"):
        if info.get(key):
            return str(info[key]).strip('"')
    return ""
