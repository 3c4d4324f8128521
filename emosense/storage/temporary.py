"""Files in the temporary folder, and the errors where they cannot be made or written."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from typing import BinaryIO

from emosense.errors import StorageError
from emosense.storage.locations import redact


@contextlib.contextmanager
def temporary_file() -> Iterator[BinaryIO]:
    """Open a file in the temporary folder; the system removes it with the process.

    Yields
    ------
    binary file
        Open for reading and writing.

    Raises
    ------
    StorageError
        If there is no such folder, or no room in it for a file.
    """
    with contextlib.ExitStack() as stack:
        with faults_of_temporary():
            file = stack.enter_context(tempfile.TemporaryFile())
        yield file


def temporary_folder() -> str:
    """Name the temporary folder in messages.

    Returns
    -------
    str
        With the variable that chooses another one.
    """
    try:
        return f"the temporary folder {tempfile.gettempdir()} (TMPDIR)"
    except OSError:
        return "the temporary folder (TMPDIR)"


@contextlib.contextmanager
def faults_of_temporary(place: str = "") -> Iterator[None]:
    """Name the temporary folder where a file in it cannot be made or written: it is not the storage that fails.

    Parameters
    ----------
    place : str
        A file elsewhere, to be named instead.

    Yields
    ------
    None

    Raises
    ------
    StorageError
        For every `OSError` of the block.
    """
    try:
        yield
    except OSError as err:
        raise StorageError(f"{redact(place) or temporary_folder()} cannot be written: {err.strerror or err}") from err
