"""What a recording became: its rows, on their way from a worker to the table."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from emosense.tables.columns import PROBABILITY_DIGITS
from emosense.tables.row import Row, with_probabilities

if TYPE_CHECKING:
    from emosense.evaluation.choice import EmotionChoice


@dataclasses.dataclass(frozen=True, slots=True)
class Labelled:
    """The result for one recording.

    Parameters
    ----------
    row : Row
        Its row; of its first channel where channels are split.
    segments : tuple of Row
        The rows of its segments; empty if it has no label. Those with a label are what the row's label is from.
    further : tuple of Labelled
        The results of its further channels, in order; empty unless channels are split.
    """

    row: Row
    segments: tuple[Row, ...] = ()
    further: tuple[Labelled, ...] = ()

    @classmethod
    def of_channels(cls, results: Sequence[Labelled]) -> Labelled:
        """Join the results of the channels of one recording.

        Parameters
        ----------
        results : sequence of Labelled
            At least one.

        Returns
        -------
        Labelled
        """
        return cls(results[0].row, results[0].segments, tuple(results[1:]))

    def of_channel(self, channel: int) -> Labelled:
        """Say which channel the rows are of.

        Parameters
        ----------
        channel : int
            From 1.

        Returns
        -------
        Labelled
        """
        row, *segments = (dataclasses.replace(row, channel=channel) for row in (self.row, *self.segments))
        return Labelled(row, tuple(segments))

    @property
    def by_channel(self) -> tuple[Labelled, ...]:
        """The results of its channels, one for each row of the table."""
        return Labelled(self.row, self.segments), *self.further

    @property
    def has_failed(self) -> bool:
        """Whether no channel has a label."""
        return all(result.row.status == "error" for result in self.by_channel)

    def with_emotions(self, choice: EmotionChoice) -> Labelled:
        """Answer with some of the emotions.

        Parameters
        ----------
        choice : EmotionChoice
            The emotions.

        Returns
        -------
        Labelled
            The rows with the probabilities of these emotions; rows without a label are unchanged.
        """

        def answered(row: Row) -> Row:
            if not row.probabilities:
                return row
            second = (
                tuple(choice.apply(row.speaker_probabilities, row.own_emotions)) if row.speaker_probabilities else ()
            )
            found = with_probabilities(row, choice.apply(row.probabilities, row.own_emotions))
            return dataclasses.replace(found, speaker_probabilities=second)

        return Labelled(answered(self.row), tuple(map(answered, self.segments))).with_agreement()

    def with_agreement(self) -> Labelled:
        """Say how far the labels of the segments agree with that of the recording.

        Returns
        -------
        Labelled
            Its row has `n_segments` and `agreement`; one without a label is unchanged.
        """
        shares = self._shares()
        if not shares:
            return self
        share = round(shares.get(self.row.emotion, 0.0), PROBABILITY_DIGITS)
        n_segments = sum(bool(segment.emotion) for segment in self.segments)
        return Labelled(dataclasses.replace(self.row, n_segments=n_segments, agreement=share), self.segments)

    def speech_by_emotion(self) -> dict[str, float]:
        """Divide the speech of the recording by the labels of its segments.

        Returns
        -------
        dict of str to float
            Seconds by emotion. Their sum is the speech of the recording, even if its segments overlap.
        """
        return {emotion: share * (self.row.speech_s or 0.0) for emotion, share in self._shares().items()}

    def _shares(self) -> dict[str, float]:
        seconds: dict[str, float] = {}
        for segment in self.segments:
            if segment.emotion:
                seconds[segment.emotion] = seconds.get(segment.emotion, 0.0) + (segment.speech_s or 0.0)
        total_s = math.fsum(seconds.values())
        return {emotion: length_s / total_s for emotion, length_s in seconds.items()} if total_s else {}
