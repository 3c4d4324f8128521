"""A table of a few recordings and the emotions that a user heard in them -> the rows to adapt a model to.

The columns are ``path``, ``emotion`` and, if known, ``speaker``. Rows without an emotion are not filled in yet. An
emotion is one of `EMOTIONS`, or a name of the user's own.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
from collections import Counter
from typing import Any, Final

from emosense.emotions import EMOTIONS, SYNONYMS, own_emotions, parse_emotion, parse_own_emotion
from emosense.errors import UsageError
from emosense.inputs.names import named_recording
from emosense.inputs.path_table import named_place
from emosense.inputs.recording import Recording
from emosense.storage.cells import original_path
from emosense.storage.locations import absolute_location, redact
from emosense.tables.readers import read_records

_COLUMNS: Final = ("path", "emotion", "speaker", "confidence")
_SIMILAR: Final = 0.8
MIN_PER_EMOTION: Final = 2


@dataclasses.dataclass(frozen=True, slots=True)
class OwnLabel:
    """One recording that a user labelled.

    Parameters
    ----------
    recording : Recording
    emotion : str
        One of `EMOTIONS`, or a name of the user's own.
    speaker : str
        Empty if not known.
    """

    recording: Recording
    emotion: str
    speaker: str


@dataclasses.dataclass(frozen=True, slots=True)
class OwnLabels:
    """The rows of a table that can be used.

    Parameters
    ----------
    rows : tuple of OwnLabel
    n_empty : int
        Rows without an emotion.
    problems : tuple of (path, reason)
        Rows that cannot be used.
    """

    rows: tuple[OwnLabel, ...]
    n_empty: int
    problems: tuple[tuple[str, str], ...]


def read_own_labels(location: str, root: str = "") -> OwnLabels:
    """Read a table of labels of one's own.

    Parameters
    ----------
    location : str
        Path or URL of a .csv, .jsonl or .parquet table.
    root : str
        Folder or URL that relative paths in it begin at. If empty, they are relative to the folder of the table or, if
        that has no such file, to the working directory.

    Returns
    -------
    OwnLabels

    Raises
    ------
    UsageError
        If there is no such table, a column is missing, it has labels that EmoSense predicted, or an emotion is
        misspelt.
    """
    rows: dict[str, OwnLabel] = {}
    problems, n_empty = [], 0
    for path, text, speaker in read_records(location, _COLUMNS, _cells):
        if not text:
            n_empty += 1
            continue
        emotion, recording = own_emotion(text), _recording(named_place(path, location, root))
        known = rows.get(recording.location)
        if recording.size < 0:
            problems.append((path, "there is no such file"))
        elif known and known.emotion != emotion:
            raise UsageError(f"{redact(location)} gives {redact(path)} two emotions: {known.emotion} and {emotion}")
        else:
            rows[recording.location] = OwnLabel(recording, emotion, speaker)
    ordered = sorted(rows.values(), key=lambda row: os.fsencode(row.recording.path))
    return OwnLabels(tuple(ordered), n_empty, tuple(problems))


def _cells(record: dict[str, Any]) -> tuple[str, str, str]:
    if "confidence" in record:
        raise ValueError("its emotions were predicted: use labels that people gave, see `emosense-batch choose`")
    path, emotion, speaker = record["path"], record["emotion"], record.get("speaker")
    if not path:
        raise ValueError("a row has no path")
    return original_path(str(path)), str(emotion or "").strip(), str(speaker or "").strip()


def _recording(place: str) -> Recording:
    found = named_recording(place)
    return dataclasses.replace(found, location=absolute_location(found.location))


def own_emotion(text: str) -> str:
    """Return the name of an emotion as models and tables write it.

    Parameters
    ----------
    text : str
        One of `EMOTIONS` or `SYNONYMS`, or a name of one's own, in upper or lower case.

    Returns
    -------
    str
        In lower case, with ``_`` for a space.

    Raises
    ------
    UsageError
        If it looks like a misspelt emotion, or cannot be the name of a column.
    """
    try:
        return parse_emotion(text)
    except ValueError:
        pass
    try:
        name = parse_own_emotion(text)
    except ValueError as err:
        raise UsageError(str(err)) from err
    similar = difflib.get_close_matches(name, [*EMOTIONS, *SYNONYMS], 1, _SIMILAR)
    if similar:
        raise UsageError(f"unknown emotion {redact(text)!r}: is it {similar[0]}? A name of your own must differ more")
    return name


def classes_of_labels(rows: tuple[OwnLabel, ...]) -> tuple[str, ...]:
    """Return the emotions of labelled rows.

    Parameters
    ----------
    rows : tuple of OwnLabel

    Returns
    -------
    tuple of str
        Those of `EMOTIONS` in their order, then the user's own in alphabetical order.

    Raises
    ------
    UsageError
        If there are fewer than two, or one has fewer than `MIN_PER_EMOTION` rows.
    """
    counts = Counter(row.emotion for row in rows)
    if len(counts) < 2:
        raise UsageError(f"label at least two emotions; there {'is' if len(counts) == 1 else 'are'} {len(counts)}")
    few = [name for name, n in counts.items() if n < MIN_PER_EMOTION]
    if few:
        raise UsageError(f"label at least {MIN_PER_EMOTION} recordings of each emotion; {few[0]} has one")
    known = [name for name in EMOTIONS if name in counts]
    return (*known, *own_emotions(counts))
