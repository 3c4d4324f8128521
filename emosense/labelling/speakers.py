"""Recordings and their speakers -> the sums of the predictions for each speaker, and labels that are adapted to them.

Sums are kept in a SQLite file in the temporary folder, so that ten million speakers take disk space, not memory.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Sequence
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from emosense.emotions import EMOTIONS
from emosense.evaluation.choice import EmotionChoice
from emosense.evaluation.speaker_adaptation import Adaptation, ScoreNormalisation
from emosense.evaluation.voice_adaptation import VoiceAdaptation
from emosense.labelling.labelled import Labelled
from emosense.labelling.speaker_names import SpeakerNames, folder_of
from emosense.labelling.speaker_rule import SpeakerRule
from emosense.models.model_files import ModelFiles
from emosense.models.speaker_head import read_speaker_head
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
    names : SpeakerNames
        By the rule.
    n_unknown : int
        Labelled recordings for which the rule gives no speaker; they are not adapted.

    Raises
    ------
    UsageError
        See `SpeakerNames`.
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
        self.names, self._adapts_to = SpeakerNames(rule), adapts_to
        self._adaptation = adaptation or ScoreNormalisation()
        self._n_emotions = len(EMOTIONS) + len(own)
        self._positions = [(*EMOTIONS, *own).index(name) for name in classes]
        self.n_unknown = 0
        self._database = unnamed_database(
            "speakers", "CREATE TABLE sums (speaker BLOB PRIMARY KEY, sums BLOB) WITHOUT ROWID;"
        )

    def __enter__(self) -> Self:
        """Return the speakers themselves."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the files, which removes them."""
        self.names.close()
        self._database.close()

    @property
    def n_known(self) -> int:
        """Number of speakers with recordings."""
        return int(self._database.execute("SELECT count(*) FROM sums").fetchone()[0])

    def _group_of(self, row: Row) -> str:
        """Return what a recording is adapted with; empty for nothing."""
        if self._adapts_to == "none":
            return ""
        return folder_of(row.path) if self._adapts_to == "folder" else self.names.speaker_of(row.path, row.channel)

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
        speaker = self.names.speaker_of(labelled.row.path, labelled.row.channel)
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
