"""The folder beside a feature table with what the workers have written, for one run at a time.

features.parquet.parts/features-.../   the features: a stopped run resumes with them, and they go with the last row
features.parquet.parts/lock            while a run is active; on object storage lock.json, a lease
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterator
from typing import Final

from emosense.errors import OutputError
from emosense.storage.commits import Commit
from emosense.storage.folder_lock import lock_folder
from emosense.storage.folders import list_folder, remove
from emosense.storage.locations import join, local_path, redact
from emosense.storage.schemes import is_url
from emosense.training.features.store import is_store

_PARTS: Final = ".parts"


@dataclasses.dataclass(frozen=True, slots=True)
class PartsFolder:
    """The folder of a feature table, owned by this run.

    Parameters
    ----------
    location : str
        Local path or URL.
    commit : callable
        Puts the table in place, if this run still owns the folder.
    """

    location: str
    commit: Commit

    def remove_stores(self) -> None:
        """Remove the features, also those that stopped runs with other settings have left; other files stay."""
        for name in filter(is_store, list_folder(self.location)):
            remove(join(self.location, name))


@contextlib.contextmanager
def parts_folder(output: str, on_message: Callable[[str], None]) -> Iterator[PartsFolder]:
    """Own the folder of a feature table for the duration of the block.

    Parameters
    ----------
    output : str
        Location of the table, local or URL.
    on_message : callable
        Receives a sentence when there is another run to wait for.

    Yields
    ------
    PartsFolder
        A local one is removed at the end if there is nothing in it.

    Raises
    ------
    UsageError
        If another run owns it.
    OutputError
        If it cannot be written.
    """
    output = local_path(output)
    folder = f"{output}{_PARTS}"
    is_local = not is_url(output)
    if is_local and not os.path.isdir(os.path.dirname(os.path.abspath(output))):
        raise OutputError(f"cannot write {redact(output)}: there is no such folder")
    try:
        with lock_folder(folder, on_message) as lock:
            lock.protect([output])
            try:
                yield PartsFolder(folder, lock.commit)
            finally:
                if is_local:
                    # Before the lock is released: the file that another run locks afterwards is its own.
                    with contextlib.suppress(OSError):
                        os.unlink(join(folder, "lock"))
    finally:
        if is_local:
            # What is left, such as the features of a run that is stopped, keeps the folder.
            with contextlib.suppress(OSError):
                os.rmdir(folder)
