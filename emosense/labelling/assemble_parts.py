"""Parts -> Parquet tables without a row of Python: a part that holds the next recordings of the list passes as it is.

For tables of recordings with what the model gave: without speakers, chosen emotions or segments. A part that overlaps
another one, or has a recording that is not in the list any more, is read row by row. The bytes are those that
`emosense.labelling.assemble` writes.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from emosense.inputs.listing import Listing
from emosense.inputs.recording import Recording
from emosense.labelling.run.finished import in_order
from emosense.labelling.run.part_content import PartFile
from emosense.labelling.run.parts import RunFolder
from emosense.labelling.run.stretches import Stretch
from emosense.labelling.summary import Summary
from emosense.tables.formats import OUTPUT_FORMATS, TableLayout
from emosense.tables.row import Row
from emosense.tables.writers import arrow_schema, arrow_table

if TYPE_CHECKING:
    import pyarrow as pa


def assemble_parts(
    places: dict[str, str], layout: TableLayout, folder: RunFolder, listing: Listing, summary: Summary, n_rows: int
) -> None:
    """Write tables in formats that take tables, and count their rows.

    Parameters
    ----------
    places : dict of str to str
        Where the table is written, by format.
    layout : TableLayout
        Columns of the table.
    folder : RunFolder
        Has the parts.
    listing : Listing
        Recordings of the table, all of them finished.
    summary : Summary
        Rows are counted here.
    n_rows : int
        Rows of every write but the last: they decide the bytes.
    """
    schema = arrow_schema(layout)
    with contextlib.ExitStack() as stack:
        writes = [stack.enter_context(OUTPUT_FORMATS[name].open(place, layout)) for name, place in places.items()]
        found = (
            table
            for stretch in folder.stretches()
            for table in _tables(stretch, layout, schema, listing, summary, folder.place.own_emotions, n_rows)
        )
        for table in _cut(found, n_rows):
            for write in writes:
                write(table)
        # Before the tables are put in place: nothing may be missing between the stretches.
        if summary.n_recordings != len(listing):
            collections.deque(in_order(listing, folder.finished(), complete=True), maxlen=0)


def _tables(
    stretch: Stretch, layout: TableLayout, schema: pa.Schema, listing: Listing, summary: Summary,
    own_emotions: tuple[str, ...], n_rows: int,
) -> Iterator[pa.Table]:  # fmt: skip
    """Yield the columns of a stretch, counted; rows become columns many at a time, which takes a 30th of the time."""
    listed = listing.between(stretch.first, stretch.last)
    if stretch.part is not None:
        recordings = list(listed)
        if stretch.part.is_of(recordings):
            _count(stretch.part, summary, own_emotions)
            yield _selected(stretch.part.table, layout, schema)
            return
        listed = iter(recordings)
    rows: list[Row] = []
    for entry in in_order(map(Recording.of_listed, listed), stretch.finished, complete=True):
        for labelled in entry.labelled.by_channel:
            summary.count(labelled)
            rows.append(labelled.row)
        if len(rows) >= n_rows:
            yield arrow_table(layout.records(rows), schema)
            rows = []
    if rows:
        yield arrow_table(layout.records(rows), schema)


def _selected(table: pa.Table, layout: TableLayout, schema: pa.Schema) -> pa.Table:
    """Return the columns that a table has, of those that a part has."""
    import pyarrow.compute as pc

    if layout.min_confidence is not None:
        is_less = pc.less(table.column("confidence"), layout.min_confidence)
        table = table.append_column("uncertain", pc.fill_null(is_less, True))
    return table.select(schema.names).replace_schema_metadata(schema.metadata)


def _count(part: PartFile, summary: Summary, own_emotions: tuple[str, ...]) -> None:
    """Count the rows of a part: those with segments of their own one by one, the others by column."""
    import pyarrow.compute as pc

    segments = part.table.column("segments")
    has_segments = pc.fill_null(pc.not_equal(segments, "[]"), False)
    for entry in dataclasses.replace(part, table=part.table.filter(has_segments)).finished(own_emotions):
        summary.count(entry.labelled)
    table = part.table.filter(pc.invert(has_segments))
    summary.n_recordings += table.num_rows
    summary.n_rows += table.num_rows
    summary.n_unfamiliar += pc.sum(table.column("unfamiliar")).as_py() or 0
    for name, counter in (
        ("status", summary.by_status), ("emotion", summary.by_emotion), ("error_code", summary.by_error)
    ):  # fmt: skip
        for each in pc.value_counts(table.column(name)).to_pylist():
            if each["values"]:
                counter[each["values"]] += each["counts"]
    table = table.filter(pc.is_null(table.column("segments")))
    by_emotion = table.group_by("emotion", use_threads=False).aggregate([("speech_s", "sum")])
    summary.speech_s.update({each["emotion"]: each["speech_s_sum"] or 0.0 for each in by_emotion.to_pylist()})


def _cut(tables: Iterable[pa.Table], n_rows: int) -> Iterator[pa.Table]:
    """Yield the same rows, so many at a time."""
    import pyarrow as pa

    waiting: list[pa.Table] = []
    n_waiting = 0
    for table in tables:
        waiting.append(table)
        n_waiting += table.num_rows
        while n_waiting >= n_rows:
            joined = pa.concat_tables(waiting)
            yield joined.slice(0, n_rows).combine_chunks()
            waiting, n_waiting = [joined.slice(n_rows)], n_waiting - n_rows
    if n_waiting:
        yield pa.concat_tables(waiting).combine_chunks()
