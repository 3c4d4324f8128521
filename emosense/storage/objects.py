"""An object in storage -> a local file, whole: a stream that breaks off cannot be taken up where it was."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Final

from emosense.storage.files import filesystem, is_url, redact, retry

_BLOCK_BYTES: Final = 1 << 22


def fetch_object(url: str, file: BinaryIO, on_block: Callable[[], None] = lambda: None) -> dict[str, Any]:
    """Copy an object to an open local file, from its start again after a passing fault.

    Parameters
    ----------
    on_block : callable
        Called after every block that has arrived.

    Returns
    -------
    dict
        What storage says of the object: its size, its etag and the like, in the words of the driver.

    Raises
    ------
    StorageError
        If storage does not answer. Not found and denied are passed through.
    """
    fs, path = filesystem(url)

    def copy() -> dict[str, Any]:
        file.seek(0)
        file.truncate()
        with fs.open(path, "rb", cache_type="none", block_size=_BLOCK_BYTES) as source:
            details: dict[str, Any] = getattr(source, "details", None) or {}
            while block := source.read(_BLOCK_BYTES):
                file.write(block)
                on_block()
        if file.tell() < (expected := int(details.get("size") or 0)):
            raise TimeoutError(f"{file.tell()} of {expected} bytes arrived")
        return details

    return retry(copy, f"reading {redact(url)}")


@contextlib.contextmanager
def open_stream(location: str) -> Iterator[BinaryIO]:
    """Open a local file, or an object as the temporary file that it is fetched to, to be read a little at a time.

    Raises
    ------
    StorageError
        If storage does not answer. Not found and denied are passed through.
    """
    if not is_url(location):
        with open(location, "rb") as file:
            yield file
        return
    with tempfile.TemporaryFile() as fetched:
        fetch_object(location, fetched)
        fetched.seek(0)
        yield fetched
