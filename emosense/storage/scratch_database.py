"""Lists that are too long for memory -> a SQLite file in the temporary folder, which removes itself."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from typing import Any

from emosense.errors import StorageError
from emosense.storage.temporary import temporary_folder


class ScratchDatabase(sqlite3.Connection):
    """A database whose faults name the temporary folder."""

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        """Run a statement.

        Parameters
        ----------
        *arguments : object
            As `sqlite3.Connection.execute` takes them.

        Returns
        -------
        sqlite3.Cursor
        """
        with _faults():
            return super().execute(*arguments)

    def executemany(self, *arguments: Any) -> sqlite3.Cursor:
        """Run a statement for each of many rows.

        Parameters
        ----------
        *arguments : object
            As `sqlite3.Connection.executemany` takes them.

        Returns
        -------
        sqlite3.Cursor
        """
        with _faults():
            return super().executemany(*arguments)


@contextlib.contextmanager
def _faults() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as err:
        raise StorageError(f"{temporary_folder()} cannot hold a list: {err}") from err


def unnamed_database(name: str, schema: str, *, across_threads: bool = False) -> ScratchDatabase:
    """Open an empty database whose file has no name: the system removes it with the process, even if that is killed.

    Parameters
    ----------
    name : str
        What it contains, for the short time that the file has a name.
    schema : str
        Its ``CREATE TABLE`` statements.
    across_threads : bool
        Whether several threads use it, one at a time.

    Returns
    -------
    ScratchDatabase
        In autocommit mode.

    Raises
    ------
    StorageError
        If the temporary folder has no room. Every statement raises it as well.
    """
    try:
        with _faults(), tempfile.TemporaryDirectory(prefix=f"emosense-{name}-") as folder:
            database = sqlite3.connect(
                os.path.join(folder, f"{name}.sqlite"),
                isolation_level=None,
                check_same_thread=not across_threads,
                factory=ScratchDatabase,
            )
            database.executescript(f"PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-4000;{schema}")
    except OSError as err:
        raise StorageError(f"{temporary_folder()} cannot hold a list: {err.strerror or err}") from err
    return database
