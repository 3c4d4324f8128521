"""The result of a recording -> the rows that a caller asked for: of which emotions, of the whole or of its segments."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Self

from emosense.errors import UsageError
from emosense.evaluation.choice import EmotionChoice
from emosense.labelling.labelled import Labelled
from emosense.tables.row import Row


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """Which rows a caller asked for.

    Parameters
    ----------
    choice : EmotionChoice or None
        Emotions that a label may be; None for those of the model.
    segments : bool
        Whether rows are those of the segments.
    """

    choice: EmotionChoice | None
    segments: bool

    @classmethod
    def of(cls, emotions: Iterable[str], classes: list[str], segments: bool) -> Self:
        """Parse what the caller gave.

        Parameters
        ----------
        emotions : iterable of str
            Names; empty for the emotions of the model.
        classes : list of str
            Emotions of the model.
        segments : bool
            Whether rows are those of the segments.

        Returns
        -------
        Answer
            The parsed answer.

        Raises
        ------
        UsageError
            If the model cannot answer with these emotions, or there are fewer than two.
        """
        if isinstance(emotions, str):
            raise UsageError("emotions must be a list of names, not one name")
        if not (names := tuple(emotions)):
            return cls(None, segments)
        choice = EmotionChoice.parse(names, classes)
        choice.check(classes)
        return cls(choice, segments)

    def row(self, labelled: Labelled) -> Row:
        """Return the row of a whole recording.

        Parameters
        ----------
        labelled : Labelled
            Of a recording whose channels are not split, or of one channel.

        Returns
        -------
        Row
            The row.
        """
        return self._chosen(labelled).row

    def rows(self, labelled: Labelled) -> Iterator[Row]:
        """Yield all rows of a recording.

        Parameters
        ----------
        labelled : Labelled
            Of a recording.

        Yields
        ------
        Row
            Of each channel where these are split, and of each segment where the caller asked for them.
        """
        for result in map(self._chosen, labelled.by_channel):
            yield from (self.segments and result.segments) or (result.row,)

    def _chosen(self, labelled: Labelled) -> Labelled:
        return labelled.with_emotions(self.choice) if self.choice else labelled
