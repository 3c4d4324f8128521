"""Recordings -> their speakers, and the sums of the predictions for each speaker, to adapt labels to.

The folder of a recording, a part of its path, or a table gives its speaker. Tables and sums are kept in a SQLite file
in the temporary folder, so that ten million recordings or speakers take disk space, not memory.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterable, Sequence
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from emosense.audio.container_headers import MAX_CHANNELS
from emosense.emotions import EMOTIONS
from emosense.errors import UsageError
from emosense.evaluation.choice import EmotionChoice
from emosense.evaluation.speaker_adaptation import Adaptation, ScoreNormalisation
from emosense.evaluation.voice_adaptation import VoiceAdaptation
from emosense.labelling.labelled import Labelled
from emosense.labelling.speaker_rule import SpeakerRule
from emosense.labelling.speaker_table import channel_key, read_speaker_table
from emosense.models.model_files import ModelFiles
from emosense.models.speaker_head import read_speaker_head
from emosense.storage.locations import absolute_location, redact
from emosense.storage.schemes import is_url
from emosense.storage.scratch_database import unnamed_database
from emosense.tables.row import Row, with_probabilities

# Consecutive recordings of a speaker are summed in memory before they are written: some 1 MB of probabilities.
_ROWS_A_SUM: Final = 4096


class Speakers:
    """The speakers of a job's recordings.

    Parameters
    ----------
    rule : SpeakerRule
    classes : iterable of str
        The emotions that have probabilities: those that the model distinguishes, or the chosen ones.
    own : sequence of str
        Emotions of the model beside `EMOTIONS`.
    adapts_to : str
        What recordings are adapted to: their ``speaker``, their ``folder``, or ``none``.
    adaptation : Adaptation or None
        How they are adapted, by the model's heads; None for `ScoreNormalisation`.

    Attributes
    ----------
    n_unknown : int
        Labelled recordings for which the rule gives no speaker; they are not adapted.

    Raises
    ------
    UsageError
        If the table cannot be read, lacks a column, or names two speakers for a recording.
    """

    def __init__(
        self,
        rule: SpeakerRule,
        classes: Iterable[str] = EMOTIONS,
        own: Sequence[str] = (),
        *,
        adapts_to: str = "speaker",
        adaptation: Adaptation | None = None,
    ) -> None:
        self._rule, self._adapts_to = rule, adapts_to
        self._adaptation = adaptation or ScoreNormalisation()
        self._pattern = re.compile(rule.pattern) if rule.is_pattern else None
        self._n_emotions = len(EMOTIONS) + len(own)
        self._positions = [(*EMOTIONS, *own).index(name) for name in classes]
        self.n_unknown = 0
        self._database = unnamed_database(
            "speakers",
            "CREATE TABLE named (path BLOB PRIMARY KEY, speaker TEXT) WITHOUT ROWID;"
            "CREATE TABLE sums (speaker BLOB PRIMARY KEY, sums BLOB) WITHOUT ROWID;",
        )
        if rule.is_table:
            self._read_table()

    def _read_table(self) -> None:
        self._database.execute("BEGIN")
        # A second speaker for the same path leaves NULL.
        self._database.executemany(
            "INSERT INTO named VALUES (?, ?) ON CONFLICT (path) DO UPDATE SET"
            " speaker = CASE WHEN speaker = excluded.speaker THEN speaker END",
            read_speaker_table(self._rule.text, self._rule.root),
        )
        self._database.execute("COMMIT")
        twice = self._database.execute("SELECT path FROM named WHERE speaker IS NULL LIMIT 1").fetchone()
        if twice:
            raise UsageError(f"{self._rule.redacted} has two speakers for {_readable(twice[0])}")

    def __enter__(self) -> Self:
        """Return the speakers themselves."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file, which removes it."""
        self._database.close()

    @property
    def n_known(self) -> int:
        """Number of speakers with recordings."""
        return int(self._database.execute("SELECT count(*) FROM sums").fetchone()[0])

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
        if self._rule.is_channel:
            return True
        return bool(self.speaker_of(path)) or any(
            self._named(channel_key(os.fsencode(name), channel))
            for name in (path, absolute_location(path))
            for channel in range(1, MAX_CHANNELS + 1)
            if self._rule.is_table
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
        if self._rule.is_table:
            names = [os.fsencode(path), os.fsencode(absolute_location(path))]
            keys = [*(channel_key(name, channel) for name in names if channel is not None), *names]
            return next(filter(None, map(self._named, keys)), "")
        folder = _folder_of(path)
        if self._rule.is_channel:
            return "" if channel is None else f"{folder}, channel {channel}"
        return folder

    def _named(self, key: bytes) -> str:
        found = self._database.execute("SELECT speaker FROM named WHERE path = ?", (key,)).fetchone()
        return found[0] if found else ""

    def _group_of(self, row: Row) -> str:
        """Return what a recording is adapted with; empty for nothing."""
        if self._adapts_to == "none":
            return ""
        return _folder_of(row.path) if self._adapts_to == "folder" else self.speaker_of(row.path, row.channel)

    def gather(self, rows: Iterable[Row]) -> None:
        """Add the probabilities of recordings to the sums of their speakers.

        Parameters
        ----------
        rows : iterable of Row
            Rows without probabilities are skipped.
        """
        if self._adapts_to == "none":
            return
        self._database.execute("BEGIN")
        current: str = ""
        predictions: list[list[list[float]]] = []
        for row in rows:
            if not row.probabilities:
                continue
            speaker = self._group_of(row)
            self.n_unknown += not speaker
            if speaker != current or len(predictions) == _ROWS_A_SUM:
                self._add(current, predictions)
                current, predictions = speaker, []
            predictions.append(self._predictions(row))
        self._add(current, predictions)
        self._database.execute("COMMIT")

    def _predictions(self, row: Row) -> list[list[float]]:
        """Return what each head of the model predicts."""
        heads = filter(None, (row.probabilities, row.speaker_probabilities))
        return [[head[place] for place in self._positions] for head in heads]

    def _add(self, speaker: str, predictions: list[list[list[float]]]) -> None:
        if not speaker or not predictions:
            return
        more, before = self._adaptation.sums(predictions), self.sums(speaker)
        sums = more if before is None else before + more
        self._database.execute("INSERT OR REPLACE INTO sums VALUES (?, ?)", (os.fsencode(speaker), sums.tobytes()))

    def sums(self, speaker: str) -> NDArray[np.float64] | None:
        """Return the sums of a speaker.

        Parameters
        ----------
        speaker : str

        Returns
        -------
        ndarray or None
            See `Adaptation.sums`; None if the speaker has no recordings.
        """
        query = "SELECT sums FROM sums WHERE speaker = ?"
        found = self._database.execute(query, (os.fsencode(speaker),)).fetchone()
        return np.frombuffer(found[0]) if found else None

    def adapted(self, labelled: Labelled) -> Labelled:
        """Adapt the rows of a recording and of its segments to its speaker.

        Parameters
        ----------
        labelled : Labelled

        Returns
        -------
        Labelled
            With the columns of `SPEAKER_COLUMNS`.
        """
        speaker = self.speaker_of(labelled.row.path, labelled.row.channel)
        group = self._group_of(labelled.row)
        sums = self.sums(group) if group else None
        row, *segments = (self._row(row, speaker, sums) for row in (labelled.row, *labelled.segments))
        return Labelled(row, tuple(segments))

    def _row(self, row: Row, speaker: str, sums: NDArray[np.float64] | None) -> Row:
        if sums is None or not row.probabilities:
            return dataclasses.replace(row, speaker=speaker)
        adapted = np.zeros(self._n_emotions)
        adapted[self._positions] = self._adaptation.adapt([self._predictions(row)], sums)[0]
        return dataclasses.replace(with_probabilities(row, adapted), speaker=speaker, speaker_recordings=int(sums[0]))


def adaptation_of(model: ModelFiles, choice: EmotionChoice | None) -> Adaptation:
    """Return how the labels of a model are adapted to speakers.

    Parameters
    ----------
    model : ModelFiles
    choice : EmotionChoice or None
        The emotions that labels may have; None for all that the model knows.

    Returns
    -------
    Adaptation
        By both heads of the model if it has a speaker head.
    """
    head = read_speaker_head(model.weights)
    if head is None:
        return ScoreNormalisation()
    adaptation = VoiceAdaptation.of_logits(head.class_logits, float(head.temperature[0]))
    return adaptation if choice is None else adaptation.answered(choice, model.description["classes"])


def _readable(key: bytes) -> str:
    path, _, channel = os.fsdecode(key).partition("\0")
    return redact(path) + (f", channel {channel}" if channel else "")


def _folder_of(path: str) -> str:
    return path.rpartition("/")[0] if is_url(path) else os.path.normpath(os.path.dirname(path))
