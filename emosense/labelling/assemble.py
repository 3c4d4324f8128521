"""Labelled recordings, in order of path -> the table, the table of segments and the exports, in constant memory."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from emosense.evaluation.choice import EmotionChoice
from emosense.labelling.job import LabelJob
from emosense.labelling.labelled import Labelled
from emosense.labelling.speakers import Speakers
from emosense.labelling.summary import Summary
from emosense.storage.commits import Commit, at_once
from emosense.tables.columns import Group
from emosense.tables.formats import OUTPUT_FORMATS, TableLayout, WriteRows, format_of
from emosense.tables.row import Row

ROWS_A_WRITE: Final = 4096
# Called once for every pass over the results.
Source = Callable[[], Iterator[Labelled]]


def layout_of(job: LabelJob, own_emotions: tuple[str, ...], commit: Commit) -> TableLayout:
    """Return what the rows of a job's table hold.

    Parameters
    ----------
    job : LabelJob
    own_emotions : tuple of str
        Emotions of the model beside `EMOTIONS`.
    commit : callable
        Puts a complete table in place.

    Returns
    -------
    TableLayout
    """
    groups: set[Group] = set()
    if job.config.splits_channels:
        groups.add("channels")
    if job.quality:
        groups.add("quality")
    if job.speaker_rule is not None:
        groups.add("speakers")
    return TableLayout(frozenset(groups), job.min_confidence, own_emotions, commit)


def assemble(
    job: LabelJob,
    speakers: Speakers | None,
    source: Source,
    summary: Summary,
    own_emotions: tuple[str, ...] = (),
    commit: Commit = at_once,
) -> None:
    """Write every table of a job, and count its rows.

    Parameters
    ----------
    job : LabelJob
    speakers : Speakers or None
        Speakers to adapt to.
    source : callable
        Gives an iterator over the results, one for each row, in order of path and channel.
    summary : Summary
        Rows are counted here.
    own_emotions : tuple of str
        Emotions of the model beside `EMOTIONS`.
    commit : callable
        Puts a complete table in place.
    """
    layout = layout_of(job, own_emotions, commit)
    tables: list[WriteRows] = []
    tracks: list[WriteRows] = []
    with contextlib.ExitStack() as stack:
        for name, place in job.tables.items():
            write = stack.enter_context(OUTPUT_FORMATS[name].open(place, layout))
            if OUTPUT_FORMATS[name].needs_segments:
                tracks.append(write)
            else:
                tables.append(_buffered(stack, write))
        write_segments: WriteRows | None = None
        if job.segments_output:
            layout = dataclasses.replace(layout, groups=layout.groups | {"segments"})
            output_format = OUTPUT_FORMATS[format_of(job.segments_output)]
            write_segments = _buffered(stack, stack.enter_context(output_format.open(job.segments_output, layout)))
        for labelled in _adapted(speakers, _chosen(job.emotions, source)):
            labelled = labelled.with_agreement()
            row, segments = labelled.row, labelled.segments
            summary.count(labelled)
            for write in tables:
                write([row])
            for write in tracks:
                write(segments or [row])
            if write_segments:
                write_segments(segments)


def _chosen(emotions: EmotionChoice | None, source: Source) -> Source:
    """Give the results with the probabilities of the chosen emotions; parts hold those of all emotions."""
    if emotions is None:
        return source
    return lambda: (labelled.with_emotions(emotions) for labelled in source())


def _adapted(speakers: Speakers | None, source: Source) -> Iterator[Labelled]:
    """Adapt the results to their speakers.

    Parts hold what the model predicts for each recording on its own, so speakers can be added later, or given in
    another way, without labelling again.
    """
    if speakers is None:
        return source()
    speakers.gather(labelled.row for labelled in source())
    return map(speakers.adapted, source())


def _buffered(stack: contextlib.ExitStack, write: WriteRows) -> WriteRows:
    """Return a function that appends rows some thousands at a time; the last ones when the stack is closed."""
    rows: list[Row] = []

    def flush() -> None:
        if rows:
            write(rows)
            rows.clear()

    def append(more: Sequence[Row]) -> None:
        rows.extend(more)
        if len(rows) >= ROWS_A_WRITE:
            flush()

    stack.callback(flush)
    return append
