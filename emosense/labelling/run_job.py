"""Inputs -> a table of emotions: list, label in chunks, keep parts, assemble.

Listing -> chunks -> engine (IsolatedLabeller -> Labeller.label) -> parts -> table -> manifest
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from emosense.errors import StorageError, TooManyErrors, UsageError
from emosense.inputs.listing import Listing
from emosense.labelling.assemble import assemble
from emosense.labelling.config import Labelled
from emosense.labelling.engines import Chunk, Engine, LocalEngine, RayEngine
from emosense.labelling.job import LabelJob, Summary, facts_of, fingerprint, manifest_of, nothing_found
from emosense.labelling.job_check import check_job, error_limit, prepare_places
from emosense.labelling.run.journal import check_list, check_replaced
from emosense.labelling.run.lock import held
from emosense.labelling.run.parts import Finished, Run, in_order, remove_leftovers, write_manifest
from emosense.labelling.speakers import Speakers
from emosense.labelling.stopping import Stop
from emosense.labelling.worker_process import LabelSpec
from emosense.models.encoder_location import with_encoder_file
from emosense.models.model import read_model
from emosense.progress import Progress, open_progress, plural
from emosense.ray_session import cluster_address, ray_session
from emosense.storage.files import exists
from emosense.storage.locations import absolute_location, redact

__all__ = ["LabelJob", "Summary", "label"]

# Ray's start is the work of some 1,150 short recordings a core; from here on it is a small part of the run, and Ray on
# one machine is never faster than workers alone (docs/performance.md).
AUTO_RAY_FROM_A_CORE: Final = 20_000
_CHUNK_SIZES: Final = (8, 512)
_CHUNKS_A_WORKER: Final = 50


@dataclasses.dataclass(frozen=True, slots=True)
class _Work:
    """What the stages of one start of a run share."""

    job: LabelJob
    spec: LabelSpec
    listing: Listing
    run: Run
    summary: Summary
    progress: Progress
    check_held: Callable[[], None]
    speakers: Speakers | None


def label(job: LabelJob) -> Summary:
    """Label recordings and write the table.

    Returns
    -------
    Summary
        Its `failure` says why a job has failed whose table is valid all the same.

    Raises
    ------
    EmoSenseError
        With the exit code of what went wrong; a recording that cannot be labelled is a row and no error.
    """
    start_s = time.monotonic()
    check_job(job)
    stop = Stop()
    with _full_disk_named(), contextlib.ExitStack() as stack:
        stack.enter_context(stop.installed())
        listing = stack.enter_context(Listing())
        spec = LabelSpec(with_encoder_file(read_model(job.model), job.encoder), job.config, job.file_timeout_s)
        job.config.check(spec.model.description["window_s"])
        speakers = None
        if job.speakers is not None:
            speakers = stack.enter_context(Speakers(job.speakers, spec.model.description["classes"]))
        _list_inputs(listing, job)
        _check_speakers(speakers, listing, job)
        summary = Summary(n_listed=len(listing), ignored=listing.ignored)
        if job.dry_run:
            summary.n_recordings = len(listing)
            summary.failure = None if len(listing) else nothing_found(job, summary)
            return summary
        if not len(listing) and any(map(exists, job.all_tables)):
            summary.failure = nothing_found(job, summary, "is left as it was")
            return summary
        facts = facts_of(job)
        if not job.restart:
            facts = check_replaced(job.output, job.all_tables, facts)
        with open_progress(job.progress) as progress, held(f"{job.output}.run", progress.message) as check_held:
            remove_leftovers(job.written)
            prepare_places(job)
            progress.start(len(listing))
            run = Run(job.output, fingerprint(spec), progress.message, facts)
            run.open(restart=job.restart)
            if job.names is not None:
                check_list(job.output, (entry.path for entry in run.finished()), listing.holds)
            _finish(_Work(job, spec, listing, run, summary, progress, check_held, speakers), stop)
            summary.elapsed_s = time.monotonic() - start_s
            write_manifest(job.output, manifest_of(job, spec, summary))
    return summary


def _finish(work: _Work, stop: Stop) -> None:
    """Label what is left and write the table."""
    failure: TooManyErrors | None = None
    try:
        _label_pending(work, stop)
    except TooManyErrors as err:
        failure = err
    work.check_held()
    is_complete = failure is None

    def labelled() -> Iterator[Labelled]:
        return (entry.labelled for entry in in_order(work.listing, work.run.finished(), complete=is_complete))

    assemble(work.job, work.speakers, labelled, work.summary)
    if work.speakers:
        work.summary.n_speakers, work.summary.n_without_speaker = work.speakers.n_known, work.speakers.n_unknown
    if failure:
        n_done = f"{work.summary.n_recordings:,} of {work.summary.n_listed:,}"
        work.summary.failure = TooManyErrors(f"{failure}; {redact(work.job.output)} holds the {n_done} done so far")
    elif not work.summary.n_recordings:
        work.summary.failure = nothing_found(work.job, work.summary, "has a header alone")


@contextlib.contextmanager
def _full_disk_named() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as err:
        raise StorageError(f"the temporary folder {tempfile.gettempdir()} cannot hold the list: {err}") from err


def _check_speakers(speakers: Speakers | None, listing: Listing, job: LabelJob) -> None:
    """Say before anything is labelled that no recording has a speaker: a wrong pattern, or another table."""
    if speakers is None or not len(listing) or any(speakers.speaker_of(recording.path) for recording in listing):
        return
    assert job.speakers is not None
    raise UsageError(
        f"--speakers {job.speakers.shown} names no speaker of any recording, such as {redact(next(iter(listing)).path)}"
    )


def _list_inputs(listing: Listing, job: LabelJob) -> None:
    own = [*job.written, *([job.speakers.text] if job.speakers and job.speakers.is_table else [])]
    config = dataclasses.replace(job.listing, excluded=tuple(map(absolute_location, own)))
    for location in job.inputs:
        listing.add_input(location, config)
    if job.names is not None:
        listing.add_list(job.names)
    if job.limit is not None:
        listing.truncate(job.limit)


def _label_pending(work: _Work, stop: Stop) -> None:
    """Label what no earlier start of this run has labelled, and keep it in parts."""
    job, listing, summary, progress = work.job, work.listing, work.summary, work.progress
    listing.mark_done((entry.path, entry.size, entry.version) for entry in _kept(work.run))
    n_pending = listing.n_pending()
    summary.n_reused = len(listing) - n_pending
    if summary.n_reused:
        progress.message(f"{summary.n_reused:,} of {plural(len(listing), 'recording')} are done already")
        progress.advance(summary.n_reused, 0)
    n_errors = 0
    if job.max_errors is not None:
        kept = in_order(listing, _kept(work.run), complete=False)
        n_errors = sum(entry.labelled.row.status == "error" for entry in kept)
    limit = error_limit(job.max_errors, len(listing))
    summary.engine = "none"
    if n_pending and n_errors <= limit:
        n_errors = _run_engine(work, stop, n_pending, n_errors, limit)
    if n_errors > limit:
        raise TooManyErrors(
            f"{plural(n_errors, 'recording')} with errors are more than --max-errors {job.max_errors} allows"
        )


def _kept(run: Run) -> Iterator[Finished]:
    """Give what earlier starts have finished and this one does not try again."""
    return (entry for entry in run.finished() if not entry.is_tried_again)


def _run_engine(work: _Work, stop: Stop, n_pending: int, n_errors: int, limit: float) -> int:
    """Label until all is done or more than `limit` recordings are errors; returns how many are, with `n_errors`."""
    job, summary, progress = work.job, work.summary, work.progress
    with _engine(job, work.spec, n_pending) as (name, n_workers, engine), stop.during(engine):
        summary.engine = name
        low, high = _CHUNK_SIZES
        size = min(max(n_pending // (n_workers * _CHUNKS_A_WORKER), low), high)
        with contextlib.closing(engine.run(chunked(work.listing.pending(), size))) as results:
            for done in results:
                work.check_held()
                work.run.write_part(done.chunk.index, done.chunk.recordings, done.labelled)
                n_new = sum(result.row.status == "error" for result in done.labelled)
                for row in (result.row for result in done.labelled if job.verbose and result.row.error_code):
                    progress.message(redact(f"{row.path}: {row.error_code}: {row.error}"))
                n_errors += n_new
                progress.advance(len(done.labelled), n_new)
                if n_errors > limit:
                    engine.stop()
    return n_errors


def chunked(recordings: Iterable[Any], size: int) -> Iterator[Chunk]:
    """Cut a stream of recordings into chunks of `size`."""
    pending: list[Any] = []
    index = 0
    for recording in recordings:
        pending.append(recording)
        if len(pending) == size:
            yield Chunk(index, tuple(pending))
            pending, index = [], index + 1
    if pending:
        yield Chunk(index, tuple(pending))


@contextlib.contextmanager
def _engine(job: LabelJob, spec: LabelSpec, n_pending: int) -> Iterator[tuple[str, int, Engine]]:
    """Choose the engine, give its name and number of workers, and end it with the block."""
    address = cluster_address(job.address)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    is_large = n_pending >= AUTO_RAY_FROM_A_CORE * (job.n_workers or cores)
    wants_ray = job.engine == "ray" or (job.engine == "auto" and (address or is_large))
    if wants_ray:
        with ray_session(address, job.n_workers) as n_cpus:
            yield "ray", job.n_workers or n_cpus, RayEngine(spec, job.n_workers)
        return
    # A worker's start costs as much as some 100 short recordings.
    n_workers = job.n_workers or max(1, min(cores, n_pending // 100))
    yield "local", n_workers, LocalEngine(spec, n_workers)
