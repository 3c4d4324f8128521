"""Recordings -> who speaks in them, and what the model says of each speaker over all recordings.

A speaker is named by the folder of a recording, by a part of its path, or by a table. The sums of a speaker's
log-probabilities lie in a SQLite file in the temporary folder, so that ten million speakers cost disk and not memory.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import os
import re
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from typing import Final, Self

import numpy as np

from emosense.adaptation import SpeakerStatistics, adapt
from emosense.emotions import EMOTIONS
from emosense.errors import UsageError
from emosense.rows import Row, original_path, with_probabilities
from emosense.storage import is_url, join, read_bytes, redact

_REGEX: Final = "regex:"


@dataclasses.dataclass(frozen=True, slots=True)
class SpeakerRule:
    """How the speaker of a recording is found.

    Parameters
    ----------
    text : str
        ``parent``: the folder that holds the recording. ``regex:PATTERN``: the first group of the pattern, or the whole
        match, searched for in the path. Else the location of a table, .csv or .parquet, with the columns ``path`` (as
        labelled, or relative to the table) and ``speaker``.
    """

    text: str

    def __post_init__(self) -> None:
        """Refuse what is none of the three.

        Raises
        ------
        UsageError
            Naming the three.
        """
        if self.text.startswith(_REGEX):
            try:
                re.compile(self.text.removeprefix(_REGEX))
            except re.error as err:
                raise UsageError(f"--speakers {self.text}: {err}") from err
        elif self.text != "parent" and not self.is_table:
            raise UsageError(
                f"--speakers takes parent, regex:PATTERN, or a .csv or .parquet table with path and speaker, "
                f"not {redact(self.text)}"
            )

    @property
    def is_table(self) -> bool:
        """Whether a table names the speakers."""
        return self.text.lower().endswith((".csv", ".parquet"))


class Speakers:
    """The speakers of a job's recordings.

    Parameters
    ----------
    rule : SpeakerRule
    classes : tuple of str
        The emotions that the model tells apart; the others have no probability to adapt.

    Attributes
    ----------
    n_unknown : int
        Recordings whose speaker the rule does not tell, which are left as they are.

    Raises
    ------
    UsageError
        If the table cannot be read or lacks a column.
    """

    def __init__(self, rule: SpeakerRule, classes: Iterable[str] = EMOTIONS) -> None:
        self._rule = rule
        self._pattern = re.compile(rule.text.removeprefix(_REGEX)) if rule.text.startswith(_REGEX) else None
        self._positions = [EMOTIONS.index(name) for name in classes]
        self.n_unknown = 0
        with tempfile.TemporaryDirectory(prefix="emosense-speakers-") as folder:
            self._database = sqlite3.connect(os.path.join(folder, "speakers.sqlite"), isolation_level=None)
            self._database.executescript(
                "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-4000;"
                "CREATE TABLE named (path BLOB PRIMARY KEY, speaker TEXT) WITHOUT ROWID;"
                "CREATE TABLE sums (speaker BLOB PRIMARY KEY, n INTEGER, total BLOB, squares BLOB) WITHOUT ROWID;"
            )
        if rule.is_table:
            self._database.execute("BEGIN")
            self._database.executemany("INSERT OR REPLACE INTO named VALUES (?, ?)", _named(rule.text))
            self._database.execute("COMMIT")

    def __enter__(self) -> Self:
        """Give the speakers themselves."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the file."""
        self._database.close()

    def speaker_of(self, path: str) -> str:
        """Return the speaker of a recording; empty where the rule does not tell."""
        if self._pattern is not None:
            match = self._pattern.search(path)
            return "" if match is None else (match[1] if self._pattern.groups else match[0]) or ""
        if self._rule.is_table:
            query = "SELECT speaker FROM named WHERE path IN (?, ?) LIMIT 1"
            found = self._database.execute(query, (os.fsencode(path), _absolute(path))).fetchone()
            return found[0] if found else ""
        return path.replace(os.sep, "/").rpartition("/")[0]

    def gather(self, rows: Iterable[Row]) -> None:
        """Take the probabilities of recordings into their speakers' sums, in the order given.

        Neighbours of one speaker are summed in memory first: one write a folder in place of one a recording.
        """
        self._database.execute("BEGIN")
        current: str = ""
        probabilities: list[list[float]] = []
        for row in rows:
            speaker = self.speaker_of(row.path)
            if not row.probabilities:
                continue
            self.n_unknown += not speaker
            if speaker != current:
                self._add(current, probabilities)
                current, probabilities = speaker, []
            probabilities.append([row.probabilities[place] for place in self._positions])
        self._add(current, probabilities)
        self._database.execute("COMMIT")

    def _add(self, speaker: str, probabilities: list[list[float]]) -> None:
        if not speaker or not probabilities:
            return
        more = SpeakerStatistics.of(probabilities)
        before = self.statistics(speaker)
        sums = before + more if before else more
        values = (os.fsencode(speaker), sums.n, sums.total.tobytes(), sums.squares.tobytes())
        self._database.execute("INSERT OR REPLACE INTO sums VALUES (?, ?, ?, ?)", values)

    def statistics(self, speaker: str) -> SpeakerStatistics | None:
        """Return the sums of a speaker, None where there are none."""
        query = "SELECT n, total, squares FROM sums WHERE speaker = ?"
        found = self._database.execute(query, (os.fsencode(speaker),)).fetchone()
        return SpeakerStatistics(found[0], np.frombuffer(found[1]), np.frombuffer(found[2])) if found else None

    def adapted(self, row: Row) -> Row:
        """Return a row, of a recording or a segment, with its speaker and adapted to it."""
        speaker = self.speaker_of(row.path)
        sums = self.statistics(speaker) if speaker else None
        if sums is None or not row.probabilities:
            return dataclasses.replace(row, speaker=speaker)
        adapted = np.zeros(len(EMOTIONS))
        adapted[self._positions] = adapt(np.array([row.probabilities])[:, self._positions], sums)[0]
        return with_probabilities(row, adapted.tolist(), speaker, sums.n)


def _absolute(path: str) -> bytes:
    return os.fsencode(path if is_url(path) else os.path.abspath(path))


def _named(location: str) -> Iterator[tuple[bytes, str]]:
    """Yield absolute path and speaker of each line of a table."""
    base = location.rpartition("/")[0]
    for path, speaker in _table(location):
        name = original_path(path)
        yield _absolute(name if is_url(name) or os.path.isabs(name) or not base else join(base, name)), speaker


def _table(location: str) -> Iterator[tuple[str, str]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        content = read_bytes(location)
        if location.lower().endswith(".parquet"):
            columns = pq.read_table(pa.BufferReader(content), columns=["path", "speaker"])
            records = list(zip(columns["path"].to_pylist(), columns["speaker"].to_pylist(), strict=True))
        else:
            lines = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
            if not {"path", "speaker"} <= set(lines.fieldnames or ()):
                raise KeyError("path, speaker")
            records = [(line["path"], line["speaker"]) for line in lines]
        for path, speaker in records:
            if path and speaker:
                yield str(path), str(speaker)
    except FileNotFoundError as err:
        raise UsageError(f"there is no table at {redact(location)}") from err
    except (csv.Error, KeyError, UnicodeDecodeError, pa.ArrowException) as err:
        raise UsageError(f"{redact(location)} is no table with the columns path and speaker: {err}") from err
