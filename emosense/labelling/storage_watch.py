"""Results of recordings that cannot be read -> rows, or the end of the run because the storage fails.

Some files are always missing, or may not be read: they are error rows. A disk that is unmounted, credentials that have
expired, or a file server that is down make such a row of every recording that is left, and the table would look
finished. What decides is not how many there are but whether the storage still is what was listed:

- the input itself is gone or denied: the first row that cannot be read ends the run;
- many in a row cannot be read, and neither can one that could be read before, or their folder is gone or empty, or they
  can be read from here but not by the workers: the run ends.

In every other case the rows count, so a folder of files that can never be read is labelled to its end. A run that ends
here writes no table, and the next start labels these recordings again (`Finished.is_tried_again`).

Workers see the rows, the driver judges: of each chunk it gets `readings`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from emosense.errors import StorageError
from emosense.inputs.recording import Recording
from emosense.inputs.still_there import InputRoots, folder_is_gone, is_readable
from emosense.labelling.labelled import Labelled
from emosense.storage.locations import redact

_UNREADABLE: Final = frozenset({"missing", "permission_denied", "io_error"})
# Fewer in a row are written without further checks, if the input itself is unchanged.
_MANY: Final = 10


# A recording, and why it could not be read; empty if it could.
Reading = tuple[Recording, str]


def was_read(labelled: Labelled) -> bool:
    """Return whether a recording could be read, whatever is in it.

    Parameters
    ----------
    labelled : Labelled
        Its result.

    Returns
    -------
    bool
    """
    return labelled.row.error_code not in _UNREADABLE


def readings(done: Iterable[tuple[Recording, Labelled]]) -> Iterator[Reading]:
    """Say which recordings could be read: each that could not, and the last one of those that could between them.

    Parameters
    ----------
    done : iterable of (Recording, Labelled)
        What was labelled, in order. Recordings that were not there when they were listed say nothing.

    Yields
    ------
    (Recording, str)
        A recording, and the error code of one that could not be read.
    """
    read: Recording | None = None
    for recording, labelled in done:
        if recording.size < 0:
            continue
        if was_read(labelled):
            read = recording
            continue
        if read is not None:
            yield read, ""
            read = None
        yield recording, labelled.row.error_code
    if read is not None:
        yield read, ""


class StorageWatch:
    """Tells recordings that cannot be read from storage that fails.

    Parameters
    ----------
    roots : InputRoots
        The inputs, as they were listed.
    """

    def __init__(self, roots: InputRoots | None = None) -> None:
        self._roots = roots or InputRoots()
        self._n_in_a_row = 0
        self._read_before: Recording | None = None

    def check(self, chunk: Iterable[Reading]) -> StorageError | None:
        """Judge what could be read of a chunk.

        Parameters
        ----------
        chunk : iterable of (Recording, str)
            Its `readings`.

        Returns
        -------
        StorageError or None
            Why the run must end; None if it may continue.
        """
        try:
            is_checked = False
            for recording, code in chunk:
                if not code:
                    self._n_in_a_row, self._read_before = 0, recording
                    continue
                self._n_in_a_row += 1
                if not is_checked:
                    self._roots.check(recording)
                    is_checked = True
                if self._n_in_a_row == _MANY:
                    self._judge(recording, code)
                    self._n_in_a_row = 0
        except StorageError as err:
            return StorageError(f"{err}; finished work is kept, and the same command resumes")
        return None

    def _judge(self, recording: Recording, code: str) -> None:
        """Raise if not the recordings but the storage is at fault: many in a row could not be read."""
        many = f"{_MANY} recordings in a row cannot be read, such as {redact(recording.path)} ({code})"
        if self._read_before is not None and not is_readable(self._read_before, whole=False):
            raise StorageError(f"{many}, and {redact(self._read_before.path)}, which was read before, cannot either")
        if self._read_before is None and code == "io_error":
            raise StorageError(f"{many}, and none could be read before")
        if code == "missing" and folder_is_gone(recording):
            raise StorageError(f"{many}: their folder is gone, or empty")
        if is_readable(recording, whole=code == "io_error"):
            raise StorageError(f"{many}, but this process can read it")
