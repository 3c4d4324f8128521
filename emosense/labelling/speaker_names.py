"""Recordings -> their speakers, by a rule: the folder of a recording, a part of its path, or a table gives its speaker.

A table is kept in a SQLite file in the temporary folder, so that ten million recordings take disk space, not memory.
"""

from __future__ import annotations

import os
import re
from typing import Self

from emosense.audio.container_headers import MAX_CHANNELS
from emosense.errors import UsageError
from emosense.labelling.speaker_rule import SpeakerRule
from emosense.labelling.speaker_table import channel_key, read_speaker_table
from emosense.storage.locations import absolute_location, redact
from emosense.storage.schemes import is_url
from emosense.storage.scratch_database import ScratchDatabase, unnamed_database


class SpeakerNames:
    """Tells the speakers of recordings; to be closed after use.

    Parameters
    ----------
    rule : SpeakerRule

    Raises
    ------
    UsageError
        If the table cannot be read, lacks a column, or names two speakers for a recording.
    """

    def __init__(self, rule: SpeakerRule) -> None:
        self._rule = rule
        self._pattern = re.compile(rule.pattern) if rule.is_pattern else None
        self._table = _read_table(rule) if rule.is_table else None

    def __enter__(self) -> Self:
        """Return the names themselves."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file of a table."""
        self.close()

    def close(self) -> None:
        """Close the file of a table, which removes it."""
        if self._table is not None:
            self._table.close()

    def has_speaker(self, path: str) -> bool:
        """Tell whether a recording, or one of its channels, has a speaker.

        Parameters
        ----------
        path : str
            As listed.

        Returns
        -------
        bool
        """
        if self._rule.is_channel or self.speaker_of(path):
            return True
        return self._table is not None and any(
            _named(self._table, channel_key(os.fsencode(name), channel))
            for name in (path, absolute_location(path))
            for channel in range(1, MAX_CHANNELS + 1)
        )

    def speaker_of(self, path: str, channel: int | None = None) -> str:
        """Return the speaker of a recording, or of one of its channels.

        Parameters
        ----------
        path : str
            As listed.
        channel : int or None
            The channel, from 1, where channels are split.

        Returns
        -------
        str
            Empty if the rule gives none.
        """
        if self._pattern is not None:
            match = self._pattern.search(path)
            return (match and match[1]) or ""
        if self._table is not None:
            names = [os.fsencode(path), os.fsencode(absolute_location(path))]
            keys = [*(channel_key(name, channel) for name in names if channel is not None), *names]
            return next(filter(None, (_named(self._table, key) for key in keys)), "")
        folder = folder_of(path)
        if self._rule.is_channel:
            return "" if channel is None else f"{folder}, channel {channel}"
        return folder


def _read_table(rule: SpeakerRule) -> ScratchDatabase:
    """Read a table into a file of paths and speakers."""
    database = unnamed_database("speakers", "CREATE TABLE named (path BLOB PRIMARY KEY, speaker TEXT) WITHOUT ROWID;")
    database.execute("BEGIN")
    # A second speaker for the same path leaves NULL.
    database.executemany(
        "INSERT INTO named VALUES (?, ?) ON CONFLICT (path) DO UPDATE SET"
        " speaker = CASE WHEN speaker = excluded.speaker THEN speaker END",
        read_speaker_table(rule.text, rule.root),
    )
    database.execute("COMMIT")
    twice = database.execute("SELECT path FROM named WHERE speaker IS NULL LIMIT 1").fetchone()
    if twice:
        raise UsageError(f"{rule.redacted} has two speakers for {_readable(twice[0])}")
    return database


def _named(table: ScratchDatabase, key: bytes) -> str:
    """Return the speaker that the table has for a path or a channel; empty if it has none."""
    found = table.execute("SELECT speaker FROM named WHERE path = ?", (key,)).fetchone()
    return found[0] if found else ""


def folder_of(path: str) -> str:
    """Return the folder of a recording.

    Parameters
    ----------
    path : str
        As listed.

    Returns
    -------
    str
        A normal local path, or a URL as it is.
    """
    return path.rpartition("/")[0] if is_url(path) else os.path.normpath(os.path.dirname(path))


def _readable(key: bytes) -> str:
    path, _, channel = os.fsdecode(key).partition("\0")
    return redact(path) + (f", channel {channel}" if channel else "")
