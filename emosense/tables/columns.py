"""The columns of all tables: one entry per column, in the order in which a table holds them.

Rows, writers, the Parquet schema and docs/rows.md read names, types and digits from here. A table has the columns that
are always there and those of the groups that were asked for. `SCHEMA_VERSION` changes with every release that writes
another column or computes another value: docs/rows.md says what changed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Final, Literal

from emosense.emotions import EMOTIONS
from emosense.registry import Registry

# Version 3 is that of release 0.1.
SCHEMA_VERSION: Final = 4
PROBABILITY_DIGITS: Final = 6
SECONDS_DIGITS: Final = 3

# A name comes from the file system and may hold bytes that are not UTF-8.
Kind = Literal["name", "text", "number", "count", "flag"]
Group = Literal["always", "channels", "recordings", "segments", "quality", "speakers", "min_confidence"]


@dataclasses.dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Parameters
    ----------
    name : str
        Its name in every format.
    description : str
        What it holds, in one line of Markdown.
    kind : str
        Type of its values: ``name``, ``text``, ``number``, ``count`` or ``flag``.
    group : str
        When a table has it: ``always``, only in a table of ``recordings`` or of ``segments``, where ``channels`` are
        split, or with the option ``quality``, ``speakers`` or ``min_confidence``.
    digits : int
        Digits after the decimal point of a number in a text format.
    """

    name: str
    description: str
    kind: Kind = "number"
    group: Group = "always"
    digits: int = PROBABILITY_DIGITS


SCHEMA: Final = Registry[Column]("column")
for _column in (
    Column("path", "the recording as it was given: the folder's name and the path below it, or the URL", "name"),
    Column(
        "channel", "the channel, from 1; empty in the error row of a recording whose channels are not known",
        "count", "channels",
    ),
    Column("emotion", f"the most probable of {', '.join(EMOTIONS)}; empty in an error row", "text"),
    Column("confidence", "probability of that emotion, 0 to 1"),
    *(
        Column(f"p_{emotion}", f"probability of {emotion}; 0 if the model does not know it or it was not chosen")
        for emotion in EMOTIONS
    ),
    Column(
        "duration_s", "seconds by the file's header, or by decoding if the header does not say", digits=SECONDS_DIGITS
    ),
    Column("decoded_s", "seconds that could be decoded", digits=SECONDS_DIGITS),
    Column("speech_s", "seconds of speech that the label is from; empty without a label", digits=SECONDS_DIGITS),
    Column(
        "unfamiliar",
        "`true` if the speech is unlike the training data (`distance` above 1); empty without a label, or if the model "
        "has no measure",
        "flag",
    ),
    Column(
        "n_segments", "number of windows with speech that the label is from; empty without a label",
        "count", "recordings",
    ),
    Column(
        "agreement",
        "share of the speech whose own segment has the label of the row, 0 to 1; empty without a label",
        group="recordings",
    ),
    Column("status", "`ok`; `partial`: labelled on the part that could be decoded; `error`: no label", "text"),
    Column("error_code", "why the status is not `ok`: a code of the table below", "text"),
    Column("error", "the same as a sentence for people", "text"),
    Column("start_s", "start of the segment in seconds, by the file's own clock", "number", "segments", SECONDS_DIGITS),
    Column("end_s", "end of the segment in seconds, by the file's own clock", "number", "segments", SECONDS_DIGITS),
    Column("level_dbfs", "root mean square of the whole recording in dB of full scale", "number", "quality"),
    Column("clipping_ratio", "share of samples at full scale, 0 to 1; the highest of channels", "number", "quality"),
    Column("speech_ratio", "share of 20 ms frames that are loud enough to be speech, 0 to 1", "number", "quality"),
    Column("snr_db", "level of the loud frames above the quiet tenth of the frames, in dB", "number", "quality"),
    Column(
        "distance", "distance from the training recordings, as the model measures it; above 1 is unfamiliar",
        "number", "quality",
    ),
    Column("speaker", "the speaker; empty if not known", "name", "speakers"),
    Column(
        "speaker_recordings",
        "number of recordings of the speaker, or folder, that the row is adapted to; empty without adaptation",
        "count", "speakers",
    ),
    Column("uncertain", "`true` if the confidence is below `--min-confidence` or missing", "flag", "min_confidence"),
):  # fmt: skip
    SCHEMA.register(_column.name, _column)


def select_columns(groups: AbstractSet[Group] = frozenset(), own: Sequence[str] = ()) -> tuple[Column, ...]:
    """Return the columns of a table.

    Parameters
    ----------
    groups : set of str
        Groups beside ``always``. Without ``segments``, the table is one of recordings.
    own : sequence of str
        Emotions of a user's own, which have columns after those of `EMOTIONS`.

    Returns
    -------
    tuple of Column
        In the order of the schema.
    """
    groups = groups | {"always", "segments" if "segments" in groups else "recordings"}
    result = []
    for column in SCHEMA.values():
        if column.group in groups:
            result.append(column)
        if column.name == PROBABILITY_COLUMNS[-1]:
            result += [
                dataclasses.replace(column, name=f"p_{name}", description=f"probability of {name}") for name in own
            ]
    return tuple(result)


def _names(*groups: Group) -> tuple[str, ...]:
    return tuple(column.name for column in SCHEMA.values() if column.group in groups)


COLUMNS: Final = _names("always", "recordings")
SEGMENT_COLUMNS: Final = _names("always", "segments")
# emosense.labelling.trust computes these, emosense.labelling.speakers fills in those of speakers.
QUALITY_COLUMNS: Final = _names("quality")
SPEAKER_COLUMNS: Final = _names("speakers")
PROBABILITY_COLUMNS: Final = tuple(f"p_{emotion}" for emotion in EMOTIONS)
