"""A labelling run on disk: parts beside the output, a journal, and the table that is assembled from them.

    <output>.run/lock, lock.json     while a run is active (`emosense.labelling.run.lock`)
    <output>.run/journal.json        the settings of the run (`emosense.labelling.run.journal`)
    <output>.run/G-NNNNNN.jsonl      part N of generation G (each start of the run is a generation)
    <output>                         the table, assembled from the parts in order of path
    <output>.run.json                the manifest, written last

A part is put in place in one step, and never replaces another one. Its header has its name, a digest of its lines, a
digest of the settings and the versions of the decoders; a part whose digests do not match is treated as missing. Within
a generation the parts are in order of path, so assembling the table is one merge over the generations, in constant
memory. A part that was copied or renamed, and so is out of order, is merged as if it were a generation of its own.

Whatever lies in the folder, a run resumes: a damaged or missing journal is written anew, since the parts say themselves
which settings they were made with. Nothing is read or written through a link.
"""

from __future__ import annotations

import contextlib
import hashlib
import heapq
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from emosense.errors import EmoSenseError, OutputError, UsageError
from emosense.inputs.recording import Recording
from emosense.labelling.config import Labelled
from emosense.labelling.run.finished import Finished, decoder_versions
from emosense.labelling.run.journal import check_settings, read_journal, write_journal
from emosense.storage.commits import ReplacedMeanwhile, only_over
from emosense.storage.folders import list_folder, make_folder, remove
from emosense.storage.locations import join, redact
from emosense.storage.reading import MAX_BYTES, read_own
from emosense.storage.writing import write_bytes

_PART: Final = re.compile(r"([0-9]{4,9})-([0-9]{8})\.jsonl")


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
        self._reported: set[str] = set()
        self._checked: set[str] = set()
        # The generation of each part that is not where it was written.
        self._misplaced: dict[tuple[int, int], int] = {}
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
            for name in self._names():
                if _PART.fullmatch(name) or name == "journal.json":
                    remove(join(self.location, name))
        before = read_journal(self.location)
        if before is not None and before != self._journal:
            self._check_journal(before)
        write_journal(self.location, self._journal)
        self._generation = 1 + max((generation for generation, _ in self._parts()), default=-1)

    def _check_journal(self, before: dict[str, Any]) -> None:
        """Refuse other settings, unless it is the journal that is wrong: all parts were made with those of this run."""
        if before:
            try:
                check_settings(self.location, before, self._journal)
            except UsageError:
                digests = {self._settings_of(*part) for part in self._parts()} - {None}
                if digests != {self._settings_digest}:
                    raise
            else:
                return
        self._on_warning(f"the journal in {redact(self.location)} is damaged: finished work tells its settings itself")

    def _settings_of(self, generation: int, index: int) -> str | None:
        """Return the digest of the settings in the header of a part."""
        try:
            header = json.loads(read_own(self._place(generation, index), MAX_BYTES).partition(b"\n")[0])
            return str(header["settings"])
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            return None

    def _names(self) -> list[str]:
        try:
            return list_folder(self.location)
        except OSError as err:
            raise OutputError(f"cannot list {redact(self.location)}: {err.strerror or err}") from err

    def _parts(self) -> list[tuple[int, int]]:
        matches = (_PART.fullmatch(name) for name in self._names())
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
        location = self._place(self._generation, index)
        digests = {"sha256": hashlib.sha256(body).hexdigest(), "settings": self._settings_digest}
        header = {"part": [self._generation, index]} | digests | {"decoders": decoder_versions()}
        content = json.dumps(header).encode() + b"\n" + body
        try:
            write_bytes(location, content, only_over(None))
        except ReplacedMeanwhile:
            # A driver that repeats a request whose answer was lost finds its own part.
            if read_own(location, len(content)) != content:
                raise

    def _place(self, generation: int, index: int) -> str:
        return join(self.location, f"{generation:04d}-{index:08d}.jsonl")

    def _read_part(self, part: tuple[int, int]) -> list[Finished]:
        location = self._place(*part)
        try:
            first_line, _, body = read_own(location, MAX_BYTES).partition(b"\n")
            header = json.loads(first_line)
            if header["sha256"] != hashlib.sha256(body).hexdigest():
                raise ValueError("digest differs")
            if header["settings"] != self._settings_digest:
                self._report(location, "was made with other settings")
                return []
            origin, decoders = header.get("part", list(part)), header.get("decoders", "")
            finished = [Finished.from_json(line, decoders) for line in body.decode().splitlines()]
            if location not in self._checked:
                for entry in finished:
                    entry.check()
                if origin != list(part):
                    self._misplaced[part] = int(origin[0])
                self._checked.add(location)
        except OSError:
            self._report(location, "cannot be read")
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            self._report(location, "is damaged")
            # Otherwise every later start would report it again.
            with contextlib.suppress(EmoSenseError, OSError):
                remove(location)
        else:
            return finished
        return []

    def _report(self, location: str, fault: str) -> None:
        if location not in self._reported:
            self._reported.add(location)
            self._on_warning(f"{redact(location)} {fault}: its recordings are labelled again")

    def finished(self) -> Iterator[Finished]:
        """Read all finished work; of two results for one path the newer comes last.

        Returns
        -------
        iterator of Finished
            In order of path, except that the first iteration finds out which parts are out of order: what they hold
            comes too, but anywhere.
        """
        generations: dict[int, list[tuple[int, int]]] = {}
        for part in self._parts():
            if part not in self._misplaced:
                generations.setdefault(part[0], []).append(part)
        streams = [*generations.items(), *((generation, [part]) for part, generation in self._misplaced.items())]
        ordered = [self._stream(parts) for _, parts in sorted(streams, key=lambda stream: stream[0])]
        return heapq.merge(*ordered, key=lambda entry: os.fsencode(entry.path))

    def _stream(self, parts: list[tuple[int, int]]) -> Iterator[Finished]:
        last = b""
        for part in parts:
            finished = self._read_part(part)
            if finished and part not in self._misplaced:
                first = os.fsencode(finished[0].path)
                if first < last:
                    # A part of an earlier release, whose header does not have its name.
                    self._misplaced[part] = part[0]
                last = max(last, os.fsencode(finished[-1].path))
            yield from finished
