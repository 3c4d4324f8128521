"""The table's schema: one row a recording, or a segment, and how names and cells are written.

The numbers of a `Row` are rounded when it is made, so that all formats agree to the last digit and do not depend on who
computed it.
"""

from __future__ import annotations

import dataclasses
import math
import os
import re
from collections.abc import Iterable
from typing import Any, Final

from emosense.emotions import EMOTIONS
from emosense.errors import RecordingError
from emosense.tables.columns import (
    PROBABILITY_COLUMNS,
    PROBABILITY_DIGITS,
    QUALITY_COLUMNS,
    SECONDS_DIGITS,
    SEGMENT_COLUMNS,
    SPEAKER_COLUMNS,
)

# A spreadsheet runs a cell that begins so as a formula (OWASP, CSV injection).
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "'")
_NAMES: Final = (*SEGMENT_COLUMNS, *QUALITY_COLUMNS, *SPEAKER_COLUMNS)
_NO_PROBABILITIES: Final = (None,) * len(PROBABILITY_COLUMNS)
_NO_QUALITY: Final = (None,) * len(QUALITY_COLUMNS)
_BYTES_MARK: Final = "bytes:"
_BYTE_ESCAPE: Final = re.compile(rb"\\(?:\\|x[0-9a-f]{2})")


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
        values: dict[str, Any] = dict(zip(PROBABILITY_COLUMNS, self.probabilities or _NO_PROBABILITIES, strict=True))
        values |= zip(QUALITY_COLUMNS, self.quality or _NO_QUALITY, strict=True)
        return {name: values[name] if name in values else getattr(self, name) for name in _NAMES}

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
    decoded_s = round(decoded_s, SECONDS_DIGITS)
    duration_s = round(duration_s, SECONDS_DIGITS)
    status, code, error = "ok", "", ""
    if is_partial:
        status, code, error = "partial", "truncated", f"{decoded_s} of {duration_s} s could be decoded"
    start_s, end_s = (None if value is None else round(value, SECONDS_DIGITS) for value in (start_s, end_s))
    return Row(path, rounded, duration_s, decoded_s, status, code, error, start_s, end_s, quality)


def _rounded(probabilities: Iterable[float]) -> tuple[float, ...]:
    return tuple(round(float(p), PROBABILITY_DIGITS) for p in probabilities)


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
