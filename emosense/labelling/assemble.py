"""Labelled recordings, in order of path -> the table, the table of segments and the exports, in constant memory."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from emosense.labelling.config import Labelled
from emosense.labelling.job import LabelJob, Summary
from emosense.labelling.speakers import Speakers
from emosense.storage.files import atomic_writer
from emosense.tables.exports import EXPORTS, opened
from emosense.tables.row import COLUMNS, QUALITY_COLUMNS, SEGMENT_COLUMNS, SPEAKER_COLUMNS, Row
from emosense.tables.writers import WRITERS, TableWriter, format_of

_ROWS_A_WRITE: Final = 4096
# A source is called for every pass over what was labelled.
Source = Callable[[], Iterator[Labelled]]


def assemble(job: LabelJob, speakers: Speakers | None, source: Source, summary: Summary) -> None:
    """Write all that the job asks for, and count its rows.

    Parameters
    ----------
    speakers : Speakers or None
        Whom to adapt to.
    source : callable
        Gives what was labelled, in order of path.
    """
    speaker = SPEAKER_COLUMNS if speakers else ()
    columns = (*COLUMNS, *(QUALITY_COLUMNS if job.config.quality else ()), *speaker)
    with contextlib.ExitStack() as stack:
        tables = [
            _open_table(stack, place, columns, job.min_confidence)
            for name, place in job.tables.items()
            if name in WRITERS
        ]
        write_segments = None
        if job.segments_output:
            write_segments = _open_table(stack, job.segments_output, (*SEGMENT_COLUMNS, *speaker), job.min_confidence)
        exports = [stack.enter_context(opened(name, job.output)) for name in job.tables if name in EXPORTS]
        for labelled in _adapted(speakers, source):
            row, segments = labelled.row, labelled.segments
            summary.count(row)
            for write in tables:
                write([row])
            for export in exports:
                export.write(row, segments)
            if write_segments:
                write_segments(segments)


def _adapted(speakers: Speakers | None, source: Source) -> Iterator[Labelled]:
    """Give what was labelled, adapted to the speakers where that is asked for.

    Parts hold what the model says of each recording alone: who speaks can be asked for later, or in another way, and
    nothing is labelled again.
    """
    if speakers is None:
        return source()
    speakers.gather(labelled.row for labelled in source())
    return map(speakers.adapted, source())


def _open_table(
    stack: contextlib.ExitStack, output: str, columns: tuple[str, ...], min_confidence: float | None
) -> Callable[[Iterable[Row]], None]:
    """Open a table and return what appends rows to it; they are written some thousands at a time."""
    file = stack.enter_context(atomic_writer(output))
    writer: TableWriter = WRITERS[format_of(output)](file, columns, min_confidence)
    stack.callback(writer.close)
    rows: list[Row] = []

    def flush() -> None:
        if rows:
            writer.write(rows)
            rows.clear()

    def append(more: Iterable[Row]) -> None:
        rows.extend(more)
        if len(rows) >= _ROWS_A_WRITE:
            flush()

    stack.callback(flush)
    return append
