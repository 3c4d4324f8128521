"""Errors of tables that cannot be opened or read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from emosense.errors import UsageError
from emosense.storage.locations import redact


@contextlib.contextmanager
def faults_of_table(location: str) -> Iterator[None]:
    """Name a table that the block cannot open or read.

    Parameters
    ----------
    location : str
        Local path or URL.

    Yields
    ------
    None

    Raises
    ------
    UsageError
        For every `OSError` of the block.
    """
    try:
        yield
    except FileNotFoundError as err:
        raise UsageError(f"there is no table at {redact(location)}") from err
    except OSError as err:
        raise UsageError(f"the table {redact(location)} cannot be read: {err.strerror or err}") from err
