"""Rows: one per recording or segment.

The numbers of a `Row` are rounded when it is made, so that all formats agree to the last digit.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import Any, Final

from emosense.emotions import EMOTIONS
from emosense.errors import RecordingError
from emosense.tables.columns import (
    PROBABILITY_COLUMNS,
    PROBABILITY_DIGITS,
    QUALITY_COLUMNS,
    SCHEMA,
    SECONDS_DIGITS,
)

# That of "uncertain" depends on the table.
_NAMES: Final = tuple(name for name in SCHEMA if name != "uncertain")
_NO_QUALITY: Final = (None,) * len(QUALITY_COLUMNS)
_DISTANCE: Final = QUALITY_COLUMNS.index("distance")
_TUPLES: Final = ("probabilities", "quality", "own_emotions", "speaker_probabilities")


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Row:
    """What is known about one recording.

    Parameters
    ----------
    path : str
        As given; bytes that are not UTF-8 are surrogate escapes.
    probabilities : tuple of float
        One per emotion in the order of `EMOTIONS`, then of `own_emotions`; empty if there is no label.
    duration_s, decoded_s : float or None
        Seconds by the header and seconds decoded; None if not known.
    status : str
        ``ok``, ``partial`` or ``error``.
    error_code, error : str
        Why the status is not ``ok``; empty if it is.
    start_s, end_s : float or None
        Place of a segment in the recording, in seconds; None for a whole recording.
    quality : tuple of float or None
        One per column of `QUALITY_COLUMNS`; empty if there is no label.
    speaker : str
        The speaker; empty if not requested or not known.
    speaker_recordings : int or None
        Number of the speaker's recordings that the probabilities are adapted to; None if they are not adapted.
    speech_s : float or None
        Seconds of speech; None without a label.
    n_segments : int or None
        Number of windows that the label is from; None for a segment, and without a label.
    agreement : float or None
        Share of the speech whose own segment has the same label, 0 to 1; None like `n_segments`.
    own_emotions : tuple of str
        Emotions of a user's own that the model knows; their probabilities come last.
    channel : int or None
        The channel, from 1; None unless channels are split.
    speaker_probabilities : tuple of float
        What the model's speaker head gives, in the order of `probabilities`; no column has it. Empty without one.
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
    speech_s: float | None = None
    n_segments: int | None = None
    agreement: float | None = None
    own_emotions: tuple[str, ...] = ()
    channel: int | None = None
    speaker_probabilities: tuple[float, ...] = ()

    @property
    def emotion(self) -> str:
        """The most probable emotion, the first of equal ones; empty if there is no label."""
        if not self.probabilities:
            return ""
        return (*EMOTIONS, *self.own_emotions)[self.probabilities.index(max(self.probabilities))]

    @property
    def confidence(self) -> float | None:
        """The probability of the emotion, None if there is no label."""
        return max(self.probabilities) if self.probabilities else None

    @property
    def unfamiliar(self) -> bool | None:
        """Whether the speech is unlike the training data; None if that was not measured."""
        distance = self.quality[_DISTANCE] if self.quality else None
        return None if distance is None else distance > 1

    def __repr__(self) -> str:
        """Show the path, the place of a segment, and the label or why there is none."""
        place = "" if self.start_s is None else f", {self.start_s:g} to {self.end_s:g} s"
        channel = "" if self.channel is None else f", channel {self.channel}"
        answer = f"{self.emotion} {self.confidence:.0%}" if self.probabilities else f"{self.error_code}: {self.error}"
        return f"<Row {self.path!r}{place}{channel}: {answer}>"

    def _repr_html_(self) -> str:
        """Show the row in a notebook."""
        from emosense.tables.row_html import row_html

        return row_html(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the values by column.

        Returns
        -------
        dict
            All columns of the schema except ``uncertain``, which depends on the table; None where there is no value.
        """
        names = (*PROBABILITY_COLUMNS, *(f"p_{name}" for name in self.own_emotions))
        values: dict[str, Any] = dict(zip(names, self.probabilities or (None,) * len(names), strict=True))
        values |= zip(QUALITY_COLUMNS, self.quality or _NO_QUALITY, strict=True)
        return {name: values[name] if name in values else getattr(self, name) for name in _NAMES} | values

    def to_json(self) -> list[Any]:
        """Return the fields as a plain list, for the journal and the workers' pipe.

        Returns
        -------
        list
            Values that JSON can hold.
        """
        return [getattr(self, field.name) for field in dataclasses.fields(self)]

    @classmethod
    def from_json(cls, values: list[Any]) -> Row:
        """Rebuild a row from what `to_json` returned.

        Parameters
        ----------
        values : list
            The fields.

        Returns
        -------
        Row
            The same row.
        """
        named = dict(zip((field.name for field in dataclasses.fields(cls)), values, strict=True))
        return cls(**named | {name: tuple(named[name]) for name in _TUPLES})


def labelled_row(
    path: str, probabilities: Iterable[float], duration_s: float, decoded_s: float, *, is_partial: bool = False,
    start_s: float | None = None, end_s: float | None = None, quality: tuple[float | None, ...] = (),
    speech_s: float | None = None, own_emotions: tuple[str, ...] = (),
) -> Row:  # fmt: skip
    """Make the row of a labelled recording or segment, with rounded numbers.

    Parameters
    ----------
    path : str
        As given.
    probabilities : iterable of float
        One per emotion in the order of `EMOTIONS`, then of `own_emotions`; then again, by the speaker head of a model
        that has one.
    duration_s, decoded_s : float
        Seconds by the header and seconds decoded.
    is_partial : bool
        Whether less could be decoded than the header states.
    start_s, end_s : float, optional
        Place of a segment in the recording, in seconds.
    quality : tuple of float or None
        One per column of `QUALITY_COLUMNS`, or empty.
    speech_s : float, optional
        Seconds of speech.
    own_emotions : tuple of str
        Emotions that the probabilities have after those of `EMOTIONS`.

    Returns
    -------
    Row
        Its status is ``ok`` or ``partial``.

    Raises
    ------
    RecordingError
        ``model_error`` if a probability is not finite.
    """
    rounded = _rounded(probabilities)
    if not all(math.isfinite(p) for p in rounded):
        raise RecordingError("model_error", "the model gave a probability that is not a number")
    decoded_s = round(decoded_s, SECONDS_DIGITS)
    duration_s = round(duration_s, SECONDS_DIGITS)
    status, code, error = "ok", "", ""
    if is_partial:
        status, code, error = "partial", "truncated", f"{decoded_s} of {duration_s} s could be decoded"
    start_s, end_s, speech_s = (
        None if value is None else round(value, SECONDS_DIGITS) for value in (start_s, end_s, speech_s)
    )
    n_emotions = len(EMOTIONS) + len(own_emotions)
    return Row(
        path,
        rounded[:n_emotions],
        duration_s,
        decoded_s,
        status,
        code,
        error,
        start_s,
        end_s,
        quality,
        speech_s=speech_s,
        own_emotions=own_emotions,
        speaker_probabilities=rounded[n_emotions:],
    )


def _rounded(probabilities: Iterable[float]) -> tuple[float, ...]:
    return tuple(round(float(p), PROBABILITY_DIGITS) for p in probabilities)


def with_probabilities(row: Row, probabilities: Iterable[float]) -> Row:
    """Return a row with other probabilities, and none of the speaker head.

    Parameters
    ----------
    row : Row
        A labelled row.
    probabilities : iterable of float
        The new ones, in the order of the row's.

    Returns
    -------
    Row
        The row with these probabilities, rounded.
    """
    return dataclasses.replace(row, probabilities=_rounded(probabilities), speaker_probabilities=())


def error_row(path: str, error: RecordingError, start_s: float | None = None, end_s: float | None = None) -> Row:
    """Make the row of a recording or segment that could not be labelled.

    Parameters
    ----------
    path : str
        As given.
    error : RecordingError
        Its code and message become ``error_code`` and ``error``.
    start_s, end_s : float, optional
        Place of a segment in the recording, in seconds.

    Returns
    -------
    Row
        Its status is ``error``.
    """
    return Row(path, (), None, None, "error", error.code, str(error), start_s, end_s)
