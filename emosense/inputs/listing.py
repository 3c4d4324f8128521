"""Inputs -> recordings, in the order of their paths, each once.

The list is spooled to a SQLite file in the temporary folder, so that ten million paths cost disk and not memory, and is
read back sorted by the bytes of the path.
"""

from __future__ import annotations

import collections
import hashlib
import os
from collections.abc import Iterable, Iterator
from typing import Final, Self

from emosense.inputs.recording import Recording
from emosense.inputs.walk import ListingConfig, named_recording, recordings_at
from emosense.storage.locations import HIDDEN
from emosense.storage.scratch_database import unnamed_database

_ALL: Final = "SELECT path, location, size, version FROM recording ORDER BY path"
_PENDING: Final = "SELECT path, location, size, version FROM recording WHERE NOT is_done ORDER BY path"


class Listing:
    """The recordings of a job: add inputs, then iterate in order of path as often as needed.

    Attributes
    ----------
    ignored : Counter
        Number of files passed over, by reason (an extension, ``hidden``, ``link``, ``special``).
    """

    def __init__(self) -> None:
        # One thread at a time uses it: the engines draw chunks under a lock, while the driver only writes parts.
        self._database = unnamed_database(
            "listing",
            "CREATE TABLE recording (path BLOB PRIMARY KEY, location BLOB, size INTEGER, version TEXT,"
            " is_done INTEGER) WITHOUT ROWID;",
            across_threads=True,
        )
        self._has_input = False
        self.ignored: collections.Counter[str] = collections.Counter()

    def __enter__(self) -> Self:
        """Give the listing itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the spool."""
        self._database.close()

    def add(self, recordings: Iterable[Recording]) -> None:
        """Add recordings; one whose path is there already is not added twice."""
        self._database.execute("BEGIN")
        self._database.executemany(
            "INSERT OR IGNORE INTO recording VALUES (?, ?, ?, ?, 0)",
            ((self._name(r), os.fsencode(r.location), r.size, r.version) for r in recordings),
        )
        self._database.execute("COMMIT")

    def _name(self, recording: Recording) -> bytes:
        """Return the bytes of a recording's path, with a digest where two URLs differ in what is not shown alone."""
        path, location = os.fsencode(recording.path), os.fsencode(recording.location)
        if HIDDEN not in recording.path:
            return path
        known = self._database.execute("SELECT location FROM recording WHERE path = ?", (path,)).fetchone()
        if known is None or known[0] == location:
            return path
        return path + b"#" + hashlib.sha256(location).hexdigest()[:8].encode()

    def add_input(self, location: str, config: ListingConfig) -> None:
        """Add a file, a folder or a URL.

        Raises
        ------
        UsageError
            If there is nothing at the location.
        StorageError
            If it cannot be listed to its end.
        """
        if self._has_input:
            self._tell_apart()
        self._has_input = True
        self.add(recordings_at(location, config, self.ignored))

    def add_list(self, locations: Iterable[str]) -> None:
        """Add files by name, as a list on standard input gives them; one that is not there gets its row too."""
        self._tell_apart()
        self.add(map(named_recording, locations))

    def _tell_apart(self) -> None:
        """Take a recording once, under its first name: in a list, and in a second input, it may come under another.

        One input names each once, and is spared the index: a fifth more time, and half as much space again.
        """
        self._database.execute("CREATE UNIQUE INDEX IF NOT EXISTS by_location ON recording (location)")

    def __len__(self) -> int:
        """Return the number of recordings."""
        return int(self._database.execute("SELECT count(*) FROM recording").fetchone()[0])

    def __iter__(self) -> Iterator[Recording]:
        """Yield the recordings in order of their paths' bytes."""
        yield from self._select(_ALL)

    def holds(self, path: str) -> bool:
        """Whether there is a recording of this path."""
        known = self._database.execute("SELECT 1 FROM recording WHERE path = ?", (os.fsencode(path),))
        return known.fetchone() is not None

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
