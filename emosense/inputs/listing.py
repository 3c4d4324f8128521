"""Inputs -> recordings, in the order of their paths, each once.

The list is kept in a SQLite file in the temporary folder, so that ten million paths take disk space and no memory.
It is read back sorted by the bytes of the path.
"""

from __future__ import annotations

import collections
import hashlib
import os
from collections.abc import Iterable, Iterator
from typing import Final, Self

from emosense.inputs.archive import ARCHIVE_EXTENSIONS
from emosense.inputs.listing_config import ListingConfig, is_ignored_folder, reason_to_ignore
from emosense.inputs.names import Name, named_recordings, shown_path
from emosense.inputs.recording import Listed, Recording
from emosense.inputs.walk import recordings_at
from emosense.storage.locations import HIDDEN, local_path, shown_location
from emosense.storage.schemes import is_url
from emosense.storage.scratch_database import unnamed_database

_ALL: Final = "SELECT path, location, size, version, member FROM recording ORDER BY path"
_BETWEEN: Final = "SELECT path, location, size, version, member FROM recording WHERE path BETWEEN ? AND ? ORDER BY path"
_PENDING: Final = "SELECT path, location, size, version, member FROM recording WHERE NOT is_done ORDER BY path"
_INSERT: Final = "INSERT OR IGNORE INTO recording VALUES (?, ?, ?, ?, 0, ?)"
_IS_ARCHIVE: Final = " OR ".join(f"CAST(path AS TEXT) LIKE '%{extension}'" for extension in ARCHIVE_EXTENSIONS)
_ARCHIVES: Final = f"SELECT * FROM ({_ALL}) WHERE member = '' AND ({_IS_ARCHIVE})"  # noqa: S608 - of constants
_UNKNOWN: Final = (
    "SELECT path, coalesce(location, path) FROM recording WHERE size IS NULL AND path > ? ORDER BY path LIMIT 4096"
)


class Listing:
    """The recordings of a job: add inputs, then iterate in order of path as often as needed.

    Attributes
    ----------
    ignored : Counter
        Number of files skipped, by reason (an extension, ``hidden``, ``link``, ``special``).
    """

    def __init__(self) -> None:
        # One thread at a time uses it: the engines take chunks under a lock, while the driver only writes parts.
        self._database = unnamed_database(
            "listing",
            "CREATE TABLE recording (path BLOB PRIMARY KEY, location BLOB, size INTEGER, version TEXT,"
            " is_done INTEGER, member TEXT) WITHOUT ROWID;",
            across_threads=True,
        )
        self._has_input = False
        self.ignored: collections.Counter[str] = collections.Counter()

    def __enter__(self) -> Self:
        """Return the listing itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the file."""
        self._database.close()

    def add(self, recordings: Iterable[Recording]) -> None:
        """Add recordings, each path once.

        Parameters
        ----------
        recordings : iterable of Recording
            A recording whose path is in the list already is skipped.
        """
        self._database.execute("BEGIN")
        self._database.executemany(_INSERT, (self._fields(recording, recording.size) for recording in recordings))
        self._database.execute("COMMIT")

    def _fields(self, recording: Recording, size: int | None) -> tuple[bytes, bytes | None, int | None, str, str]:
        """Return a row of the list; a size of None is to be looked up."""
        _, location, _, version, member = recording.listed
        return self._name(recording), location, size, version, member

    def _name(self, recording: Recording) -> bytes:
        """Return the bytes of a recording's path, with a digest where it is that of another recording.

        Two URLs may differ only in hidden credentials, and two members of an archive may have the same name.
        """
        path, place = os.fsencode(recording.path), (os.fsencode(recording.location), recording.member)
        if HIDDEN not in recording.path and not recording.member:
            return path
        known = self._database.execute(
            "SELECT coalesce(location, path), member FROM recording WHERE path = ?", (path,)
        ).fetchone()
        if known is None or known == place:
            return path
        return path + b"#" + hashlib.sha256(place[0] + place[1].encode()).hexdigest()[:8].encode()

    def add_input(self, location: str, config: ListingConfig, limit: int | None = None) -> None:
        """Add a file, a folder or a URL.

        Parameters
        ----------
        location : str
            Local path or URL.
        config : ListingConfig
            Which files count as recordings.
        limit : int, optional
            Stop when it is sure that these are the first recordings in order of path.

        Raises
        ------
        UsageError
            If there is nothing at the location.
        StorageError
            If it cannot be listed completely.
        """
        if self._has_input:
            self._tell_apart()
        self._has_input = True
        self.add(recordings_at(location, config, self.ignored, limit))

    def add_names(self, names: Iterable[Name], config: ListingConfig) -> None:
        """Add files by name, as lists and tables give them; call `look_up` when all are in the list.

        Parameters
        ----------
        names : iterable of Name
            One that does not exist gets a row too. Of those that a store has listed, recordings are taken.
        config : ListingConfig
            Which of the objects that a store has listed are recordings.
        """
        self._tell_apart()
        self._database.execute("BEGIN")
        self._database.executemany(
            _INSERT,
            (self._named(name) for name in names if not (name.is_listed and self._is_ignored(name, config))),
        )
        self._database.execute("COMMIT")

    def _named(self, name: Name) -> tuple[bytes, bytes | None, int | None, str, str]:
        """Return the fields of a name; a size of None is to be looked up."""
        location = local_path(name.location)
        if is_url(location):
            recording = Recording(shown_location(location), location, name.size, name.version)
        else:
            recording = Recording(shown_path(location), os.path.abspath(location), name.size, name.version)
        return self._fields(recording, name.size if name.is_known else None)

    def _is_ignored(self, name: Name, config: ListingConfig) -> bool:
        """Judge an object of a store by its key, and count it if it is skipped."""
        *folders, file = name.location.split("/")
        if not file:
            # It stands for a folder.
            return True
        reason = "hidden" if any(map(is_ignored_folder, folders)) else reason_to_ignore(file, config)
        self.ignored.update([reason] if reason else [])
        return reason is not None

    def look_up(self) -> None:
        """Look at the recordings that were added by name alone.

        Raises
        ------
        StorageError
            If storage does not answer.
        """
        last = b""
        while True:
            rows = self._database.execute(_UNKNOWN, (last,)).fetchall()
            if not rows:
                return
            last = rows[-1][0]
            found = named_recordings(os.fsdecode(location) for _, location in rows)
            fields = [(each.size, each.version, path) for each, (path, _) in zip(found, rows, strict=True)]
            self._database.execute("BEGIN")
            self._database.executemany("UPDATE recording SET size = ?, version = ? WHERE path = ?", fields)
            self._database.execute("COMMIT")

    def _tell_apart(self) -> None:
        """List a recording once, under its first name: a list, or a second input, may name it differently.

        A single input names each recording once, so it does without the index, which takes 20 % more time and 50 % more
        space.
        """
        self._database.execute(
            "CREATE UNIQUE INDEX IF NOT EXISTS by_location ON recording (coalesce(location, path), member) "
            # Bad members of one archive share a place, and differ by their paths alone.
            "WHERE member NOT LIKE 'bad:%'"
        )

    def __len__(self) -> int:
        """Return the number of recordings."""
        return int(self._database.execute("SELECT count(*) FROM recording").fetchone()[0])

    def __iter__(self) -> Iterator[Recording]:
        """Iterate over the recordings in order of their paths' bytes."""
        return map(Recording.of_listed, self._database.execute(_ALL))

    def holds(self, path: str) -> bool:
        """Return whether the list has a path.

        Parameters
        ----------
        path : str
            As a `Recording` has it.

        Returns
        -------
        bool
            True for recordings that are done, too.
        """
        known = self._database.execute("SELECT 1 FROM recording WHERE path = ?", (os.fsencode(path),))
        return known.fetchone() is not None

    def pending(self) -> Iterator[Listed]:
        """Iterate over the recordings that are not marked as done, as the list holds them.

        Returns
        -------
        iterator of (bytes, bytes or None, int, str, str)
            In order of their paths' bytes: arguments for `Recording.of_listed`.
        """
        return self._database.execute(_PENDING)

    def between(self, first: str, last: str) -> Iterator[Listed]:
        """Iterate over a stretch of the list.

        Parameters
        ----------
        first, last : str
            Paths of its first and last recording.

        Returns
        -------
        iterator of (bytes, bytes or None, int, str, str)
            In order of their paths' bytes.
        """
        return self._database.execute(_BETWEEN, (os.fsencode(first), os.fsencode(last)))

    def n_pending(self) -> int:
        """Count the recordings that are not marked as done.

        Returns
        -------
        int
            Their number.
        """
        return int(self._database.execute("SELECT count(*) FROM recording WHERE NOT is_done").fetchone()[0])

    def mark_done(self, finished: Iterable[tuple[str, int, str, bool]]) -> None:
        """Mark recordings as done.

        Parameters
        ----------
        finished : iterable of (str, int, str, bool)
            Path, size and version of finished work, and whether it is to be done again: a recording is done only if the
            first three agree, and by the last that is said of it.
        """
        self._database.execute("BEGIN")
        self._database.executemany(
            "UPDATE recording SET is_done = ? WHERE path = ? AND size = ? AND version = ?",
            ((not is_again, os.fsencode(path), size, version) for path, size, version, is_again in finished),
        )
        self._database.execute("COMMIT")

    def archives(self) -> list[Recording]:
        """Return the archives in the list, by their names.

        Returns
        -------
        list of Recording
            In order of their paths.
        """
        return list(map(Recording.of_listed, self._database.execute(_ARCHIVES)))

    def replace_archive(self, archive: Recording, members: Iterable[Recording]) -> None:
        """Put recordings in the place of an archive; more of them when called again.

        Parameters
        ----------
        archive : Recording
            In the list, or replaced before.
        members : iterable of Recording
            Those in it.
        """
        self._database.execute("DELETE FROM recording WHERE path = ? AND member = ''", (os.fsencode(archive.path),))
        self.add(members)

    def truncate(self, limit: int) -> None:
        """Keep only the first recordings.

        Parameters
        ----------
        limit : int
            How many.
        """
        # The database has no larger numbers.
        limit = min(limit, (1 << 63) - 1)
        self._database.execute(
            "DELETE FROM recording WHERE path NOT IN (SELECT path FROM recording ORDER BY path LIMIT ?)", (limit,)
        )
