"""Labels for the tools of neighbouring fields: Audacity label tracks and Raven selection tables.

These formats hold labelled time spans, for one recording at a time. A recording without a label has no entry:
they have no place for an error, which only the table holds.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import itertools
import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO, Final

from emosense.storage.cells import printable_path
from emosense.storage.folders import make_inner_folder
from emosense.storage.locations import join
from emosense.storage.writing import write_bytes
from emosense.tables.formats import OUTPUT_FORMATS, OutputFormat, TableLayout, WriteRows, single_file
from emosense.tables.row import Row

# File systems allow 255 bytes, and .txt and .tmp-PID are appended; S3 allows keys of 1,024 bytes.
_MAX_PART_BYTES: Final = 235
_MAX_NAME_BYTES: Final = 800


def spans(rows: Sequence[Row]) -> list[tuple[float, float, Row]]:
    """Return the labelled time spans of a recording.

    Parameters
    ----------
    rows : sequence of Row
        The segments of a recording, or its row, which lasts from its start to its end.

    Returns
    -------
    list of tuple
        (start_s, end_s, row) of each row that has a label.
    """
    return [(row.start_s or 0.0, _end_s(row), row) for row in rows if row.emotion]


def _end_s(row: Row) -> float:
    return (row.decoded_s if row.end_s is None else row.end_s) or 0.0


@contextlib.contextmanager
def audacity_tracks(folder: str, layout: TableLayout) -> Iterator[WriteRows]:
    """Write one label track per recording, ``<folder>/<path>.txt``: start, end and label, separated by tabs.

    Where channels are split, each has its own track, ``<folder>/<path>.channel1.txt``.

    See `relative_name` for the names of paths that lead upwards, begin at the root, or are long.

    Source: Audacity manual, 'Importing and Exporting Labels'.

    Parameters
    ----------
    folder : str
        Folder of the tracks.
    layout : TableLayout
        Says how a file is put in place; the columns of a track are fixed.

    Yields
    ------
    callable
        Writes the track of one recording.
    """

    def write(rows: Sequence[Row]) -> None:
        lines = [f"{start:.6f}\t{end:.6f}\t{row.emotion} {row.confidence:.2f}\n" for start, end, row in spans(rows)]
        if lines:
            channel = "" if rows[0].channel is None else f".channel{rows[0].channel}"
            name = relative_name(rows[0].path + channel) + ".txt"
            make_inner_folder(folder, name.rpartition("/")[0])
            write_bytes(join(folder, name), "".join(lines).encode(), layout.commit)

    yield write


def relative_name(path: str) -> str:
    """Return a path as a name below a folder; different paths have different names.

    Parameters
    ----------
    path : str
        Path or URL of a recording.

    Returns
    -------
    str
        The path with whatever cannot be the name of a folder percent-encoded: ``/data/x.wav`` gives
        ``%2Fdata/x.wav``, ``../x.wav`` gives ``%2E%2E/x.wav`` and ``s3://b/x.wav`` gives ``s3:/%2Fb/x.wav``. A name
        that is too long is cut and ends in a digest.
    """
    text = re.sub(r"(?<![^/])/", "%2F", printable_path(path).replace("%", "%25"))
    text = re.sub(r"(?<![^/])\.\.?(?![^/])", lambda match: "%2E" * len(match[0]), text)
    # The folder x.wav.txt would be at the place of the track of x.wav.
    text = text.replace(".txt/", "%2Etxt/")
    name = "/".join(_cut(part, _MAX_PART_BYTES) for part in text.split("/"))
    return name if len(name.encode()) <= _MAX_NAME_BYTES else _cut(text.replace("/", "%2F"), _MAX_PART_BYTES)


def _cut(text: str, n_bytes: int) -> str:
    content = text.encode()
    if len(content) <= n_bytes:
        return text
    digest = hashlib.sha256(content).hexdigest()[:16]
    return f"{content[: n_bytes - 1 - len(digest)].decode(errors='ignore')}-{digest}"


def usable_path(path: str) -> str:
    """Return a path that these tools still find, and that a spreadsheet does not run as a formula.

    Parameters
    ----------
    path : str
        Path or URL of a recording.

    Returns
    -------
    str
        With ``./`` before a name that begins like a formula.
    """
    text = printable_path(path)
    return f"./{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _line(cells: Sequence[str]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter="\t", lineterminator="\n").writerow(cells)
    return text.getvalue().encode()


_RAVEN_HEADER: Final = (
    "Selection", "View", "Channel", "Begin Time (s)", "End Time (s)", "Begin Path", "File Offset (s)", "Emotion",
    "Confidence",
)  # fmt: skip


@contextlib.contextmanager
def raven_table(file: BinaryIO, _layout: TableLayout) -> Iterator[WriteRows]:
    """Write one selection table for all recordings.

    Source: Raven Pro user's manual, 'Selection tables'; times are within the file that ``Begin Path`` names.

    Parameters
    ----------
    file : binary file
        Opened for writing.
    _layout : TableLayout
        Not used: the columns are fixed.

    Yields
    ------
    callable
        Appends the selections of one recording.
    """
    numbers = itertools.count(1)

    def write(rows: Sequence[Row]) -> None:
        for start, end, row in spans(rows):
            # Readers that do not support quotes would take a line break in a cell for the end of the line.
            path = usable_path(row.path).replace("\n", r"\n").replace("\r", r"\r")
            times = (f"{start:.3f}", f"{end:.3f}", path, f"{start:.3f}")
            cells = (
                str(next(numbers)),
                "Spectrogram 1",
                str(row.channel or 1),
                *times,
                row.emotion,
                f"{row.confidence:.6f}",
            )
            file.write(_line(cells))

    file.write(_line(_RAVEN_HEADER))
    yield write


for _name, _format in {
    "audacity": OutputFormat(
        "one label track per recording: start, end, emotion and confidence", ".audacity", audacity_tracks,
        needs_segments=True, is_folder=True, can_be_main=False,
    ),
    "raven": OutputFormat(
        "one selection table", ".raven.txt", single_file(raven_table), needs_segments=True, can_be_main=False
    ),
}.items():  # fmt: skip
    OUTPUT_FORMATS.register(_name, _format)
