"""One start of a run: what earlier starts have finished is reused, what the engine gives is kept, then the table."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator

from emosense.emotions import own_emotions
from emosense.errors import OutputError, TooManyErrors
from emosense.inputs.listing import Listing
from emosense.inputs.still_there import InputRoots
from emosense.labelling.assemble import ROWS_A_WRITE, assemble, layout_of
from emosense.labelling.assemble_parts import assemble_parts
from emosense.labelling.chunk_writer import ChunkWriter, KeptChunk
from emosense.labelling.config import LabelSpec
from emosense.labelling.job import LabelJob, run_settings
from emosense.labelling.job_check import error_limit, prepare_places, remove_leftovers
from emosense.labelling.labelled import Labelled
from emosense.labelling.manifest import result_settings
from emosense.labelling.run.changed_tables import keep_changed
from emosense.labelling.run.earlier_tables import check_list, check_replaced
from emosense.labelling.run.finished import in_order
from emosense.labelling.run.parts import RunFolder
from emosense.labelling.speakers import Speakers
from emosense.labelling.storage_watch import StorageWatch
from emosense.labelling.summary import Summary, nothing_found
from emosense.progress import Progress, open_progress, plural
from emosense.storage.folder_lock import RunLock, lock_folder
from emosense.storage.locations import redact
from emosense.tables.formats import OUTPUT_FORMATS


@dataclasses.dataclass(slots=True)
class LabelRun:
    """One start of a run whose inputs are listed and whose folder is open.

    Parameters
    ----------
    job : LabelJob
    listing : Listing
        Recordings of the table.
    speakers : Speakers or None
        Speakers to adapt to.
    folder : RunFolder
        Open; the results are kept there.
    lock : RunLock
        On the folder.
    progress : Progress
    summary : Summary
        Filled in.
    own_emotions : tuple of str
        Emotions of the model beside `EMOTIONS`.
    watch : StorageWatch
        Judges recordings that cannot be read.
    n_errors : int
        Error rows so far.
    """

    job: LabelJob
    listing: Listing
    speakers: Speakers | None
    folder: RunFolder
    lock: RunLock
    progress: Progress
    summary: Summary
    own_emotions: tuple[str, ...] = ()
    watch: StorageWatch = dataclasses.field(default_factory=StorageWatch)
    n_errors: int = 0

    @property
    def has_too_many_errors(self) -> bool:
        """Whether more recordings are errors than the job allows."""
        return self.n_errors > error_limit(self.job.max_errors, len(self.listing))

    def reuse(self) -> int:
        """Mark what earlier starts have finished as done.

        Returns
        -------
        int
            Recordings that are left to label.
        """
        self.listing.mark_done(self.folder.identities())
        n_pending = self.listing.n_pending()
        self.summary.n_reused = len(self.listing) - n_pending
        if self.summary.n_reused:
            n_listed = plural(len(self.listing), "recording")
            self.progress.message(f"{self.summary.n_reused:,} of {n_listed} are already done")
            self.progress.advance(self.summary.n_reused, 0)
        if self.job.max_errors is not None:
            reused = (entry for entry in self.folder.finished() if not entry.is_tried_again)
            entries = in_order(self.listing, reused, complete=False)
            self.n_errors = sum(entry.labelled.has_failed for entry in entries)
        return n_pending

    @property
    def writer(self) -> ChunkWriter:
        """What a worker does with a chunk."""
        return ChunkWriter(self.folder.place, self.job.verbose)

    @contextlib.contextmanager
    def kept_alone(self) -> Iterator[None]:
        """Name another run that has taken over, if that is why a part cannot be written.

        Yields
        ------
        None

        Raises
        ------
        OutputError
            What the block raised, or that another run has taken over.
        """
        try:
            yield
        except OutputError:
            # A run that has taken over removes the half-written files of this one.
            self.lock.assert_owned()
            raise

    def keep(self, chunk: KeptChunk) -> None:
        """Put the part of a chunk on the list.

        Parameters
        ----------
        chunk : KeptChunk

        Raises
        ------
        OutputError
            If another run has taken over.
        StorageError
            If the inputs cannot be read any more.
        """
        self.lock.assert_owned()
        if chunk.part is not None:
            self.folder.add(chunk.part)
        failure = self.watch.check(chunk.readings)
        if failure is not None:
            raise failure
        if chunk.bugs and (sentence := self.folder.bugs.add(chunk.bugs)):
            self.progress.message(sentence)
        for problem in chunk.problems:
            self.progress.message(problem)
        self.progress.advance(chunk.cost.n_labelled, chunk.n_errors)
        self.summary.cost.add(chunk.cost)
        self.summary.n_several_tracks += chunk.n_several_tracks
        self.n_errors += chunk.n_errors

    def _results(self) -> Iterator[Labelled]:
        entries = in_order(self.listing, self.folder.finished(), complete=not self.has_too_many_errors)
        return (result for entry in entries for result in entry.labelled.by_channel)

    def _can_pass_parts(self) -> bool:
        """Whether the tables hold the rows as parts have them, and take whole parts."""
        job = self.job
        is_changed = self.speakers or job.emotions or job.segments_output or self.has_too_many_errors
        return not is_changed and all(OUTPUT_FORMATS[name].takes_tables for name in job.tables)

    def write_tables(self) -> None:
        """Assemble the table from the parts; with too many errors it has only what is done so far."""
        summary = self.summary
        if any(OUTPUT_FORMATS[name].is_folder for name in self.job.tables):
            # A folder is replaced file by file: there is a manifest only while all of its files belong together.
            self.lock.remove(f"{self.job.output}.run.json")
        if self._can_pass_parts():
            layout = layout_of(self.job, self.own_emotions, self.lock.commit)
            assemble_parts(self.job.tables, layout, self.folder, self.listing, summary, ROWS_A_WRITE)
        else:
            assemble(self.job, self.speakers, self._results, summary, self.own_emotions, self.lock.commit)
        summary.cpus = self.folder.cpus
        if len(summary.cpus) > 1:
            kinds = "; ".join(summary.cpus)
            self.progress.message(f"labelled on several kinds of CPU ({kinds}): the last digit may differ between them")
        if self.speakers:
            summary.n_speakers, summary.n_without_speaker = self.speakers.n_known, self.speakers.n_unknown
        if self.has_too_many_errors:
            n_done = f"{summary.n_recordings:,} of {summary.n_listed:,}"
            summary.failure = TooManyErrors(
                f"{plural(self.n_errors, 'recording')} with errors, more than --max-errors {self.job.max_errors} "
                f"allows; {redact(self.job.output)} has the {n_done} done so far"
            )
        elif not summary.n_recordings:
            summary.failure = nothing_found(self.job, summary, "has only a header")


@contextlib.contextmanager
def open_run(
    job: LabelJob, spec: LabelSpec, listing: Listing, speakers: Speakers | None, summary: Summary
) -> Iterator[LabelRun]:
    """Lock the run folder of a job, and check that the run may write and resume there.

    Parameters
    ----------
    job : LabelJob
    spec : LabelSpec
    listing : Listing
        Recordings of the table.
    speakers : Speakers or None
        Speakers to adapt to.
    summary : Summary
        To be filled in.

    Yields
    ------
    LabelRun

    Raises
    ------
    UsageError
        If another run owns the folder, or finished work there cannot be reused.
    OutputError
        If a place cannot be written.
    """
    settings = run_settings(job)
    if not job.restart:
        settings = check_replaced(job.output, job.all_tables, settings)
    with open_progress(job.progress) as progress, lock_folder(f"{job.output}.run", progress.message) as lock:
        lock.protect([*job.all_tables, f"{job.output}.run.json"])
        remove_leftovers(job.written)
        prepare_places(job)
        if not job.restart:
            keep_changed(job.all_tables, job.output, progress.message)
        progress.start(len(listing))
        own = own_emotions(spec.model.description["classes"])
        folder = RunFolder(job.output, result_settings(spec), progress.message, settings, own)
        folder.open(restart=job.restart)
        if job.names is not None:
            check_list(job.output, (path for path, *_ in folder.identities()), listing.holds)
        watch = StorageWatch(InputRoots(job.inputs))
        yield LabelRun(job, listing, speakers, folder, lock, progress, summary, own, watch)
