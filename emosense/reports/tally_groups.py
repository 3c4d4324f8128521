"""Counts of labels by folder or speaker, in little memory."""

from __future__ import annotations

import dataclasses
from typing import Final

_MAX_GROUPS: Final = 50_000


@dataclasses.dataclass(slots=True)
class Groups:
    """Counts by folder or speaker: one number per emotion, and a last one for recordings without a label.

    Tables are sorted by path, so the groups that are kept are complete; later groups are summed in `rest`.
    """

    n_emotions: int
    counts: dict[str, list[int]] = dataclasses.field(default_factory=dict)
    rest: list[int] = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        """Start from zero."""
        self.rest = [0] * (self.n_emotions + 1)

    def add(self, group: str, place: int) -> None:
        """Count a recording.

        Parameters
        ----------
        group : str
            Name of the folder or speaker.
        place : int
            Index of the emotion, or -1 without a label.
        """
        values = self.counts.get(group)
        if values is None:
            values = self.rest
            if len(self.counts) < _MAX_GROUPS:
                values = self.counts[group] = [0] * (self.n_emotions + 1)
        values[place] += 1

    def largest(self, n_most: int) -> tuple[list[tuple[str, list[int]]], list[int], int]:
        """Return the groups with most recordings, the sum of the others, and how many others are known.

        Parameters
        ----------
        n_most : int
            How many groups to return.

        Returns
        -------
        tuple of (list of (str, list of int), list of int, int)
            The largest groups, the sums of the others, and the number of the others.
        """
        ordered = sorted(self.counts.items(), key=lambda item: (-sum(item[1]), item[0]))
        others = [sum(column) for column in zip(self.rest, *(values for _, values in ordered[n_most:]), strict=True)]
        return ordered[:n_most], others, max(len(ordered) - n_most, 0)
