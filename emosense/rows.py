"""The table's schema and its three formats: one row a recording, or a segment.

Every format is written from the same `Row`, whose numbers are rounded when it is made, so that CSV, Parquet and JSON
Lines agree to the last digit and do not depend on who computed the row.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO, Final, Protocol

from emosense.emotions import EMOTIONS
from emosense.errors import RecordingError, UsageError
from emosense.storage import redact

PROBABILITY_COLUMNS: Final[tuple[str, ...]] = tuple(f"p_{emotion}" for emotion in EMOTIONS)
COLUMNS: Final[tuple[str, ...]] = (
    "path", "emotion", "confidence", *PROBABILITY_COLUMNS, "duration_s", "decoded_s", "status", "error_code", "error",
)  # fmt: skip
SEGMENT_COLUMNS: Final[tuple[str, ...]] = (*COLUMNS, "start_s", "end_s")
# Only with --quality; emosense.quality computes them.
QUALITY_COLUMNS: Final = ("level_dbfs", "clipping_ratio", "speech_ratio", "snr_db", "distance")
# Only with --speakers; emosense.speakers fills them in.
SPEAKER_COLUMNS: Final = ("speaker", "speaker_recordings")
_TEXT_COLUMNS: Final = frozenset({"path", "emotion", "status", "error_code", "error", "speaker"})
_COUNT_COLUMNS: Final = frozenset({"speaker_recordings"})
# A spreadsheet runs a cell that begins so as a formula (OWASP, CSV injection).
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "'")
_BYTES_MARK: Final = "bytes:"
_BYTE_ESCAPE: Final = re.compile(rb"\\(?:\\|x[0-9a-f]{2})")
_PROBABILITY_DIGITS: Final = 6
_SECONDS_DIGITS: Final = 3


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """What is known about one recording.

    Parameters
    ----------
    path : str
        As given; bytes that are not UTF-8 are surrogate escapes.
    probabilities : tuple of float, one an emotion in the order of `EMOTIONS`, or empty
        Empty where the recording could not be labelled.
    duration_s, decoded_s : float or None
        Seconds by the header and seconds decoded; None where they are not known.
    status : str
        ``ok``, ``partial`` or ``error``.
    error_code, error : str
        Why the status is not ``ok``; empty where it is.
    start_s, end_s : float or None
        The segment, in the table of segments.
    quality : tuple of float or None, one a column of `QUALITY_COLUMNS`, or empty
        Empty where it was not asked for.
    speaker : str
        Who speaks; empty where it was not asked for or is not known.
    speaker_recordings : int or None
        The number of the speaker's recordings that the probabilities are adapted to; None where they are not adapted.
    """

    path: str
    probabilities: tuple[float, ...]
    duration_s: float | None
    decoded_s: float | None
    status: str
    error_code: str = ""
    error: str = ""
    start_s: float | None = None
    end_s: float | None = None
    quality: tuple[float | None, ...] = ()
    speaker: str = ""
    speaker_recordings: int | None = None

    @property
    def emotion(self) -> str:
        """The most probable emotion, the first of equals; empty where there is none."""
        return EMOTIONS[self.probabilities.index(max(self.probabilities))] if self.probabilities else ""

    @property
    def confidence(self) -> float | None:
        """The probability of the emotion."""
        return max(self.probabilities) if self.probabilities else None

    def to_dict(self) -> dict[str, Any]:
        """Return the values of all columns, by name; None where there is none."""
        probabilities = self.probabilities or (None,) * len(EMOTIONS)
        values = (
            self.path, self.emotion, self.confidence, *probabilities, self.duration_s, self.decoded_s, self.status,
            self.error_code, self.error, self.start_s, self.end_s,
        )  # fmt: skip
        quality = self.quality or (None,) * len(QUALITY_COLUMNS)
        names = (*SEGMENT_COLUMNS, *QUALITY_COLUMNS, *SPEAKER_COLUMNS)
        return dict(zip(names, (*values, *quality, self.speaker, self.speaker_recordings), strict=True))

    def to_json(self) -> list[Any]:
        """Return the fields as a plain list, for the journal and the workers' pipe."""
        return [getattr(self, field.name) for field in dataclasses.fields(self)]

    @classmethod
    def from_json(cls, values: list[Any]) -> Row:
        """Rebuild a row from `to_json`."""
        named = dict(zip((field.name for field in dataclasses.fields(cls)), values, strict=True))
        return cls(**named | {name: tuple(named[name]) for name in ("probabilities", "quality")})


def labelled_row(
    path: str, probabilities: Iterable[float], duration_s: float, decoded_s: float, *, is_partial: bool = False,
    start_s: float | None = None, end_s: float | None = None, quality: tuple[float | None, ...] = (),
) -> Row:  # fmt: skip
    """Make the row of a recording that has a label; its numbers are rounded here."""
    rounded = _rounded(probabilities)
    if not all(math.isfinite(p) for p in rounded):
        raise RecordingError("model_error", "the model gave a probability that is not a number")
    decoded_s = round(decoded_s, _SECONDS_DIGITS)
    duration_s = round(duration_s, _SECONDS_DIGITS)
    status, code, error = "ok", "", ""
    if is_partial:
        status, code, error = "partial", "truncated", f"{decoded_s} of {duration_s} s could be decoded"
    start_s, end_s = (None if value is None else round(value, _SECONDS_DIGITS) for value in (start_s, end_s))
    return Row(path, rounded, duration_s, decoded_s, status, code, error, start_s, end_s, quality)


def _rounded(probabilities: Iterable[float]) -> tuple[float, ...]:
    return tuple(round(float(p), _PROBABILITY_DIGITS) for p in probabilities)


def with_probabilities(row: Row, probabilities: Iterable[float], speaker: str, n_recordings: int) -> Row:
    """Return a row with probabilities that were adapted to its speaker."""
    rounded = _rounded(probabilities)
    return dataclasses.replace(row, probabilities=rounded, speaker=speaker, speaker_recordings=n_recordings)


def error_row(path: str, error: RecordingError, start_s: float | None = None, end_s: float | None = None) -> Row:
    """Make the row of a recording that could not be labelled."""
    return Row(path, (), None, None, "error", error.code, str(error), start_s, end_s)


def escape_cell(text: str) -> str:
    """Make a text safe for a spreadsheet; `unescape_cell` gives it back exactly."""
    return "'" + text if text.startswith(_FORMULA_STARTS) else text


def unescape_cell(cell: str) -> str:
    """Give back the text that `escape_cell` was given."""
    return cell[1:] if cell.startswith("'") else cell


def printable_path(path: str) -> str:
    r"""Return a path as UTF-8 text; `original_path` gives it back exactly.

    A name that is not UTF-8 is written as ``bytes:`` and its bytes, the odd ones as ``\\xNN``; so is a name that begins
    with ``bytes:`` itself.
    """
    if not path.startswith(_BYTES_MARK) and not any("\ud800" <= character <= "\udfff" for character in path):
        return path
    return _BYTES_MARK + os.fsencode(path).replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")


def original_path(text: str) -> str:
    """Return the path that `printable_path` was given, with surrogate escapes for bytes that are not UTF-8."""
    if not text.startswith(_BYTES_MARK):
        return text

    def undo(match: re.Match[bytes]) -> bytes:
        return b"\\" if match[0] == b"\\\\" else bytes([int(match[0][2:], 16)])

    return os.fsdecode(_BYTE_ESCAPE.sub(undo, text[len(_BYTES_MARK) :].encode()))


class TableWriter(Protocol):
    """Writes rows to an open binary file."""

    def write(self, rows: list[Row]) -> None:
        """Append rows."""
        ...

    def close(self) -> None:
        """Write what the format needs at its end."""
        ...


def extra_columns(row: Row, min_confidence: float | None) -> dict[str, Any]:
    """Columns that are there only when asked for: ``uncertain`` with a least confidence."""
    if min_confidence is None:
        return {}
    return {"uncertain": row.confidence is None or row.confidence < min_confidence}


class CsvWriter:
    r"""RFC 4180: UTF-8, ``\r\n``, a header, quotes where needed."""

    def __init__(self, file: BinaryIO, columns: tuple[str, ...], min_confidence: float | None) -> None:
        self._file, self._columns, self._min_confidence = file, columns, min_confidence
        extra = ("uncertain",) if min_confidence is not None else ()
        self._put([[*columns, *extra]])

    def _put(self, lines: Iterable[Iterable[str]]) -> None:
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\r\n").writerows(lines)
        self._file.write(text.getvalue().encode("utf-8"))

    def write(self, rows: list[Row]) -> None:
        """Append rows."""
        self._put(self._cells(row) for row in rows)

    def _cells(self, row: Row) -> Iterator[str]:
        values = row.to_dict()
        values |= {"path": printable_path(row.path), "speaker": printable_path(row.speaker)}
        for column in self._columns:
            value = values[column]
            if column in _TEXT_COLUMNS:
                yield escape_cell(value)
            elif value is None:
                yield ""
            elif column in _COUNT_COLUMNS:
                yield str(value)
            else:
                yield f"{value:.{_SECONDS_DIGITS if column.endswith('_s') else _PROBABILITY_DIGITS}f}"
        for flag in extra_columns(row, self._min_confidence).values():
            yield "true" if flag else "false"

    def close(self) -> None:
        """Nothing is left to write."""


class JsonLinesWriter:
    r"""One JSON object a line, raw names; bytes of a name that are not UTF-8 are written as ``\udcNN``."""

    def __init__(self, file: BinaryIO, columns: tuple[str, ...], min_confidence: float | None) -> None:
        self._file, self._columns, self._min_confidence = file, columns, min_confidence

    def write(self, rows: list[Row]) -> None:
        """Append rows."""
        for row in rows:
            values = row.to_dict()
            record = {column: values[column] for column in self._columns} | extra_columns(row, self._min_confidence)
            self._file.write(json.dumps(record).encode("ascii") + b"\n")

    def close(self) -> None:
        """Nothing is left to write."""


class ParquetWriter:
    """Parquet with typed columns, raw names; one that is not UTF-8 is written as `printable_path` does."""

    def __init__(self, file: BinaryIO, columns: tuple[str, ...], min_confidence: float | None) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._pa, self._min_confidence = pa, min_confidence
        types = dict.fromkeys(_TEXT_COLUMNS, pa.string()) | dict.fromkeys(_COUNT_COLUMNS, pa.int64())
        fields = [(column, types.get(column, pa.float64())) for column in columns]
        if min_confidence is not None:
            fields.append(("uncertain", pa.bool_()))
        self._schema = pa.schema(fields)
        self._writer = pq.ParquetWriter(file, self._schema)

    def write(self, rows: list[Row]) -> None:
        """Append rows as one row group."""
        records = []
        for row in rows:
            record = row.to_dict() | extra_columns(row, self._min_confidence)
            records.append(record | {"path": printable_path(row.path), "speaker": printable_path(row.speaker)})
        self._writer.write_table(self._pa.Table.from_pylist(records, schema=self._schema))

    def close(self) -> None:
        """Write the footer."""
        self._writer.close()


WriterFactory = Callable[[BinaryIO, tuple[str, ...], float | None], TableWriter]
WRITERS: Final[dict[str, WriterFactory]] = {"csv": CsvWriter, "jsonl": JsonLinesWriter, "parquet": ParquetWriter}


def format_of(output: str) -> str:
    """Return the format that an output's extension asks for.

    Raises
    ------
    UsageError
        If the extension is none of .csv, .parquet and .jsonl.
    """
    extension = os.path.splitext(output)[1].lower().lstrip(".")
    if extension not in WRITERS:
        raise UsageError(f"cannot tell the format of {redact(output)}: end it in .csv, .parquet or .jsonl")
    return extension
