"""Lists that are too long for memory -> a SQLite file in the temporary folder, which removes itself."""

from __future__ import annotations

import os
import sqlite3
import tempfile


def unnamed_database(name: str, schema: str, *, across_threads: bool = False) -> sqlite3.Connection:
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
    sqlite3.Connection
        In autocommit mode.
    """
    with tempfile.TemporaryDirectory(prefix=f"emosense-{name}-") as folder:
        file = os.path.join(folder, f"{name}.sqlite")
        database = sqlite3.connect(file, isolation_level=None, check_same_thread=not across_threads)
        database.executescript(f"PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-4000;{schema}")
    return database
