"""A table of labels -> the recordings that are worth labelling by ear: unlike each other, and not yet clear.

The recordings are points in the space of the square roots of their probabilities, where distance is Hellinger's. They
are drawn as k-means++ draws its centres (Arthur & Vassilvitskii 2007): far from those that are drawn already. The most
uncertain recordings alone would be a bad choice, since they resemble each other: docs/own-labels.md has the figures.
"""

from __future__ import annotations

import csv
import hashlib
import heapq
import io
import os
from collections.abc import Collection, Iterator
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emosense.errors import NothingToDo, UsageError
from emosense.inputs.path_table import named_place
from emosense.labelling.speaker_names import SpeakerNames
from emosense.storage.cells import escape_cell, original_path, printable_path
from emosense.storage.folders import exists
from emosense.storage.locations import absolute_location, redact
from emosense.storage.schemes import is_url
from emosense.storage.writing import atomic_writer
from emosense.tables.readers import read_records

DEFAULT_N: Final = 40
CHOICE_COLUMNS: Final = ("path", "emotion", "speaker", "guess", "guess_confidence")
# Of a longer table, only so many rows are considered: the same ones, whatever its order.
_MAX_CANDIDATES: Final = 2_000
_PROBABILITY: Final = "p_"


class Candidate(NamedTuple):
    """A recording that could be labelled by ear."""

    path: str
    speaker: str
    guess: str
    confidence: float
    probabilities: tuple[float, ...]


def choose_recordings(table: str, n: int = DEFAULT_N, without: Collection[str] = ()) -> list[Candidate]:
    """Choose recordings whose labels help most.

    Parameters
    ----------
    table : str
        Path or URL of a table of labels.
    n : int
        How many, at least 1.
    without : collection of str
        Absolute locations of recordings that are not chosen.

    Returns
    -------
    list of Candidate
        Up to `n`, the most useful first: a shorter choice is the start of a longer one. The same for the same rows in
        any order.

    Raises
    ------
    UsageError
        If there is no such table, or it is not a table of labels.
    NothingToDo
        If no recording of it has a label.
    """
    rows = (row for row in read_records(table, None, _candidate) if row is not None)
    eligible = (row for row in rows if not without or _location(row.path) not in without)
    # A recording with a row for each channel is a candidate once.
    sample = list({row.path: row for row in heapq.nsmallest(max(n, _MAX_CANDIDATES), eligible, key=_rank)}.values())
    if not sample:
        raise NothingToDo(f"{redact(table)} has no recording to choose")
    places = spread(np.array([row.probabilities for row in sample]), n)
    return [sample[place] for place in places]


def _candidate(record: dict[str, Any]) -> Candidate | None:
    """Check a record of a table; None for one without a label."""
    if "start_s" in record:
        raise ValueError("it is a table of segments: use the table of recordings")
    path, emotion, confidence = record["path"], record["emotion"], record["confidence"]
    values = [value for name, value in record.items() if name.startswith(_PROBABILITY)]
    if not values:
        raise ValueError("it has no column of probabilities")
    if not emotion:
        return None
    return Candidate(
        path, str(record.get("speaker") or ""), emotion, float(confidence), tuple(float(value) for value in values)
    )


def _rank(row: Candidate) -> bytes:
    return hashlib.blake2b(row.path.encode("utf-8", "surrogateescape"), digest_size=8).digest()


def spread(probabilities: NDArray[np.float64], n: int) -> list[int]:
    """Draw rows that are far from each other, and rather uncertain ones.

    Parameters
    ----------
    probabilities : ndarray, shape (n_rows, n_emotions), float64
        Rows sum to one.
    n : int
        How many rows to draw.

    Returns
    -------
    list of int
        Up to `n` indices in the order of the draw; always the same for the same rows.
    """
    rng = np.random.default_rng(0)
    points = np.sqrt(probabilities)
    entropy = -(probabilities * np.log(np.maximum(probabilities, np.finfo(float).tiny))).sum(axis=1)
    weights = np.sqrt(entropy / np.log(probabilities.shape[1])) + 0.1
    distances, drawn = np.ones(len(points)), list[int]()
    for _ in range(min(n, len(points))):
        shares = distances * weights
        # The rows that are left may all be copies of rows that were drawn.
        shares = shares if shares.sum() > 0 else weights.copy()
        shares[drawn] = 0
        drawn.append(int(rng.choice(len(points), p=shares / shares.sum())))
        distances = np.minimum(distances, np.square(points - points[drawn[-1]]).sum(axis=1))
    return drawn


def labelled_locations(table: str, root: str = "") -> frozenset[str]:
    """Return the recordings of a table that was chosen or labelled before.

    Parameters
    ----------
    table : str
        Path or URL of a table with the column ``path``.
    root : str
        Folder or URL that relative paths in it begin at; empty for its own folder.

    Returns
    -------
    frozenset of str
        Absolute locations.
    """
    paths = read_records(table, ("path",), lambda record: original_path(str(record["path"])))
    return frozenset(
        location for path in paths for location in (absolute_location(named_place(path, table, root)), _location(path))
    )


def _location(path: str) -> str:
    return absolute_location(original_path(path))


def write_choice(chosen: list[Candidate], output: str, speakers: SpeakerNames | None = None) -> None:
    """Write a table to fill in.

    Parameters
    ----------
    chosen : list of Candidate
    output : str
        Path or URL of the CSV. Paths of local recordings are written relative to it.
    speakers : SpeakerNames or None
        Gives the speakers; None for those of the table of labels.

    Raises
    ------
    UsageError
        If the output is no .csv, or exists: it may have been filled in.
    OutputError
        If it cannot be written.
    """
    check_choice_output(output)
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(CHOICE_COLUMNS)
    writer.writerows(_cells(chosen, output, speakers))
    with atomic_writer(output) as file:
        file.write(text.getvalue().encode())


def check_choice_output(output: str) -> None:
    """Check the place of a table to fill in.

    Parameters
    ----------
    output : str
        Path or URL.

    Raises
    ------
    UsageError
        If it is no .csv, or exists: it may have been filled in.
    """
    if not output.lower().endswith(".csv"):
        raise UsageError(f"the table to fill in is a .csv, not {redact(output)}")
    if exists(output):
        raise UsageError(f"{redact(output)} exists and may have your labels: choose another name")


def _cells(chosen: list[Candidate], output: str, speakers: SpeakerNames | None) -> Iterator[tuple[str, ...]]:
    for row in chosen:
        path = original_path(row.path)
        speaker = speakers.speaker_of(path) if speakers else row.speaker
        texts = (_seen_from(output, path), "", speaker, row.guess, f"{row.confidence:.3f}")
        yield tuple(escape_cell(printable_path(text)) for text in texts)


def _seen_from(output: str, path: str) -> str:
    """Return a path relative to the folder of a table, as `beside` reads it."""
    if is_url(path) or is_url(output) or os.path.isabs(path):
        return path
    return os.path.relpath(path, os.path.dirname(output) or ".")
