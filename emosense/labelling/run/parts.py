"""A labelling run on disk: parts beside the output, a journal, and the table that is assembled from them.

    <output>.run/lock, lock.json     held while a run is at work (see pipelines.locks)
    <output>.run/journal.json        what the run computes: model, parameters, schema
    <output>.run/G-NNNNNN.jsonl      part N of generation G (each start of the run is a generation)
    <output>                         the table, assembled from the parts in order of path
    <output>.run.json                the manifest, written last

A part is put in place in one step and carries the digests of its lines and of the run's settings; one in which either
is wrong is as good as absent. Within a generation the parts are in order of path, so the table is one merge over the
generations, in constant memory.
"""

from __future__ import annotations

import dataclasses
import glob
import hashlib
import heapq
import itertools
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from emosense.errors import EmoSenseError
from emosense.inputs.recording import Recording
from emosense.labelling.config import Labelled
from emosense.labelling.run.journal import check_settings, read_journal
from emosense.storage.files import is_half_written, list_folder, make_folder, read_bytes, remove, write_bytes
from emosense.storage.locations import join, redact
from emosense.storage.schemes import is_url
from emosense.tables.row import Row

_PART: Final = re.compile(r"(\d+)-(\d+)\.jsonl")
# Error rows whose cause lies outside of the recording.
_PASSING: Final = frozenset({"permission_denied", "io_error", "timeout", "out_of_memory"})


@dataclasses.dataclass(frozen=True, slots=True)
class Finished:
    """A labelled recording with the identity of the content that was labelled."""

    path: str
    size: int
    version: str
    labelled: Labelled

    @property
    def is_tried_again(self) -> bool:
        """Whether it is an error whose cause may be gone, so that another start of the run labels it again."""
        row = self.labelled.row
        if row.error_code == "missing":
            # One that was there when it was listed, and is again; where it was not, the list still says so.
            return self.size >= 0
        return row.error_code in _PASSING

    def to_json(self) -> str:
        """Return one line of a part."""
        segments = [row.to_json() for row in self.labelled.segments]
        return json.dumps([self.size, self.version, self.labelled.row.to_json(), segments], separators=(",", ":"))

    @classmethod
    def from_json(cls, line: str) -> Finished:
        """Rebuild from `to_json`."""
        size, version, row, segments = json.loads(line)
        labelled = Labelled(Row.from_json(row), tuple(Row.from_json(values) for values in segments))
        return cls(labelled.row.path, size, version, labelled)


class Run:
    """The folder of one run.

    Parameters
    ----------
    output : str
        Location of the table.
    fingerprint : dict
        All that changes results; finished work is only taken over from a run with the same one.
    on_warning : callable
        Told about parts that are damaged.
    job : dict or None
        What else the journal keeps (`emosense.labelling.run.journal`).
    """

    def __init__(
        self,
        output: str,
        fingerprint: dict[str, Any],
        on_warning: Callable[[str], None],
        job: dict[str, Any] | None = None,
    ) -> None:
        self.output, self.folder = output, f"{output}.run"
        self._fingerprint, self._on_warning, self._job = fingerprint, on_warning, job or {}
        self._settings = hashlib.sha256(json.dumps(fingerprint, sort_keys=True).encode()).hexdigest()
        self._damaged: set[str] = set()
        self._generation = 0

    def open(self, *, restart: bool) -> None:
        """Check that the work in the run folder fits, and begin a generation of parts.

        Raises
        ------
        UsageError
            If it holds work of other parameters.
        OutputError
            If the place cannot be written.
        """
        make_folder(self.folder)
        if restart:
            for name in list_folder(self.folder):
                if _PART.fullmatch(name) or name == "journal.json":
                    remove(join(self.folder, name))
        journal = self._fingerprint | {"job": self._job}
        before = read_journal(self.folder)
        if before is not None:
            check_settings(self.folder, before, journal)
        write_bytes(join(self.folder, "journal.json"), json.dumps(journal, indent=2).encode())
        self._generation = 1 + max((generation for generation, _ in self._parts()), default=-1)

    def _parts(self) -> list[tuple[int, int]]:
        matches = (_PART.fullmatch(name) for name in list_folder(self.folder))
        return sorted((int(match[1]), int(match[2])) for match in matches if match)

    def write_part(self, index: int, recordings: Sequence[Recording], labelled: Sequence[Labelled]) -> None:
        """Put one part in place; `labelled` may stop short of `recordings` when the run is interrupted."""
        if not labelled:
            return
        finished = (
            Finished(r.path, r.size, r.version, result) for r, result in zip(recordings, labelled, strict=False)
        )
        body = "".join(entry.to_json() + "\n" for entry in finished).encode()
        header = json.dumps({"sha256": hashlib.sha256(body).hexdigest(), "settings": self._settings}) + "\n"
        write_bytes(join(self.folder, f"{self._generation:04d}-{index:08d}.jsonl"), header.encode() + body)

    def _read_part(self, generation: int, index: int) -> list[Finished]:
        location = join(self.folder, f"{generation:04d}-{index:08d}.jsonl")
        try:
            header, _, body = read_bytes(location).partition(b"\n")
            digests = json.loads(header)
            if digests["sha256"] != hashlib.sha256(body).hexdigest() or digests["settings"] != self._settings:
                raise ValueError("digest differs")
            return [Finished.from_json(line) for line in body.decode().splitlines()]
        except (OSError, ValueError, LookupError, TypeError):
            if location not in self._damaged:
                self._damaged.add(location)
                self._on_warning(f"{redact(location)} is damaged: its recordings are labelled again")
            return []

    def finished(self) -> Iterator[Finished]:
        """All finished work, in order of path; of work done twice the newer comes last."""
        generations: dict[int, list[int]] = {}
        for generation, index in self._parts():
            generations.setdefault(generation, []).append(index)
        streams = [self._stream(generation, indices) for generation, indices in generations.items()]
        return heapq.merge(*streams, key=lambda entry: os.fsencode(entry.path))

    def _stream(self, generation: int, indices: list[int]) -> Iterator[Finished]:
        for index in indices:
            yield from self._read_part(generation, index)


def in_order(recordings: Iterable[Recording], finished: Iterable[Finished], *, complete: bool) -> Iterator[Finished]:
    """Match recordings with finished work, both in order of path: one entry a recording, exactly once.

    Parameters
    ----------
    complete : bool
        Whether every recording must have its entry; False where a run was stopped on purpose.

    Raises
    ------
    EmoSenseError
        If a recording has none: a table with a hole is never written.
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
            raise EmoSenseError(f"no row for {recording.path!r}: the run folder was changed while it was read")


def remove_leftovers(places: Iterable[str]) -> None:
    """Remove half-written files of a killed run from what it writes, files and folders; object storage has none."""
    for place in places:
        if is_url(place):
            continue
        beside = glob.iglob(f"{glob.escape(place)}.tmp-*")
        inside = (os.path.join(folder, name) for folder, _, names in os.walk(place) for name in names)
        for location in itertools.chain(beside, inside):
            if is_half_written(location) and os.path.isfile(location):
                remove(location)


def write_manifest(output: str, manifest: dict[str, Any]) -> None:
    """Write ``<output>.run.json``, the last file of a run."""
    write_bytes(f"{output}.run.json", (json.dumps(manifest, indent=2) + "\n").encode())
