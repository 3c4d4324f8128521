"""The folder beside a feature table with what the workers have written, for one run at a time.

features.parquet.parts/features-.../   the features: a stopped run resumes with them, and they go with the last row
features.parquet.parts/emosense.lock   while a run is active
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from emosense.errors import OutputError, UsageError
from emosense.storage.file_lock import lock_file
from emosense.storage.locations import join, local_path, redact
from emosense.storage.schemes import is_url

if TYPE_CHECKING:
    from filelock import FileLock

_PARTS: Final = ".parts"
_LOCK: Final = "emosense.lock"


@contextlib.contextmanager
def parts_folder(output: str) -> Iterator[str]:
    """Own the folder of a feature table for the duration of the block; object storage has no locks.

    Parameters
    ----------
    output : str
        Location of the table, local or URL.

    Yields
    ------
    str
        Location of the folder. It is removed at the end if there is nothing in it.

    Raises
    ------
    UsageError
        If another run owns it.
    OutputError
        If it cannot be written.
    """
    output = local_path(output)
    folder = f"{output}{_PARTS}"
    if is_url(output):
        yield folder
        return
    lock = _lock(output, folder)
    try:
        yield folder
    finally:
        # What is left, such as the features of a run that is stopped, keeps the folder.
        with contextlib.suppress(OSError):
            os.unlink(join(folder, _LOCK))
            os.rmdir(folder)
        if lock:
            lock.release()


def _lock(output: str, folder: str) -> FileLock | None:
    try:
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder)
    except OSError as err:
        raise OutputError(f"cannot write {redact(output)}: {err.strerror}") from err
    try:
        return lock_file(join(folder, _LOCK))
    except (TimeoutError, FileNotFoundError) as err:
        # Where the folder is gone again, the other run has just ended.
        raise UsageError(f"another run is writing {redact(output)}: wait for it, or choose another output") from err
    except OSError as err:
        raise OutputError(f"cannot write {redact(folder)}: {err.strerror}") from err
