"""Finished work of a run: one line of a part, and finished lines matched with the list of recordings."""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
import json
import os
from collections.abc import Iterable, Iterator
from typing import Final

from emosense.errors import StorageError
from emosense.inputs.recording import Recording
from emosense.labelling.config import Labelled
from emosense.storage.locations import redact
from emosense.tables.row import Row

# The packages that decode audio.
_DECODERS: Final = ("soundfile", "av")
_TEXTS: Final = tuple(field.name for field in dataclasses.fields(Row) if field.type in ("str", "tuple[str, ...]"))
_NUMBERS: Final = tuple(field.name for field in dataclasses.fields(Row) if field.name not in _TEXTS)
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
        """Whether it is an error whose cause may have passed, so that another start of the run labels it again."""
        return any(self._may_pass(result.row.error_code) for result in self.labelled.by_channel)

    def _may_pass(self, code: str) -> bool:
        if code == "missing":
            # The file was there when it was listed, and is again. A file that was not there is still not.
            return self.size >= 0
        return code in _PASSING or (code in _OF_A_DECODER and self.decoders != decoder_versions())

    def check(self) -> None:
        """Refuse what no run has written.

        Raises
        ------
        TypeError
            If a value has the wrong type.
        """
        if not isinstance(self.size, int) or not isinstance(self.version, str):
            raise TypeError("size or version")
        for result in self.labelled.by_channel:
            for row in (result.row, *result.segments):
                _check_types(row)

    def to_json(self) -> str:
        """Return one line of a part.

        Returns
        -------
        str
            The only segment of a recording is left out if it says no more than the row, as for most short recordings.
        """
        results = []
        for result in self.labelled.by_channel:
            is_whole = result.segments == (_as_segment(result.row),)
            results.append([result.row.to_json(), None if is_whole else [row.to_json() for row in result.segments]])
        return json.dumps([self.size, self.version, results], separators=(",", ":"))

    @classmethod
    def from_json(cls, line: str, decoders: str = "") -> Finished:
        """Rebuild from `to_json`.

        Parameters
        ----------
        line : str
            One line of a part.
        decoders : str
            The decoders in the header of the part.

        Returns
        -------
        Finished
        """
        size, version, kept = json.loads(line)
        results = []
        for values, segments in kept:
            row = Row.from_json(values)
            results.append(
                Labelled(row, (_as_segment(row),) if segments is None else tuple(map(Row.from_json, segments)))
            )
        labelled = Labelled.of_channels(results)
        return cls(labelled.row.path, size, version, labelled, decoders)


def _check_types(row: Row) -> None:
    for name in _TEXTS:
        value = getattr(row, name)
        if not all(isinstance(each, str) for each in (value if isinstance(value, tuple) else (value,))):
            raise TypeError(name)
    for name in _NUMBERS:
        value = getattr(row, name)
        for each in value if isinstance(value, tuple) else (value,):
            if each is not None and not isinstance(each, int | float):
                raise TypeError(name)


def _as_segment(row: Row) -> Row:
    """Return the row of a segment that is the whole recording."""
    end_s = row.decoded_s
    whole = dataclasses.replace(row, start_s=0.0, end_s=end_s, duration_s=end_s)
    return dataclasses.replace(whole, status="ok", error_code="", error="", n_segments=None, agreement=None)


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
