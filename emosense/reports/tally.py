"""Rows of labels -> counts, in one pass and little memory.

A recording takes 8 bytes: its confidence and its duration, as integers in the precision of the table, so that medians
are exact. Only the names of the recordings that a report lists and of at most 50,000 folders are kept.
"""

from __future__ import annotations

import dataclasses
import heapq
import re
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emosense.emotions import EMOTIONS
from emosense.reports.label_table import LabelRow
from emosense.reports.tally_groups import Groups
from emosense.storage.cells import original_path, printable_path
from emosense.tables.columns import QUALITY_COLUMNS

N_CLIPS: Final = 12
N_FILES_A_CODE: Final = 20
# A recording is mixed if less of its speech has its label on its own.
MIXED_BELOW: Final = 0.5
_MILLIONTHS: Final = 1_000_000
_MS: Final = 1000
_MAX_MS: Final = 2**32 - 1
_ACTOR: Final = re.compile(r"(?:^|[/\\])(Actor_\d+)[/\\]")


@dataclasses.dataclass(slots=True)
class Errors:
    """Recordings with one error code: their number, and the first of them."""

    n: int = 0
    files: list[LabelRow] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(slots=True)
class Tally:
    """Counts of a table.

    Attributes
    ----------
    n, n_recordings : int
        Rows, and the recordings that they are of: a recording has a row for each channel where channels are split.
    emotions : tuple of str
        `EMOTIONS`, then a user's own.
    confidences : list of array
        Confidences by emotion, in millionths.
    durations : array
        Durations in milliseconds, where the table has them.
    decoded_ms : list of int
        Decoded audio by emotion, in milliseconds.
    quality : list of array
        Values of each quality column that the table has.
    least, most : list of LabelRow
        Recordings with the lowest and the highest confidence, the extreme first.
    """

    emotions: tuple[str, ...] = EMOTIONS
    n: int = 0
    n_recordings: int = 0
    n_uncertain: int = 0
    n_unfamiliar: int = 0
    n_several: int = 0
    n_mixed: int = 0
    by_status: Counter[str] = dataclasses.field(default_factory=Counter)
    folders: Groups = dataclasses.field(init=False)
    speakers: Groups = dataclasses.field(init=False)
    n_speakers: int = 0
    errors: dict[str, Errors] = dataclasses.field(default_factory=dict)
    confidences: list[array[int]] = dataclasses.field(init=False)
    durations: array[int] = dataclasses.field(default_factory=lambda: array("I"))
    decoded_ms: list[int] = dataclasses.field(init=False)
    quality: list[array[float]] = dataclasses.field(default_factory=lambda: [array("f") for _ in QUALITY_COLUMNS])
    least: list[LabelRow] = dataclasses.field(default_factory=list)
    most: list[LabelRow] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        """Start from zero."""
        n_emotions = len(self.emotions)
        self.folders, self.speakers = Groups(n_emotions), Groups(n_emotions)
        self.confidences, self.decoded_ms = [array("I") for _ in self.emotions], [0] * n_emotions

    @property
    def noun(self) -> str:
        """What a row is: ``channel`` where some recording has several rows, else ``recording``."""
        return "recording" if self.n == self.n_recordings else "channel"

    @property
    def by_emotion(self) -> list[int]:
        """Labelled recordings by emotion."""
        return [len(values) for values in self.confidences]

    def confidence(self, place: int | None = None) -> NDArray[np.float64]:
        """Confidences of one emotion, or of all, sorted.

        Parameters
        ----------
        place : int | None
            Index of the emotion; None for all.

        Returns
        -------
        ndarray, shape (n,)
            In [0, 1], rising.
        """
        arrays = self.confidences if place is None else [self.confidences[place]]
        return np.sort(np.concatenate([np.array(values, np.uint32) for values in arrays])) / _MILLIONTHS

    def duration_s(self) -> NDArray[np.float64]:
        """Durations, sorted.

        Returns
        -------
        ndarray, shape (n,)
            In seconds, rising.
        """
        return np.sort(np.array(self.durations, np.uint32)) / _MS


def count_labels(rows: Iterable[LabelRow], own: Sequence[str] = ()) -> Tally:
    """Count a table in one pass.

    Parameters
    ----------
    rows : Iterable[LabelRow]
        Rows in the order of the table.
    own : sequence of str
        Emotions of the table beside `EMOTIONS`.

    Returns
    -------
    Tally
        Their counts.
    """
    tally = Tally((*EMOTIONS, *own))
    # Heaps of fixed size; of equal confidences the first row of the table is kept.
    least: list[tuple[float, int, LabelRow]] = []
    most: list[tuple[float, int, LabelRow]] = []
    path = None
    for number, row in enumerate(rows):
        # Further channels of a recording follow its first one.
        is_further = bool(row.channel) and row.path == path
        path = row.path
        _count(tally, row, is_further=is_further)
        if row.confidence is not None and row.emotion:
            _keep(least, (-row.confidence, -number, row))
            _keep(most, (row.confidence, -number, row))
    tally.least = [row for _, _, row in sorted(least, key=lambda item: (-item[0], -item[1]))]
    tally.most = [row for _, _, row in sorted(most, key=lambda item: (-item[0], -item[1]))]
    return tally


def _keep(heap: list[tuple[float, int, LabelRow]], item: tuple[float, int, LabelRow]) -> None:
    if len(heap) < N_CLIPS:
        heapq.heappush(heap, item)
    elif item > heap[0]:
        heapq.heapreplace(heap, item)


def _count(tally: Tally, row: LabelRow, *, is_further: bool) -> None:
    tally.n += 1
    tally.n_recordings += not is_further
    tally.n_uncertain += row.is_uncertain
    tally.n_unfamiliar += row.is_unfamiliar
    if row.n_segments is not None and row.agreement is not None and row.n_segments > 1:
        tally.n_several += 1
        tally.n_mixed += row.agreement < MIXED_BELOW
    tally.by_status[row.status] += 1
    place = tally.emotions.index(row.emotion) if row.emotion else -1
    path = original_path(row.path)
    folder = path.rpartition("/")[0]
    if path != row.path:
        folder = printable_path(folder)
    actor = _ACTOR.search(path)
    tally.folders.add(folder, place)
    if row.speaker is not None:
        speaker = row.speaker or "(unknown)"
    else:
        speaker = actor[1] if actor else folder.rpartition("/")[2]
    tally.n_speakers += row.speaker is not None or actor is not None
    tally.speakers.add(speaker, place)
    if row.error_code:
        errors = tally.errors.setdefault(row.error_code, Errors())
        errors.n += 1
        if len(errors.files) < N_FILES_A_CODE:
            errors.files.append(row)
    if row.emotion and row.confidence is not None:
        tally.confidences[place].append(round(row.confidence * _MILLIONTHS))
        tally.decoded_ms[place] += round((row.decoded_s or 0.0) * _MS)
    for values, value in zip(tally.quality, row.quality, strict=False):
        if value is not None:
            values.append(value)
    if row.duration_s is not None and not is_further:
        tally.durations.append(min(round(row.duration_s * _MS), _MAX_MS))
