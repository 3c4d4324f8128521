"""Labelled corpora: which recordings there are, who speaks, and which emotion is meant.

A CSV or Parquet table with the columns path, emotion and speaker describes any corpus. In a folder or bucket the file
names carry the labels: each entry of `CORPORA` reads the names of one corpus. Recordings that cannot be used are listed
with the reason.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import os
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from emosense.emotions import EMOTIONS, parse_emotion
from emosense.errors import NothingToDo, UsageError
from emosense.inputs.listing import Listing
from emosense.inputs.recording import Recording
from emosense.inputs.walk import ListingConfig, named_recording
from emosense.registry import Registry
from emosense.storage.files import read_bytes
from emosense.storage.locations import beside, redact, without_credentials

_RAVDESS_NAME: Final = re.compile(r"(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)\.(?:wav|flac)", re.IGNORECASE)
_TABLE_COLUMNS: Final = ("path", "emotion", "speaker")
_MAX_LINE: Final = 1 << 20
# Unlike the other reasons to leave a recording out, this one is a fault of the data.
MISSING: Final = "there is no such file"


@dataclasses.dataclass(frozen=True, slots=True)
class RavdessName:
    """The seven fields of a RAVDESS file name (Livingstone & Russo 2018, doi 10.1371/journal.pone.0196391).

    Parameters
    ----------
    modality : int
        1 full audio-video, 2 video only, 3 audio only.
    channel : int
        1 speech, 2 song.
    emotion : int
        1 to 8, in the order of `EMOTIONS`.
    intensity : int
        1 normal, 2 strong; neutral is always normal.
    statement, repetition : int
        1 or 2.
    actor : int
        1 to 24; odd numbers are male.
    """

    modality: int
    channel: int
    emotion: int
    intensity: int
    statement: int
    repetition: int
    actor: int

    @property
    def speaker(self) -> str:
        """The actor as two digits."""
        return f"{self.actor:02d}"

    @property
    def sex(self) -> str:
        """``male`` or ``female``."""
        return "male" if self.actor % 2 else "female"


def parse_ravdess_name(name: str) -> RavdessName:
    """Read the fields of a RAVDESS file name.

    Parameters
    ----------
    name : str
        Without its folder: ``03-01-06-01-02-01-12.wav``.

    Returns
    -------
    RavdessName
        All seven fields.

    Raises
    ------
    ValueError
        If a field is missing or out of range; the message names it.
    """
    match = _RAVDESS_NAME.fullmatch(name)
    if not match:
        raise ValueError("not a RAVDESS name: seven numbers of two digits, as in 03-01-06-01-02-01-12.wav")
    parsed = RavdessName(*(int(field) for field in match.groups()))
    ranges = {"modality": 3, "channel": 2, "emotion": 8, "intensity": 2, "statement": 2, "repetition": 2, "actor": 24}
    for field, highest in ranges.items():
        value = getattr(parsed, field)
        if not 1 <= value <= highest:
            raise ValueError(f"{field} is {value:02d}, expected 01 to {highest:02d}")
    if parsed.emotion == 1 and parsed.intensity == 2:
        raise ValueError("neutral has no strong intensity")
    return parsed


@dataclasses.dataclass(frozen=True, slots=True)
class Utterance:
    """A recording with its labels.

    Parameters
    ----------
    recording : Recording
        The recording.
    emotion : str
        One of `EMOTIONS`, or empty where a recording has no label.
    speaker : str
        Name of the speaker; folds are split by it.
    sex : str
        ``male``, ``female``, or empty if unknown.
    """

    recording: Recording
    emotion: str
    speaker: str
    sex: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Corpus:
    """The recordings of a corpus with their labels.

    Parameters
    ----------
    name : str
        Name in `CORPORA`; ``ravdess`` also for a table of its recordings; otherwise ``table`` or ``unlabelled``.
    utterances : tuple of Utterance
        In order of their paths.
    problems : tuple of (path, reason)
        Recordings that cannot be used.
    """

    name: str
    utterances: tuple[Utterance, ...]
    problems: tuple[tuple[str, str], ...]


def read_corpus(location: str) -> Corpus:
    """Read a folder, a bucket or a table.

    Parameters
    ----------
    location : str
        Local path or URL of a folder, or of a .csv or .parquet table.

    Returns
    -------
    Corpus
        What can be used, and what cannot.

    Raises
    ------
    UsageError
        If there is nothing at the location, or a table lacks a column.
    NothingToDo
        If it holds no recording at all.
    """
    if location.lower().endswith((".csv", ".parquet")):
        return _read_table(location)
    with Listing() as listing:
        listing.add_input(location, ListingConfig())
        if not len(listing):
            raise NothingToDo(f"no audio in {redact(location)}")
        return _read_names(listing)


def _read_names(listing: Listing) -> Corpus:
    """Read a listing as the first corpus to which one of its names belongs."""
    recordings = list(listing)
    for corpus, read_name in CORPORA.items():
        utterances, problems = [], []
        for recording in recordings:
            try:
                utterances.append(read_name(recording))
            except ValueError as err:
                problems.append((recording.path, str(err)))
        if utterances:
            return Corpus(corpus, tuple(utterances), tuple(problems))
    return Corpus("unlabelled", tuple(Utterance(recording, "", "") for recording in recordings), ())


def _ravdess_utterance(recording: Recording) -> Utterance:
    folder, _, name = recording.path.replace(os.sep, "/").rpartition("/")
    parsed = parse_ravdess_name(name)
    if parsed.modality != 3 or parsed.channel != 1:
        raise ValueError("not audio-only speech (modality 03, channel 01)")
    actor_folder = re.fullmatch(r"Actor_(\d\d)", folder.rpartition("/")[2])
    if actor_folder and int(actor_folder[1]) != parsed.actor:
        raise ValueError(f"the name says actor {parsed.speaker}, the folder {actor_folder[0]}")
    return Utterance(recording, EMOTIONS[parsed.emotion - 1], parsed.speaker, parsed.sex)


# One function per corpus: it takes a `Recording` and returns its `Utterance`, or raises ValueError with the reason why
# the name is not one of the corpus or cannot be used. An installed package adds one with an entry point.
CORPORA: Final = Registry[Callable[[Recording], Utterance]]("corpus", "emosense.corpora")
CORPORA.register("ravdess", _ravdess_utterance)


def _read_table(location: str) -> Corpus:
    records = _parquet_records(location) if location.lower().endswith(".parquet") else _csv_records(location)
    found: dict[str, Utterance] = {}
    problems = []
    for place, record in records:
        path, speaker = record["path"] or "", record["speaker"] or ""
        try:
            emotion = parse_emotion(record["emotion"] or "")
            if not path or not speaker:
                raise ValueError("path or speaker is empty")
            recording = named_recording(beside(location, path))
            # Cells may write the same path differently, or with credentials.
            known_as = without_credentials(recording.location)
            if known_as in found:
                raise ValueError("the path is in the table twice")
            if recording.size < 0:
                raise ValueError(MISSING)
        except ValueError as err:
            problems.append((f"{location}, {place}: {path}", str(err)))
            continue
        found[known_as] = Utterance(recording, emotion, speaker, (record.get("sex") or "").lower())
    if not found and not problems:
        raise NothingToDo(f"{redact(location)} has no rows")
    utterances = sorted(found.values(), key=lambda utterance: os.fsencode(utterance.recording.path))
    name = "ravdess" if any(_is_ravdess(utterance.recording.path) for utterance in utterances) else "table"
    return Corpus(name, tuple(utterances), tuple(problems))


def _is_ravdess(path: str) -> bool:
    """Return whether a recording has a name of RAVDESS, whose licence applies to models trained on it."""
    try:
        parse_ravdess_name(path.replace(os.sep, "/").rpartition("/")[2])
    except ValueError:
        return False
    return True


def _content(location: str) -> bytes:
    try:
        return read_bytes(location)
    except FileNotFoundError as err:
        raise UsageError(f"there is no table at {redact(location)}") from err
    except OSError as err:
        raise UsageError(f"the table {redact(location)} cannot be read: {err.strerror or err}") from err


def _csv_records(location: str) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        text = _content(location).decode("utf-8-sig")
    except UnicodeDecodeError as err:
        raise UsageError(f"{redact(location)} is not UTF-8 text (byte {err.start})") from err
    csv.field_size_limit(_MAX_LINE)
    reader = csv.DictReader(io.StringIO(text, newline=""))
    _check_columns(location, reader.fieldnames or [])
    while True:
        try:
            record = next(reader, None)
        except csv.Error as err:
            raise UsageError(f"{redact(location)}, line {reader.line_num}: {err}") from err
        if record is None:
            return
        yield f"line {reader.line_num}", record


def _parquet_records(location: str) -> Iterator[tuple[str, dict[str, Any]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(pa.BufferReader(_content(location)))
    except pa.ArrowInvalid as err:
        raise UsageError(f"{redact(location)} is not a Parquet file: {err}") from err
    _check_columns(location, table.column_names)
    for number, record in enumerate(table.to_pylist(), start=1):
        yield f"row {number}", {key: None if value is None else str(value) for key, value in record.items()}


def _check_columns(location: str, columns: Any) -> None:
    if "emotion" in columns and "confidence" in columns and f"p_{EMOTIONS[0]}" in columns:
        text = "has labels predicted by EmoSense: train and evaluate on labels that people assigned"
        raise UsageError(f"{redact(location)} {text}")
    missing = [column for column in _TABLE_COLUMNS if column not in columns]
    if missing:
        raise UsageError(f"{redact(location)} lacks {', '.join(missing)}: a corpus table has path, emotion, speaker")
