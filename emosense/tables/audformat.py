"""Labels as a database of audEERING's audformat: labelled time spans in segmented tables, with a header in YAML."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from typing import BinaryIO, Final

from emosense.emotions import EMOTIONS
from emosense.storage.cells import quoted_cell
from emosense.storage.folders import make_inner_folder
from emosense.storage.locations import join
from emosense.storage.writing import atomic_writer, write_bytes
from emosense.tables.exports import spans, usable_path
from emosense.tables.formats import OUTPUT_FORMATS, OutputFormat, TableLayout, WriteRows
from emosense.tables.row import Row

_DATABASE: Final = """\
name: emosense
source: EmoSense
usage: other
languages: []
schemes:
  emotion:
    dtype: str
    labels: LABELS
  confidence:
    dtype: float
    minimum: 0
    maximum: 1
tables:
"""
_TABLE: Final = """\
  NAME:
    type: segmented
    columns:
      emotion: {scheme_id: emotion}
      confidence: {scheme_id: confidence}
"""
_HEADER: Final = b"file,start,end,emotion,confidence\n"


@contextlib.contextmanager
def audformat_database(folder: str, layout: TableLayout) -> Iterator[WriteRows]:
    """Write a database of audEERING's audformat: ``db.yaml`` and a segmented table.

    Where channels are split, each has its own table: the index of a table holds a file and its time spans, once.

    Source: audformat 1.3, 'Header' and 'Tables'.

    Parameters
    ----------
    folder : str
        Folder of the database.
    layout : TableLayout
        Says which emotions there are, and how a file is put in place.

    Yields
    ------
    callable
        Appends the segments of one recording.
    """
    make_inner_folder(folder, "")
    labels = json.dumps([*EMOTIONS, *layout.own_emotions])
    tables: dict[str, BinaryIO] = {}
    with contextlib.ExitStack() as stack:

        def table(name: str) -> BinaryIO:
            if name not in tables:
                tables[name] = stack.enter_context(atomic_writer(join(folder, f"db.{name}.csv"), layout.commit))
                tables[name].write(_HEADER)
            return tables[name]

        def write(rows: Sequence[Row]) -> None:
            for start, end, row in spans(rows):
                file = table("emotion" if row.channel is None else f"emotion.channel{row.channel}")
                path, times = quoted_cell(usable_path(row.path)), (_timedelta(start), _timedelta(end))
                file.write(f"{path},{','.join(times)},{row.emotion},{row.confidence:.6f}\n".encode())

        yield write
        if not tables:
            table("emotion")
        header = _DATABASE.replace("LABELS", labels)
        header += "".join(_TABLE.replace("NAME", name) for name in sorted(tables))
        write_bytes(join(folder, "db.yaml"), header.encode(), layout.commit)


def _timedelta(seconds: float) -> str:
    """Return a duration as pandas writes it: ``0 days 00:00:01.500000``."""
    microseconds = round(seconds * 1e6)
    minutes, rest = divmod(microseconds, 60_000_000)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{days} days {hours:02d}:{minutes:02d}:{rest // 1_000_000:02d}.{rest % 1_000_000:06d}"


OUTPUT_FORMATS.register(
    "audformat",
    OutputFormat(
        "a database with a segmented table",
        ".audformat",
        audformat_database,
        needs_segments=True,
        is_folder=True,
        can_be_main=False,
    ),
)
