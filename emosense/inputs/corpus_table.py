"""A table of recordings -> utterances: path, emotion and speaker of each, and whatever else its columns say."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from emosense.emotions import EMOTIONS, parse_emotion
from emosense.errors import NothingToDo, UsageError
from emosense.inputs.known_corpora import corpus_name
from emosense.inputs.names import named_recordings
from emosense.inputs.path_table import named_place
from emosense.inputs.ravdess_names import parse_ravdess_name
from emosense.inputs.recording import Recording
from emosense.inputs.utterance import RAVDESS, TABLE, Utterance
from emosense.storage.locations import redact, without_credentials
from emosense.storage.reading import open_stream
from emosense.storage.table_faults import faults_of_table
from emosense.storage.text_table import text_table

_NEEDED: Final = ("path", "emotion", "speaker")
_KNOWN: Final = (*_NEEDED, "sex", "corpus", "language")
# Unlike the other reasons to leave a recording out, this one is a fault of the data.
MISSING: Final = "there is no such file"
# A table without a column corpus is one of RAVDESS if so many of its rows have names of RAVDESS that agree with them.
_RAVDESS_SHARE: Final = 0.9


def read_table(location: str, root: str = "") -> tuple[tuple[Utterance, ...], tuple[tuple[str, str], ...]]:
    """Read a table of recordings.

    Parameters
    ----------
    location : str
        Local path or URL of a .csv or .parquet file.
    root : str
        Folder or URL that relative paths in it begin at; empty for its own folder.

    Returns
    -------
    utterances : tuple of Utterance
        In order of their paths. A row without a corpus is of the corpus ``table``; in a table without the column
        corpus, all rows are of ``ravdess`` where nearly all names are RAVDESS's and mean the emotions in the table.
    problems : tuple of (path, reason)
        Rows that cannot be used.

    Raises
    ------
    UsageError
        If there is no table, it lacks a column or has predicted labels, or it cannot be read.
    NothingToDo
        If it has no rows.
    """
    records = _parquet_records(location) if location.lower().endswith(".parquet") else _csv_records(location)
    rows = [(place, record, _fault(record)) for place, record in records]
    recordings = named_recordings(named_place(record["path"], location, root) for _, record, fault in rows if not fault)
    found: dict[str, Utterance] = {}
    problems = []
    has_corpus = False
    for place, record, fault in rows:
        has_corpus = has_corpus or "corpus" in record
        outcome = fault or _utterance(next(recordings), record, found)
        if isinstance(outcome, str):
            problems.append((f"{location}, {place}: {record['path'] or ''}", outcome))
        else:
            # Cells may write the same path differently, or with credentials.
            found[without_credentials(outcome.recording.location)] = outcome
    if not found and not problems:
        raise NothingToDo(f"{redact(location)} has no rows")
    utterances = sorted(found.values(), key=lambda utterance: os.fsencode(utterance.recording.path))
    if not has_corpus and _is_ravdess(utterances):
        utterances = [dataclasses.replace(utterance, corpus=RAVDESS) for utterance in utterances]
    return tuple(utterances), tuple(problems)


def _fault(record: Mapping[str, Any]) -> str:
    """Return why a row cannot be used, as far as it says itself."""
    try:
        parse_emotion(record["emotion"] or "")
    except ValueError as err:
        return str(err)
    return "" if record["path"] and record["speaker"] else "path or speaker is empty"


def _utterance(recording: Recording, record: Mapping[str, Any], known: Collection[str]) -> Utterance | str:
    """Make an utterance of a row, or say why its recording cannot be used."""
    if without_credentials(recording.location) in known:
        return "the path is in the table twice"
    if recording.size < 0:
        return MISSING
    return Utterance(
        recording,
        parse_emotion(record["emotion"]),
        record["speaker"],
        (record.get("sex") or "").lower(),
        corpus_name(record.get("corpus") or "") or TABLE,
        (record.get("language") or "").strip(),
        _further(record),
    )


def _further(record: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the columns that have no meaning here; cells beyond the header have no name."""
    return tuple((name, value or "") for name, value in record.items() if name and name not in _KNOWN)


def _is_ravdess(utterances: Sequence[Utterance]) -> bool:
    """Whether the recordings are those of RAVDESS, whose licence applies to models trained on them."""
    n_agreeing = sum(_emotion_of(utterance) == utterance.emotion for utterance in utterances)
    return n_agreeing > 0 and n_agreeing >= _RAVDESS_SHARE * len(utterances)


def _emotion_of(utterance: Utterance) -> str:
    """Return the emotion that a name of RAVDESS means; empty for another name."""
    try:
        parsed = parse_ravdess_name(utterance.recording.path.replace(os.sep, "/").rpartition("/")[2])
    except ValueError:
        return ""
    return EMOTIONS[parsed.emotion - 1]


def _csv_records(location: str) -> Iterator[tuple[str, dict[str, Any]]]:
    with faults_of_table(location), open_stream(location) as file:
        try:
            with text_table(file, _KNOWN) as table:
                _check_columns(location, table.columns)
                for record in table:
                    yield f"line {table.line}", record
        except ValueError as err:
            raise UsageError(f"{redact(location)}: {err}") from err


def _parquet_records(location: str) -> Iterator[tuple[str, dict[str, Any]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with faults_of_table(location), open_stream(location) as file:
        try:
            table = pq.read_table(file)
        except pa.ArrowException as err:
            raise UsageError(f"{redact(location)} is not a Parquet file: {err}") from err
    _check_columns(location, table.column_names)
    for number, record in enumerate(table.to_pylist(), start=1):
        yield f"row {number}", {key: None if value is None else str(value) for key, value in record.items()}


def _check_columns(location: str, columns: Any) -> None:
    if "emotion" in columns and "confidence" in columns and f"p_{EMOTIONS[0]}" in columns:
        text = "has labels predicted by EmoSense: train and evaluate on labels that people assigned"
        raise UsageError(f"{redact(location)} {text}")
    missing = [column for column in _NEEDED if column not in columns]
    if missing:
        raise UsageError(f"{redact(location)} lacks {', '.join(missing)}: a corpus table has path, emotion, speaker")
