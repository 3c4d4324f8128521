"""Settings and places of a job that cannot work -> one sentence, before anything is labelled."""

from __future__ import annotations

import glob
import itertools
import os
from collections import Counter
from collections.abc import Iterable
from typing import Final

from emosense.errors import OutputError, UsageError
from emosense.labelling.job import LabelJob
from emosense.storage.folders import make_folder, remove
from emosense.storage.locations import absolute_location, check_object_name, is_within, join, real_location, redact
from emosense.storage.schemes import is_url
from emosense.storage.writing import half_written, is_half_written
from emosense.tables.formats import OUTPUT_FORMATS, format_of

ENGINES: Final = ("auto", "local", "ray")
ADAPTATIONS: Final = ("speaker", "folder", "none")


def check_job(job: LabelJob) -> None:
    """Refuse settings that cannot work.

    Parameters
    ----------
    job : LabelJob

    Raises
    ------
    UsageError
        Naming the setting.
    OutputError
        If there is a folder where a file would be written, or a file where a folder would be.
    """
    format_of(job.output)
    if job.segments_output and OUTPUT_FORMATS[format_of(job.segments_output)].is_folder:
        raise UsageError("--segments writes one file: end it in .csv, .parquet or .jsonl")
    for name in job.exports:
        OUTPUT_FORMATS.find(name)
    _check_places(job)
    _check_kinds(job)
    if job.engine not in ENGINES:
        raise UsageError(f"unknown engine {job.engine!r}: choose one of {', '.join(ENGINES)}")
    if job.adapt is not None and job.adapt not in ADAPTATIONS:
        raise UsageError(f"--adapt takes one of {', '.join(ADAPTATIONS)}, not {job.adapt!r}")
    if job.adapts_to == "speaker" and job.speakers is None:
        raise UsageError("--adapt speaker needs --speakers, which says who speaks in each recording")
    if job.engine == "local" and job.address:
        raise UsageError("--address names a Ray cluster: omit it with --engine local")
    if job.min_confidence is not None and not 0 <= job.min_confidence <= 1:
        raise UsageError("--min-confidence must be between 0 and 1")
    job.config.check()
    if job.speakers and job.speakers.is_channel and not job.config.splits_channels:
        raise UsageError("--speakers channel needs --channels split")
    if not 0 < job.file_timeout_s < float("inf"):
        raise UsageError("--file-timeout must be a positive number of seconds")
    error_limit(job.max_errors, 0)


def _check_places(job: LabelJob) -> None:
    """Refuse a bad name, and one place for two files: the second would overwrite the first, or an input."""
    for place in job.written:
        check_object_name(place)
    written = Counter(map(real_location, job.written))
    read = set(map(real_location, job.inputs))
    if job.speakers and job.speakers.is_table:
        read.add(real_location(job.speakers.text))
    twice = [place for place, count in written.items() if count > 1 or place in read]
    if twice:
        raise UsageError(f"{redact(twice[0])} would be overwritten: use a different place for each input and output")
    own = {f"{job.output}.run", f"{job.output}.run.json"}
    for folder in (place for name, place in job.tables.items() if OUTPUT_FORMATS[name].is_folder):
        inside = [place for place in job.written if place != folder and place not in own and is_within(place, folder)]
        if inside:
            raise UsageError(
                f"{redact(inside[0])} is inside {redact(folder)}, whose files are one table: choose another"
            )


def _check_kinds(job: LabelJob) -> None:
    """Refuse a folder in the place of a file, and the reverse, which would otherwise fail after all labelling."""
    folders = {f"{job.output}.run", *(place for name, place in job.tables.items() if OUTPUT_FORMATS[name].is_folder)}
    for place in job.written:
        # What a run writes stays beside its output. A link in the place of a file is replaced, as any file.
        if not is_url(place) and place in folders and os.path.islink(place.rstrip("/")):
            raise OutputError(f"cannot write {redact(place)}: it is a link; remove it, or choose another output")
        if not is_url(place) and os.path.lexists(place) and os.path.isdir(place) != (place in folders):
            found = "is not a folder" if place in folders else "is a folder"
            raise OutputError(f"cannot write {redact(place)}: it {found}; move it away, or choose another output")


def prepare_places(job: LabelJob) -> None:
    """Create the folders of all outputs, and try to write there: better now than when all is labelled.

    Parameters
    ----------
    job : LabelJob

    Raises
    ------
    OutputError
        If a place cannot be written.
    """
    for place in job.written:
        if is_url(place):
            continue
        make_folder(os.path.dirname(absolute_location(place)))
        trial = half_written(join(place, "") if os.path.isdir(place) else place)
        try:
            # "x" does not follow a link.
            with open(trial, "xb"):
                os.unlink(trial)
        except OSError as err:
            raise OutputError(f"cannot write {redact(place)}: {err.strerror}") from err


def remove_leftovers(places: Iterable[str]) -> None:
    """Remove half-written files that a killed run left; object storage has none.

    Parameters
    ----------
    places : iterable of str
        Files and folders that the run writes.
    """
    for place in places:
        if is_url(place):
            continue
        beside = glob.iglob(f"{glob.escape(place)}.tmp-*")
        inside = (os.path.join(folder, name) for folder, _, names in os.walk(place) for name in names)
        for location in itertools.chain(beside, inside):
            if is_half_written(location) and os.path.isfile(location):
                remove(location)


def error_limit(text: str | None, total: int) -> float:
    """Return how many error rows ``--max-errors`` allows.

    Parameters
    ----------
    text : str or None
        ``N`` or ``P%``; None for no limit.
    total : int
        Number of recordings.

    Returns
    -------
    float

    Raises
    ------
    UsageError
        If the text is neither a number nor a percentage.
    """
    if text is None:
        return float("inf")
    try:
        number = float(text[:-1]) / 100 if text.endswith("%") else int(text)
    except ValueError as err:
        raise UsageError(f"--max-errors takes a number or a percentage, not {text!r}") from err
    if not 0 <= number < float("inf"):
        raise UsageError(f"--max-errors cannot be {text}")
    return number * total if text.endswith("%") else number
