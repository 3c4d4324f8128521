"""A finished table of segments -> its segments, one recording at a time."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from emosense.tables.readers import read_records

_WANTED: Final = ("path", "channel", "start_s", "end_s", "emotion", "confidence", "speech_s")


class SegmentRow(NamedTuple):
    """A time span of one channel of a recording; without an emotion, it is a pause."""

    path: str
    channel: str
    start_s: float
    end_s: float
    emotion: str
    confidence: float
    speech_s: float


def read_segments(location: str) -> Iterator[list[SegmentRow]]:
    """Read a table of segments, one recording at a time.

    Parameters
    ----------
    location : str
        Local path or URL of a .csv, .parquet or .jsonl table that ``emosense-batch label --segments`` wrote: the rows
        of a recording follow each other.

    Yields
    ------
    list of SegmentRow
        The segments of a recording, in the order of the table.

    Raises
    ------
    UsageError
        If there is no such table, or it is not a table of segments.
    StorageError
        If object storage does not answer.
    """
    rows = read_records(location, _WANTED, _row)
    for _, group in itertools.groupby(rows, key=lambda row: row.path):
        yield list(group)


def is_segment_table(location: str) -> bool:
    """Say whether a table has the segments of recordings rather than recordings.

    Parameters
    ----------
    location : str
        As for `read_segments`.

    Returns
    -------
    bool
        By its first row; a table without rows is one of recordings.

    Raises
    ------
    UsageError
        If there is no such table, or it cannot be read.
    """
    return next(read_records(location, ("path", "start_s"), lambda record: "start_s" in record), False)


def _row(record: dict[str, Any]) -> SegmentRow:
    start_s, end_s = float(record["start_s"]), float(record["end_s"])
    if not 0 <= start_s < end_s < math.inf:
        raise ValueError(f"a segment cannot last from {start_s} to {end_s} s")
    path, emotion, channel = record["path"], record["emotion"] or "", record.get("channel")
    confidence, speech_s = (float(record[name] or 0.0) if emotion else 0.0 for name in ("confidence", "speech_s"))
    if not 0 <= confidence <= 1 or not 0 <= speech_s < math.inf:
        raise ValueError("a confidence or a duration is out of range")
    return SegmentRow(path, "" if channel is None else str(channel), start_s, end_s, emotion, confidence, speech_s)
