"""Labels for the tools of neighbouring fields: Audacity label tracks, Raven selection tables, audformat databases.

Each takes rows in order, a recording at a time with its segments, and writes beside the table. A recording without
segments counts as one from its start to its end; one without a label has no entry, since these formats have no place
for an error: the table itself keeps it.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO, Final, Protocol

from emosense.emotions import EMOTIONS
from emosense.storage.files import atomic_writer, join, make_folder, write_bytes
from emosense.tables.row import Row, printable_path

# File systems take 255 bytes, and .txt and .tmp-PID come behind; S3 takes keys of 1,024 bytes.
_MAX_STEP_BYTES: Final = 235
_MAX_NAME_BYTES: Final = 800


class Export(Protocol):
    """Writes recordings in a foreign format."""

    def write(self, row: Row, segments: Sequence[Row]) -> None:
        """Append one recording."""
        ...


def spans(row: Row, segments: Sequence[Row]) -> list[tuple[float, float, Row]]:
    """Return the labelled stretches of a recording as (start_s, end_s, row)."""
    if segments:
        return [(part.start_s or 0.0, part.end_s or 0.0, part) for part in segments if part.emotion]
    return [(0.0, row.decoded_s or 0.0, row)] if row.emotion else []


def place_of(output: str, name: str) -> str:
    """Return where a table lies in another format: ``labels.csv`` gives ``labels.jsonl``, or ``labels.raven.txt``."""
    return os.path.splitext(output)[0] + (".raven.txt" if name == "raven" else f".{name}")


class AudacityExport:
    """One label track a recording, ``<output>.audacity/<path>.txt``: start, end and label, separated by tabs.

    See `relative_name` for the names of paths that lead upwards, begin at the root, or are long.

    Source: Audacity manual, 'Importing and Exporting Labels'.
    """

    def __init__(self, output: str, _stack: contextlib.ExitStack) -> None:
        self._folder = place_of(output, "audacity")

    def write(self, row: Row, segments: Sequence[Row]) -> None:
        """Write the track of one recording."""
        lines = [
            f"{start:.6f}\t{end:.6f}\t{part.emotion} {part.confidence:.2f}\n"
            for start, end, part in spans(row, segments)
        ]
        if lines:
            location = join(self._folder, relative_name(row.path) + ".txt")
            make_folder(location.rpartition("/")[0])
            write_bytes(location, "".join(lines).encode())


def relative_name(path: str) -> str:
    """Return a path as a name below a folder, a name of its own for each path.

    What a folder cannot be called is percent-encoded: ``/data/x.wav`` gives ``%2Fdata/x.wav``, ``../x.wav`` gives
    ``%2E%2E/x.wav`` and ``s3://b/x.wav`` gives ``s3:/%2Fb/x.wav``. What is too long is cut and ends in a digest.
    """
    text = re.sub(r"(?<![^/])/", "%2F", printable_path(path).replace("%", "%25"))
    text = re.sub(r"(?<![^/])\.\.?(?![^/])", lambda step: "%2E" * len(step[0]), text)
    # The folder x.wav.txt would lie where the track of x.wav does.
    text = text.replace(".txt/", "%2Etxt/")
    name = "/".join(_cut(step, _MAX_STEP_BYTES) for step in text.split("/"))
    return name if len(name.encode()) <= _MAX_NAME_BYTES else _cut(text.replace("/", "%2F"), _MAX_STEP_BYTES)


def _cut(text: str, n_bytes: int) -> str:
    content = text.encode()
    if len(content) <= n_bytes:
        return text
    digest = hashlib.sha256(content).hexdigest()[:16]
    return f"{content[: n_bytes - 1 - len(digest)].decode(errors='ignore')}-{digest}"


class _Table:
    """A table of text lines in one file that appears when its block ends without an error."""

    def __init__(self, stack: contextlib.ExitStack, location: str, header: Sequence[str], delimiter: str) -> None:
        self._file: BinaryIO = stack.enter_context(atomic_writer(location))
        self._delimiter = delimiter
        self.append(header)

    def append(self, cells: Sequence[str]) -> None:
        """Write one line."""
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=self._delimiter, lineterminator="\n").writerow(cells)
        self._file.write(text.getvalue().encode())


class RavenExport:
    """One selection table for all recordings, ``<output>.raven.txt``.

    Source: Raven Pro user's manual, 'Selection tables'; times are within the file that ``Begin Path`` names.
    """

    _HEADER: Final = (
        "Selection", "View", "Channel", "Begin Time (s)", "End Time (s)", "Begin Path", "File Offset (s)", "Emotion",
        "Confidence",
    )  # fmt: skip

    def __init__(self, output: str, stack: contextlib.ExitStack) -> None:
        self._table = _Table(stack, place_of(output, "raven"), self._HEADER, "\t")
        self._n_written = 0

    def write(self, row: Row, segments: Sequence[Row]) -> None:
        """Append the selections of one recording."""
        # A break within a cell would end its line for readers that know no quotes.
        path = printable_path(row.path).replace("\n", r"\n").replace("\r", r"\r")
        for start, end, part in spans(row, segments):
            self._n_written += 1
            times = (f"{start:.3f}", f"{end:.3f}", path, f"{start:.3f}")
            cells = (str(self._n_written), "Spectrogram 1", "1", *times, part.emotion, f"{part.confidence:.6f}")
            self._table.append(cells)


class AudformatExport:
    """A database of audEERING's audformat, ``<output>.audformat/``: ``db.yaml`` and a segmented table.

    Source: audformat 1.3, 'Header' and 'Tables'.
    """

    def __init__(self, output: str, stack: contextlib.ExitStack) -> None:
        self._folder = place_of(output, "audformat")
        make_folder(self._folder)
        write_bytes(join(self._folder, "db.yaml"), _AUDFORMAT_HEADER.encode())
        header = ("file", "start", "end", "emotion", "confidence")
        self._table = _Table(stack, join(self._folder, "db.emotion.csv"), header, ",")

    def write(self, row: Row, segments: Sequence[Row]) -> None:
        """Append the segments of one recording."""
        for start, end, part in spans(row, segments):
            times = (_timedelta(start), _timedelta(end))
            self._table.append((printable_path(row.path), *times, part.emotion, f"{part.confidence:.6f}"))


def _timedelta(seconds: float) -> str:
    """Return a duration as pandas writes it: ``0 days 00:00:01.500000``."""
    microseconds = round(seconds * 1e6)
    minutes, rest = divmod(microseconds, 60_000_000)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{days} days {hours:02d}:{minutes:02d}:{rest // 1_000_000:02d}.{rest % 1_000_000:06d}"


_AUDFORMAT_HEADER: Final = f"""\
name: emosense
source: EmoSense
usage: other
languages: []
schemes:
  emotion:
    dtype: str
    labels: {json.dumps(list(EMOTIONS))}
  confidence:
    dtype: float
    minimum: 0
    maximum: 1
tables:
  emotion:
    type: segmented
    columns:
      emotion: {{scheme_id: emotion}}
      confidence: {{scheme_id: confidence}}
"""

EXPORTS: Final[dict[str, Callable[[str, contextlib.ExitStack], Export]]] = {
    "audacity": AudacityExport,
    "raven": RavenExport,
    "audformat": AudformatExport,
}
# The exports that are folders of files.
FOLDERS: Final = frozenset({"audacity", "audformat"})


@contextlib.contextmanager
def opened(name: str, output: str) -> Iterator[Export]:
    """Give an export whose files are in place when the block ends without an error."""
    with contextlib.ExitStack() as stack:
        yield EXPORTS[name](output, stack)
