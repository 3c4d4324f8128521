"""Lists that are too long for memory -> a SQLite file in the temporary folder, which nobody has to remove."""

from __future__ import annotations

import os
import sqlite3
import tempfile


def unnamed_database(name: str, schema: str, *, across_threads: bool = False) -> sqlite3.Connection:
    """Open an empty database whose file has no name: the system frees it with the process, even one that is killed.

    Parameters
    ----------
    name : str
        What it holds, for the file's short time with a name.
    schema : str
        Its ``CREATE TABLE`` statements.
    across_threads : bool
        Whether several threads use it, one at a time.
    """
    with tempfile.TemporaryDirectory(prefix=f"emosense-{name}-") as folder:
        file = os.path.join(folder, f"{name}.sqlite")
        database = sqlite3.connect(file, isolation_level=None, check_same_thread=not across_threads)
        database.executescript(f"PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-4000;{schema}")
    return database
