"""A finished table of labels -> the columns that a report uses, one row at a time."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final, NamedTuple

from emosense.emotions import EMOTIONS
from emosense.tables.columns import PROBABILITY_COLUMNS, QUALITY_COLUMNS
from emosense.tables.readers import read_records

_TEXT: Final = ("path", "emotion", "status", "error_code", "error")
_NUMBERS: Final = ("confidence", "duration_s", "decoded_s")
# Tables of earlier versions lack these.
_OF_SEGMENTS: Final = ("n_segments", "agreement")
_STATUSES: Final = ("ok", "partial", "error")
_WANTED: Final = (
    *_TEXT, *_NUMBERS, *_OF_SEGMENTS, "uncertain", "unfamiliar", "start_s", "channel", *QUALITY_COLUMNS, "speaker",
)  # fmt: skip


class LabelRow(NamedTuple):
    """The columns of a recording that a report uses; None for an empty number."""

    path: str
    emotion: str
    status: str
    error_code: str
    error: str
    confidence: float | None
    duration_s: float | None
    decoded_s: float | None
    is_uncertain: bool
    is_unfamiliar: bool = False
    quality: tuple[float | None, ...] = ()
    speaker: str | None = None
    channel: str = ""
    n_segments: float | None = None
    agreement: float | None = None

    @property
    def name(self) -> str:
        """The path, with the channel where channels are split."""
        return f"{self.path}, channel {self.channel}" if self.channel else self.path


def read_own_emotions(location: str) -> tuple[str, ...]:
    """Return the emotions of a user's own that a table has probabilities of.

    Parameters
    ----------
    location : str
        Local path or URL of a table.

    Returns
    -------
    tuple of str
        In the order of its columns.

    Raises
    ------
    UsageError
        If there is no such table, or it is not a table of recordings.
    """
    rows = read_records(location, None, lambda record: [name for name in record if name.startswith("p_")])
    return tuple(name.removeprefix("p_") for name in next(rows, []) if name not in PROBABILITY_COLUMNS)


def read_labels(location: str, own: Sequence[str] = ()) -> Iterator[LabelRow]:
    """Read a table of labels row by row; memory does not grow with its length.

    Parameters
    ----------
    location : str
        Local path or URL of a .csv, .parquet or .jsonl table that `emosense.tables.row` wrote.
    own : sequence of str
        Emotions that its labels may have beside `EMOTIONS`.

    Yields
    ------
    LabelRow
        One row of the table.

    Raises
    ------
    UsageError
        If there is no such table, or it is not a table of recordings.
    StorageError
        If object storage does not answer.
    """
    yield from read_records(location, _WANTED, functools.partial(_row, {*EMOTIONS, *own}))


def _row(emotions: AbstractSet[str], record: dict[str, Any]) -> LabelRow:
    """Check a record and return its row."""
    if "start_s" in record:
        raise ValueError("it is a table of segments: use the table of recordings")
    path, emotion, status, code, error = (record[name] for name in _TEXT)
    if emotion and emotion not in emotions:
        raise ValueError(f"{emotion!r} is not an emotion")
    if status not in _STATUSES:
        raise ValueError(f"{status!r} is not a status")
    confidence, duration_s, decoded_s = numbers = [_number(record[name]) for name in _NUMBERS]
    if any(number is not None and not 0 <= number < math.inf for number in numbers):
        raise ValueError("a confidence or a duration is out of range")
    if emotion and (confidence is None or confidence > 1):
        raise ValueError("there is an emotion without a confidence from 0 to 1")
    quality = tuple(_number(record.get(name)) for name in QUALITY_COLUMNS) if QUALITY_COLUMNS[0] in record else ()
    speaker = str(record["speaker"] or "") if "speaker" in record else None
    channel = "" if record.get("channel") is None else str(record["channel"])
    is_uncertain, is_unfamiliar = (record.get(name) in (True, "true") for name in ("uncertain", "unfamiliar"))
    return LabelRow(
        path, emotion, status, code, error, confidence, duration_s, decoded_s, is_uncertain, is_unfamiliar,
        quality, speaker, channel, *(_number(record.get(name)) for name in _OF_SEGMENTS),
    )  # fmt: skip


def _number(cell: str | float | None) -> float | None:
    """Return the number in a cell, None for an empty cell."""
    return None if cell in (None, "") else float(cell)
