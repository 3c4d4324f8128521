"""Settings and places that cannot work -> one sentence, before anything is labelled."""

from __future__ import annotations

import os
from collections import Counter
from typing import Final

from emosense.errors import OutputError, UsageError
from emosense.labelling.job import LabelJob
from emosense.storage.files import half_written, make_folder
from emosense.storage.locations import absolute_location, join, real_location, redact
from emosense.storage.schemes import is_url
from emosense.tables.formats import OUTPUT_FORMATS, format_of

ENGINES: Final = ("auto", "local", "ray")


def check_job(job: LabelJob) -> None:
    """Refuse settings that cannot work.

    Raises
    ------
    UsageError
        Naming the setting.
    OutputError
        If there is a folder where a file is to be written, or the other way round.
    """
    format_of(job.output)
    if job.segments_output:
        format_of(job.segments_output)
    for name in job.exports:
        OUTPUT_FORMATS.find(name)
    _check_places(job)
    _check_kinds(job)
    if len(job.inputs) == 1 and job.inputs[0].lower().endswith((".txt", ".csv")) and not job.listing.any_extension:
        name = redact(job.inputs[0])
        raise UsageError(f"{name} is no recording; a list of paths is given as -: emosense-batch label - < {name}")
    if job.engine not in ENGINES:
        raise UsageError(f"unknown engine {job.engine!r}: choose one of {', '.join(ENGINES)}")
    if job.engine == "local" and job.address:
        raise UsageError("--address names a Ray cluster: leave it out with --engine local")
    if job.min_confidence is not None and not 0 <= job.min_confidence <= 1:
        raise UsageError("--min-confidence must lie between 0 and 1")
    job.config.check()
    if not 0 < job.file_timeout_s < float("inf"):
        raise UsageError("--file-timeout must be a positive number of seconds")
    error_limit(job.max_errors, 0)


def _check_places(job: LabelJob) -> None:
    """Refuse one place for two things: the later would be written over the earlier, or over what is read."""
    written = Counter(map(real_location, job.written))
    read = set(map(real_location, job.inputs))
    if job.speakers and job.speakers.is_table:
        read.add(real_location(job.speakers.text))
    twice = [place for place, count in written.items() if count > 1 or place in read]
    if twice:
        raise UsageError(
            f"{redact(twice[0])} would be written over: give each output a place of its own, away from what is read"
        )


def _check_kinds(job: LabelJob) -> None:
    """Refuse a folder in a file's place, and the other way round: it would be noticed only when all is labelled."""
    folders = {f"{job.output}.run", *(place for name, place in job.tables.items() if OUTPUT_FORMATS[name].is_folder)}
    for place in job.written:
        if not is_url(place) and os.path.lexists(place) and os.path.isdir(place) != (place in folders):
            found = "is no folder" if place in folders else "is a folder"
            raise OutputError(f"cannot write {redact(place)}: it {found}; choose another output")


def prepare_places(job: LabelJob) -> None:
    """Create the folders of all that the job writes, and try to write there.

    Raises
    ------
    OutputError
        If a place cannot be written: better now than when all is labelled.
    """
    for place in job.written:
        if is_url(place):
            continue
        make_folder(os.path.dirname(absolute_location(place)))
        trial = half_written(join(place, "") if os.path.isdir(place) else place)
        try:
            with open(trial, "wb"):
                os.unlink(trial)
        except OSError as err:
            raise OutputError(f"cannot write {redact(place)}: {err.strerror}") from err


def error_limit(text: str | None, total: int) -> float:
    """Return the number of error rows that ``--max-errors`` allows among `total` recordings."""
    if text is None:
        return float("inf")
    try:
        number = float(text[:-1]) / 100 if text.endswith("%") else int(text)
    except ValueError as err:
        raise UsageError(f"--max-errors takes a number or a percentage, not {text!r}") from err
    if not 0 <= number < float("inf"):
        raise UsageError(f"--max-errors cannot be {text}")
    return number * total if text.endswith("%") else number
