"""One part of a run: labelled recordings, in order of path -> a Parquet file that proves itself.

    0002-00000017-5f70bf18a086.parquet     generation, number of the part in it, first digits of the file's SHA-256

The name has the digest of the content, so a part never changes: a task that Ray repeats writes the same file or another
one beside it, and its name shows whether a file is damaged. The columns are those of a table of recordings with all
that is measured (`emosense.tables.columns`), and

    size, version            the content that was labelled, as it was listed
    segments                 JSON: the rows of the segments; null if the only one says no more than the row
    speaker_probabilities    JSON: what the model's speaker head gives; null without one

A recording whose channels are split has one row for each. The footer's metadata, `HEADER`, is JSON: generation and
number of the part, a digest of the settings it was made with, the versions of the decoders, and the kind of CPU.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import io
import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from emosense.errors import OutputError
from emosense.inputs.recording import Recording
from emosense.labelling.labelled import Labelled
from emosense.labelling.run.cpu_kind import cpu_kind
from emosense.labelling.run.finished import as_segment, decoder_versions
from emosense.storage.folders import list_folder
from emosense.storage.locations import join, redact
from emosense.storage.writing import write_bytes
from emosense.tables.formats import TableLayout
from emosense.tables.row import Row
from emosense.tables.writers import arrow_schema, arrow_table

if TYPE_CHECKING:
    import pyarrow as pa

HEADER: Final = b"emosense.part"
NAME: Final = re.compile(r"([0-9]{4,9})-([0-9]{8})-([0-9a-f]{12})\.parquet")
_GROUPS: Final = frozenset[Any]({"channels", "quality"})


@dataclasses.dataclass(frozen=True, slots=True)
class KeptPart:
    """A part in its place.

    Parameters
    ----------
    name : str
        Name of the file in the run folder.
    first, last : str
        Paths of its first and last recording.
    cpu : str
        Kind of the CPU that labelled it; empty if not known.
    """

    name: str
    first: str
    last: str
    cpu: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class PartPlace:
    """Where one start of a run keeps its parts: all that a worker must know to write one.

    Parameters
    ----------
    folder : str
        Local path or URL of the run folder.
    generation : int
        Number of the start.
    settings : str
        Digest of the settings that change results.
    own_emotions : tuple of str
        Emotions of the model beside `EMOTIONS`.
    """

    folder: str
    generation: int
    settings: str
    own_emotions: tuple[str, ...] = ()

    def write(self, index: int, done: Sequence[tuple[Recording, Labelled]]) -> KeptPart:
        """Put one part in place.

        Parameters
        ----------
        index : int
            Number of the part, >= 0.
        done : sequence of (Recording, Labelled)
            What was labelled, in order of path; at least one.

        Returns
        -------
        KeptPart

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        content = _content(self, index, done)
        digest = hashlib.sha256(content).hexdigest()[:12]
        name = f"{self.generation:04d}-{index:08d}-{digest}.parquet"
        write_bytes(join(self.folder, name), content)
        return KeptPart(name, done[0][0].path, done[-1][0].path, cpu_kind())


def _content(place: PartPlace, index: int, done: Sequence[tuple[Recording, Labelled]]) -> bytes:
    import pyarrow.parquet as pq

    results = [(recording, result) for recording, labelled in done for result in labelled.by_channel]
    records = _layout(place.own_emotions).records([result.row for _, result in results])
    more = (
        {
            "size": recording.size,
            "version": recording.version,
            "segments": _segments(result),
            "speaker_probabilities": _speaker(result.row),
        }
        for recording, result in results
    )
    header = {
        "part": [place.generation, index],
        "settings": place.settings,
        "decoders": decoder_versions(),
        "cpu": cpu_kind(),
    }
    schema = part_schema(place.own_emotions).with_metadata({HEADER: json.dumps(header).encode()})
    table = arrow_table((record | extra for record, extra in zip(records, more, strict=True)), schema)
    file = io.BytesIO()
    pq.write_table(
        table,
        file,
        compression="zstd",
        use_dictionary=["emotion", "status", "error_code", "error"],
        write_statistics=["path"],
    )
    return file.getvalue()


@functools.cache
def part_schema(own_emotions: tuple[str, ...]) -> pa.Schema:
    """Return the columns of a part.

    Parameters
    ----------
    own_emotions : tuple of str
        Emotions of the model beside `EMOTIONS`.

    Returns
    -------
    pyarrow.Schema
        Without metadata.
    """
    import pyarrow as pa

    schema = arrow_schema(_layout(own_emotions))
    for name in ("size", "version", "segments", "speaker_probabilities"):
        schema = schema.append(pa.field(name, pa.int64() if name == "size" else pa.string()))
    return schema.remove_metadata()


def _layout(own_emotions: tuple[str, ...]) -> TableLayout:
    return TableLayout(_GROUPS, own_emotions=own_emotions)


def _segments(result: Labelled) -> str | None:
    """Return the rows of the segments; most short recordings have a single one that is the whole recording."""
    if result.segments == (as_segment(result.row),):
        return None
    return json.dumps([row.to_json() for row in result.segments], separators=(",", ":"))


def _speaker(row: Row) -> str | None:
    return json.dumps(row.speaker_probabilities) if row.speaker_probabilities else None


def generation_of(name: str) -> int | None:
    """Return the generation of a part.

    Parameters
    ----------
    name : str
        Name of a file in a run folder.

    Returns
    -------
    int or None
        None if the file is not a part.
    """
    match = NAME.fullmatch(name)
    return int(match[1]) if match else None


def part_names(folder: str) -> list[str]:
    """List the parts in a run folder.

    Parameters
    ----------
    folder : str
        Local path or URL.

    Returns
    -------
    list of str
        Their names, sorted; empty where there is no such folder.

    Raises
    ------
    OutputError
        If the folder cannot be listed.
    """
    try:
        return [name for name in list_folder(folder) if generation_of(name) is not None]
    except OSError as err:
        raise OutputError(f"cannot list {redact(folder)}: {err.strerror or err}") from err
