"""A labelling job from inputs to table: list, label, keep, assemble.

    inputs -> Listing -> chunks -> engine -> parts in the run folder -> table -> manifest

An engine labels each recording with `emosense.labelling.labeller.Labeller.label_recording`, in a worker process.
"""

from __future__ import annotations

import contextlib
import dataclasses
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator

from emosense.errors import StorageError, TooManyErrors
from emosense.inputs.listing import Listing
from emosense.labelling.assemble import assemble
from emosense.labelling.config import Labelled, LabelSpec
from emosense.labelling.engine_choice import ChosenEngine, open_engine
from emosense.labelling.engines import LabelledChunk, chunked
from emosense.labelling.job import LabelJob, run_settings
from emosense.labelling.job_check import check_job, error_limit, prepare_places, remove_leftovers
from emosense.labelling.job_inputs import check_speakers, list_inputs
from emosense.labelling.run.finished import Finished, in_order
from emosense.labelling.run.journal import check_list, check_replaced
from emosense.labelling.run.lock import RunLock, lock_folder
from emosense.labelling.run.parts import RunFolder
from emosense.labelling.speakers import Speakers
from emosense.labelling.stopping import Stop
from emosense.labelling.summary import Summary, nothing_found, result_settings, write_manifest
from emosense.models.encoder_location import with_encoder_file
from emosense.models.model import read_model
from emosense.progress import Progress, open_progress, plural
from emosense.storage.files import exists
from emosense.storage.locations import redact


def run_label_job(job: LabelJob) -> Summary:
    """Label recordings and write the table.

    Parameters
    ----------
    job : LabelJob

    Returns
    -------
    Summary
        Its `failure` says why the job failed although its table is valid.

    Raises
    ------
    EmoSenseError
        With the exit code of what went wrong. A recording that cannot be labelled is a row, not an error.
    """
    start_s = time.monotonic()
    check_job(job)
    stop = Stop()
    with _full_disk_as_storage_error(), contextlib.ExitStack() as stack:
        stack.enter_context(stop.installed())
        listing = stack.enter_context(Listing())
        spec = LabelSpec(with_encoder_file(read_model(job.model), job.encoder), job.config, job.file_timeout_s)
        job.config.check(spec.model.description["window_s"])
        speakers = None
        if job.speakers is not None:
            speakers = stack.enter_context(Speakers(job.speakers, spec.model.description["classes"]))
        list_inputs(job, listing)
        check_speakers(job, speakers, listing)
        summary = Summary(n_listed=len(listing), ignored=listing.ignored)
        if job.dry_run:
            summary.n_recordings = len(listing)
            summary.failure = None if len(listing) else nothing_found(job, summary)
            return summary
        if not len(listing) and any(map(exists, job.all_tables)):
            summary.failure = nothing_found(job, summary, "is unchanged")
            return summary
        settings = run_settings(job)
        if not job.restart:
            settings = check_replaced(job.output, job.all_tables, settings)
        with open_progress(job.progress) as progress, lock_folder(f"{job.output}.run", progress.message) as lock:
            remove_leftovers(job.written)
            prepare_places(job)
            progress.start(len(listing))
            folder = RunFolder(job.output, result_settings(spec), progress.message, settings)
            folder.open(restart=job.restart)
            if job.names is not None:
                check_list(job.output, (entry.path for entry in folder.finished()), listing.holds)
            run = LabelRun(job, spec, listing, speakers, folder, lock, progress, stop, summary)
            too_many_errors = run.label_pending()
            run.write_tables(too_many_errors)
            summary.elapsed_s = time.monotonic() - start_s
            write_manifest(job, spec, summary)
    return summary


@dataclasses.dataclass(frozen=True, slots=True)
class LabelRun:
    """One start of a run whose inputs are listed and whose folder is open.

    Parameters
    ----------
    job : LabelJob
    spec : LabelSpec
    listing : Listing
        Recordings of the table.
    speakers : Speakers or None
        Speakers to adapt to.
    folder : RunFolder
        Open; the results are kept there.
    lock : RunLock
        On the folder.
    progress : Progress
    stop : Stop
        Stops the engine when a signal arrives.
    summary : Summary
        Filled in.
    open_engine : callable
        Gives the engine for a job, a spec and a number of recordings.
    """

    job: LabelJob
    spec: LabelSpec
    listing: Listing
    speakers: Speakers | None
    folder: RunFolder
    lock: RunLock
    progress: Progress
    stop: Stop
    summary: Summary
    open_engine: Callable[[LabelJob, LabelSpec, int], contextlib.AbstractContextManager[ChosenEngine]] = open_engine

    def label_pending(self) -> TooManyErrors | None:
        """Label what no earlier start has labelled, and keep it in parts.

        Returns
        -------
        TooManyErrors or None
            Set if more recordings are errors than the job allows; labelling has stopped early then.
        """
        n_errors = self._reuse()
        limit = error_limit(self.job.max_errors, len(self.listing))
        n_pending = self.listing.n_pending()
        self.summary.engine = "none"
        if n_pending and n_errors <= limit:
            with self.open_engine(self.job, self.spec, n_pending) as chosen, self.stop.during(chosen.engine):
                self.summary.engine = chosen.name
                chunks = chunked(self.listing.pending(), chosen.chunk_size)
                with contextlib.closing(chosen.engine.run(chunks)) as results:
                    for result in results:
                        n_errors += self._keep(result)
                        if n_errors > limit:
                            chosen.engine.stop()
        if n_errors <= limit:
            return None
        return TooManyErrors(
            f"{plural(n_errors, 'recording')} with errors are more than --max-errors {self.job.max_errors} allows"
        )

    def _reuse(self) -> int:
        """Mark what earlier starts have finished as done; returns how many of these recordings are errors."""
        self.listing.mark_done((entry.path, entry.size, entry.version) for entry in self._reusable())
        self.summary.n_reused = len(self.listing) - self.listing.n_pending()
        if self.summary.n_reused:
            n_listed = plural(len(self.listing), "recording")
            self.progress.message(f"{self.summary.n_reused:,} of {n_listed} are already done")
            self.progress.advance(self.summary.n_reused, 0)
        if self.job.max_errors is None:
            return 0
        entries = in_order(self.listing, self._reusable(), complete=False)
        return sum(entry.labelled.row.status == "error" for entry in entries)

    def _reusable(self) -> Iterator[Finished]:
        """Yield what earlier starts have finished and this one does not try again."""
        return (entry for entry in self.folder.finished() if not entry.is_tried_again)

    def _keep(self, result: LabelledChunk) -> int:
        """Write a part; returns how many of its recordings are errors."""
        self.lock.assert_owned()
        self.folder.write_part(result.chunk.index, result.chunk.recordings, result.labelled)
        rows = [labelled.row for labelled in result.labelled]
        n_errors = sum(row.status == "error" for row in rows)
        for row in rows:
            if self.job.verbose and row.error_code:
                self.progress.message(redact(f"{row.path}: {row.error_code}: {row.error}"))
        self.progress.advance(len(rows), n_errors)
        return n_errors

    def _results(self, *, complete: bool) -> Iterator[Labelled]:
        entries = in_order(self.listing, self.folder.finished(), complete=complete)
        return (entry.labelled for entry in entries)

    def write_tables(self, too_many_errors: TooManyErrors | None = None) -> None:
        """Assemble the table from the parts.

        Parameters
        ----------
        too_many_errors : TooManyErrors or None
            Why labelling has stopped early: the table then has only what is done so far.
        """
        self.lock.assert_owned()
        is_complete = too_many_errors is None
        assemble(self.job, self.speakers, lambda: self._results(complete=is_complete), self.summary)
        if self.speakers:
            self.summary.n_speakers, self.summary.n_without_speaker = self.speakers.n_known, self.speakers.n_unknown
        if too_many_errors:
            n_done = f"{self.summary.n_recordings:,} of {self.summary.n_listed:,}"
            text = f"{too_many_errors}; {redact(self.job.output)} has the {n_done} done so far"
            self.summary.failure = TooManyErrors(text)
        elif not self.summary.n_recordings:
            self.summary.failure = nothing_found(self.job, self.summary, "has only a header")


@contextlib.contextmanager
def _full_disk_as_storage_error() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as err:
        raise StorageError(f"the temporary folder {tempfile.gettempdir()} cannot hold the list: {err}") from err
