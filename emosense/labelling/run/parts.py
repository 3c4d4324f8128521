"""A labelling run on disk: parts beside the output, a journal, and the table that is assembled from them.

    <output>.run/lock, lock.json            while a run is active (`emosense.storage.folder_lock`)
    <output>.run/journal.json               the settings of the run (`emosense.labelling.run.journal`)
    <output>.run/errors.jsonl               tracebacks of bugs, if there were any (`emosense.labelling.run.bug_log`)
    <output>.run/G-NNNNNNNN-DIGEST.parquet  part N of generation G (`emosense.labelling.run.part_file`)
    <output>                                the table, assembled from the parts in order of path
    <output>.run.json                       the manifest, written last

Workers write the parts, the driver keeps their list. Each start of a run is a generation, with a number that none had
before, and lists the parts that are there when it begins and those that its own workers tell it of. So a worker of an
earlier start that is still busy does no harm: this start does not look at what it writes, the next one reuses it.

Within a part the recordings are in order of path. Assembling a table is one merge over the parts, in constant memory:
they hardly overlap, except where errors were tried again.

Whatever lies in the folder, a run resumes: a damaged or missing journal is written anew, since the parts say themselves
which settings they were made with. Nothing is read or written through a link.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any, Final

from emosense.errors import EmoSenseError
from emosense.labelling.run.bug_log import BUG_LOG, BugLog
from emosense.labelling.run.finished import Finished
from emosense.labelling.run.journal import (
    differing_settings,
    generations_in,
    other_settings_error,
    read_journal,
    write_journal,
)
from emosense.labelling.run.part_content import Identity, PartFile
from emosense.labelling.run.part_file import KeptPart, PartPlace, generation_of, part_names
from emosense.labelling.run.stretches import Stretch, stretches
from emosense.storage.ahead import read_ahead
from emosense.storage.folders import make_folder, remove
from emosense.storage.locations import absolute_location, join, redact
from emosense.storage.reading import MAX_BYTES, read_own
from emosense.storage.schemes import is_url

_DAMAGED: Final = "is damaged"


class RunFolder:
    """The list of parts of one run, and its journal.

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
    own_emotions : tuple of str
        Emotions of the model beside `EMOTIONS`.
    """

    def __init__(
        self,
        output: str,
        result_settings: dict[str, Any],
        on_warning: Callable[[str], None],
        run_settings: dict[str, Any] | None = None,
        own_emotions: tuple[str, ...] = (),
    ) -> None:
        self.location = f"{output}.run"
        self.bugs = BugLog(self.location)
        self._journal = result_settings | {"job": run_settings or {}}
        self._on_warning = on_warning
        settings = hashlib.sha256(json.dumps(result_settings, sort_keys=True).encode()).hexdigest()
        # Workers of a cluster have a working directory of their own.
        self.place = PartPlace(absolute_location(self.location), 0, settings, own_emotions)
        self._reported: set[str] = set()
        self._unseen: list[str] = []
        self._parts: dict[str, KeptPart] = {}

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
        names = part_names(self.location)
        before = read_journal(self.location)
        first, last = generations_in(before)
        generation = 1 + max([last, *(generation_of(name) or 0 for name in names)])
        if restart:
            for name in [*names, "journal.json", BUG_LOG]:
                remove(join(self.location, name))
        # Where nothing was kept, there is nothing that other settings could be mixed with.
        if restart or (not names and before and differing_settings(before, self._journal)):
            before, names, first = None, [], generation
        # What an earlier start writes after a restart is not of this run any more.
        self._unseen = [name for name in names if (generation_of(name) or 0) >= first]
        if before is not None:
            self._check_journal(before)
        write_journal(self.location, self._journal | {"generations": [first, generation]})
        self.place = dataclasses.replace(self.place, generation=generation)
        self._parts = {}

    def _check_journal(self, before: dict[str, Any]) -> None:
        """Refuse other settings, unless it is the journal that is wrong: all parts were made with those of this run."""
        if before and not differing_settings(before, self._journal):
            return
        if before and {self._settings_of(name) for name in self._unseen} - {None} != {self.place.settings}:
            raise other_settings_error(self.location, before, self._journal)
        self._on_warning(f"the journal in {redact(self.location)} is damaged: finished work tells its settings itself")

    def _settings_of(self, name: str) -> str | None:
        part = self._read(name, is_whole=False)
        return part.settings if isinstance(part, PartFile) else None

    def add(self, part: KeptPart) -> None:
        """Put a part on the list that a worker of this start has written.

        Parameters
        ----------
        part : KeptPart
        """
        self._parts[part.name] = part

    @property
    def cpus(self) -> list[str]:
        """The kinds of CPU that have labelled the parts, sorted."""
        return sorted({part.cpu for part in self._parts.values()} - {""})

    def identities(self) -> Iterator[Identity]:
        """Read which recordings are finished, from all parts: those that are damaged are reported and removed.

        Yields
        ------
        (str, int, str, bool)
            Path, size and version of a recording, and whether another start labels it again; once for each channel.
        """
        for name, part in self._opened([*self._unseen, *self._parts], is_whole=False):
            found = part.identities()
            self._parts[name] = KeptPart(name, found[0][0], found[-1][0], part.cpu)
            yield from found
        self._unseen = []

    def finished(self) -> Iterator[Finished]:
        """Read all finished work; of two results for one path the newer comes last.

        Yields
        ------
        Finished
            In order of path.
        """
        for stretch in self.stretches():
            yield from stretch.finished

    def stretches(self) -> Iterator[Stretch]:
        """Read all finished work, in pieces that do not overlap: most are single parts.

        Yields
        ------
        Stretch
            In order of path; its `finished` is read before the next one is asked for.
        """
        if self._unseen:
            for _ in self.identities():
                pass
        opened = functools.partial(self._opened, is_whole=True)
        yield from stretches(self._parts.values(), opened, self.place.own_emotions)

    def _opened(self, names: list[str], *, is_whole: bool) -> Iterator[tuple[str, PartFile]]:
        """Yield the parts that can be used; one that cannot is taken from the list."""
        read = functools.partial(self._read, is_whole=is_whole)
        for name, part in read_ahead(names, read, is_remote=is_url(self.location)):
            if isinstance(part, PartFile) and part.settings == self.place.settings:
                yield name, part
                continue
            self._parts.pop(name, None)
            fault = "was made with other settings" if isinstance(part, PartFile) else part
            location = join(self.location, name)
            if location not in self._reported:
                self._reported.add(location)
                self._on_warning(f"{redact(location)} {fault}: its recordings are labelled again")
            if fault == _DAMAGED:
                # Otherwise every later start would report it again.
                with contextlib.suppress(EmoSenseError, OSError):
                    remove(location)

    def _read(self, name: str, *, is_whole: bool) -> PartFile | str:
        """Read one part, or say why it cannot be used; called from several threads."""
        try:
            content = read_own(join(self.location, name), MAX_BYTES)
            return PartFile.of(name, content, self.place.own_emotions, is_whole=is_whole)
        except OSError:
            return "cannot be read"
        except ValueError:
            return _DAMAGED
