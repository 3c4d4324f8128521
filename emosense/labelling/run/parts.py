"""A labelling run on disk: parts beside the output, a journal, and the table that is assembled from them.

    <output>.run/lock, lock.json     while a run is active (`emosense.labelling.run.lock`)
    <output>.run/journal.json        the settings of the run (`emosense.labelling.run.journal`)
    <output>.run/G-NNNNNN.jsonl      part N of generation G (each start of the run is a generation)
    <output>                         the table, assembled from the parts in order of path
    <output>.run.json                the manifest, written last

A part is put in place in one step. Its header has a digest of its lines, a digest of the settings and the versions of
the decoders; a part whose digests do not match is treated as missing. Within a generation the parts are in order of
path, so assembling the table is one merge over the generations, in constant memory.
"""

from __future__ import annotations

import hashlib
import heapq
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from emosense.inputs.recording import Recording
from emosense.labelling.config import Labelled
from emosense.labelling.run.finished import Finished, decoder_versions
from emosense.labelling.run.journal import check_settings, read_journal
from emosense.storage.commits import ReplacedMeanwhile, only_over
from emosense.storage.files import list_folder, make_folder, read_bytes, read_own, remove, write_bytes
from emosense.storage.locations import join, redact

_PART: Final = re.compile(r"(\d+)-(\d+)\.jsonl")


class RunFolder:
    """The parts and the journal of one run.

    Parameters
    ----------
    output : str
        Location of the table.
    result_settings : dict
        Every setting that changes results; finished work is reused only if they are the same.
    on_warning : callable
        Receives a sentence for every damaged part.
    run_settings : dict or None
        What else the journal keeps (`emosense.labelling.run.journal`).
    """

    def __init__(
        self,
        output: str,
        result_settings: dict[str, Any],
        on_warning: Callable[[str], None],
        run_settings: dict[str, Any] | None = None,
    ) -> None:
        self.location = f"{output}.run"
        self._journal = result_settings | {"job": run_settings or {}}
        self._on_warning = on_warning
        self._settings_digest = hashlib.sha256(json.dumps(result_settings, sort_keys=True).encode()).hexdigest()
        self._damaged: set[str] = set()
        self._generation = 0

    def open(self, *, restart: bool) -> None:
        """Check that finished work in the folder can be reused, and begin a generation of parts.

        Parameters
        ----------
        restart : bool
            Discard finished work first.

        Raises
        ------
        UsageError
            If the folder has work that was done with other settings.
        OutputError
            If the folder cannot be written.
        """
        make_folder(self.location)
        if restart:
            for name in list_folder(self.location):
                if _PART.fullmatch(name) or name == "journal.json":
                    remove(join(self.location, name))
        before = read_journal(self.location)
        if before is not None:
            check_settings(self.location, before, self._journal)
        write_bytes(join(self.location, "journal.json"), json.dumps(self._journal, indent=2).encode())
        self._generation = 1 + max((generation for generation, _ in self._parts()), default=-1)

    def _parts(self) -> list[tuple[int, int]]:
        matches = (_PART.fullmatch(name) for name in list_folder(self.location))
        return sorted((int(match[1]), int(match[2])) for match in matches if match)

    def write_part(self, index: int, done: Sequence[tuple[Recording, Labelled]]) -> None:
        """Put one part in place.

        Parameters
        ----------
        index : int
            Number of the part in its generation, >= 0; parts are numbered in order of path.
        done : sequence of (Recording, Labelled)
            What was labelled, in order of path.

        Raises
        ------
        OutputError
            If it cannot be written.
        ReplacedMeanwhile
            If another run has written a part of this number.
        """
        if not done:
            return
        finished = (Finished(each.path, each.size, each.version, result) for each, result in done)
        body = "".join(entry.to_json() + "\n" for entry in finished).encode()
        digests = {"sha256": hashlib.sha256(body).hexdigest(), "settings": self._settings_digest}
        header = json.dumps(digests | {"decoders": decoder_versions()}) + "\n"
        location, content = self._place(self._generation, index), header.encode() + body
        try:
            write_bytes(location, content, only_over(None))
        except ReplacedMeanwhile:
            # A driver that repeats a request whose answer was lost finds its own part.
            if read_own(location, len(content)) != content:
                raise

    def _place(self, generation: int, index: int) -> str:
        return join(self.location, f"{generation:04d}-{index:08d}.jsonl")

    def _read_part(self, generation: int, index: int) -> list[Finished]:
        location = self._place(generation, index)
        try:
            first_line, _, body = read_bytes(location).partition(b"\n")
            header = json.loads(first_line)
            digests = {"sha256": hashlib.sha256(body).hexdigest(), "settings": self._settings_digest}
            if {key: header[key] for key in digests} != digests:
                raise ValueError("digest differs")
            decoders = header.get("decoders", "")
            return [Finished.from_json(line, decoders) for line in body.decode().splitlines()]
        except (OSError, ValueError, LookupError, TypeError):
            if location not in self._damaged:
                self._damaged.add(location)
                self._on_warning(f"{redact(location)} is damaged: its recordings are labelled again")
            return []

    def finished(self) -> Iterator[Finished]:
        """Read all finished work in order of path; of two results for one path the newer comes last.

        Returns
        -------
        iterator of Finished
        """
        generations: dict[int, list[int]] = {}
        for generation, index in self._parts():
            generations.setdefault(generation, []).append(index)
        streams = [self._stream(generation, indices) for generation, indices in generations.items()]
        return heapq.merge(*streams, key=lambda entry: os.fsencode(entry.path))

    def _stream(self, generation: int, indices: list[int]) -> Iterator[Finished]:
        for index in indices:
            yield from self._read_part(generation, index)
