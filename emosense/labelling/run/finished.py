"""Finished work of a run: labelled recordings, and how they are matched with the list of recordings."""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
import os
from collections.abc import Iterable, Iterator
from typing import Final

from emosense.errors import StorageError
from emosense.inputs.recording import Recording
from emosense.labelling.labelled import Labelled
from emosense.storage.locations import redact
from emosense.tables.row import Row

# The packages that decode audio.
_DECODERS: Final = ("soundfile", "av")
# Error rows whose cause is not in the recording.
_PASSING: Final = frozenset({"permission_denied", "io_error", "timeout", "out_of_memory"})
# Error rows that another decoder, or another version of one, may avoid.
_OF_A_DECODER: Final = frozenset({"unsupported_encoding", "corrupt", "no_samples"})


@functools.cache
def decoder_versions() -> str:
    """Return the installed packages that decode audio, with their versions.

    Returns
    -------
    str
    """
    found = {name: [each.version for each in importlib.metadata.distributions(name=name)] for name in _DECODERS}
    return ", ".join(f"{name} {versions[0]}" for name, versions in found.items() if versions)


@dataclasses.dataclass(frozen=True, slots=True)
class Finished:
    """A labelled recording with the identity of the content that was labelled.

    Parameters
    ----------
    path : str
        Path of the recording, as listed.
    size : int
        Its size in bytes, -1 where the listing did not say.
    version : str
        Its modification time or etag.
    labelled : Labelled
        Its row and the rows of its segments.
    decoders : str
        The decoders that were installed (`decoder_versions`).
    """

    path: str
    size: int
    version: str
    labelled: Labelled
    decoders: str = ""

    @property
    def is_tried_again(self) -> bool:
        """Whether another start of the run labels it again, for one of its channels at least."""
        codes = (result.row.error_code for result in self.labelled.by_channel)
        return any(is_tried_again(code, self.size, self.decoders) for code in codes)


def is_tried_again(code: str, size: int, decoders: str) -> bool:
    """Return whether the cause of an error may have passed, so that another start of the run labels it again.

    Parameters
    ----------
    code : str
        Error code of a row; empty for none.
    size : int
        Size of the recording when it was listed; -1 where the listing did not say.
    decoders : str
        The decoders that were installed.

    Returns
    -------
    bool
    """
    if code == "missing":
        # The file was there when it was listed, and is again. A file that was not there is still not.
        return size >= 0
    return code in _PASSING or (code in _OF_A_DECODER and decoders != decoder_versions())


def as_segment(row: Row) -> Row:
    """Return the row of a segment that is the whole recording.

    Parameters
    ----------
    row : Row
        Row of a recording.

    Returns
    -------
    Row
    """
    end_s = row.decoded_s
    return dataclasses.replace(
        row, start_s=0.0, end_s=end_s, duration_s=end_s, status="ok", error_code="", error="", n_segments=None,
        agreement=None,
    )  # fmt: skip


def in_order(recordings: Iterable[Recording], finished: Iterable[Finished], *, complete: bool) -> Iterator[Finished]:
    """Match recordings with finished work, both in order of path.

    Parameters
    ----------
    recordings : iterable of Recording
        The list of recordings.
    finished : iterable of Finished
        Finished work; of several results for one recording the last one counts.
    complete : bool
        Whether every recording must have a result; False if the run was stopped on purpose.

    Yields
    ------
    Finished
        One per recording.

    Raises
    ------
    StorageError
        If a recording has no result: an incomplete table is never written.
    """
    entries = iter(finished)
    entry = next(entries, None)
    for recording in recordings:
        key = os.fsencode(recording.path)
        found = None
        while entry is not None and os.fsencode(entry.path) <= key:
            if (entry.path, entry.size, entry.version) == (recording.path, recording.size, recording.version):
                found = entry
            entry = next(entries, None)
        if found is not None:
            yield found
        elif complete:
            raise StorageError(
                f"no row for {redact(recording.path)}: the run folder was changed while it was read; run the same "
                "command again"
            )
