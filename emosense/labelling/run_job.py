"""A labelling job from inputs to table: list, label, keep, assemble.

    inputs -> Listing -> chunks -> engine -> parts in the run folder -> table -> manifest

An engine labels each recording with `RecordingLabeller.label_recording`, in a worker process, and keeps the rows of a
chunk where they were made: only counts come back here.
"""

from __future__ import annotations

import contextlib
import time

from emosense.emotions import own_emotions
from emosense.inputs.listing import Listing
from emosense.labelling.chunks import chunked
from emosense.labelling.config import LabelSpec
from emosense.labelling.engine_choice import open_engine
from emosense.labelling.job import LabelJob
from emosense.labelling.job_check import check_job
from emosense.labelling.job_inputs import check_speakers, list_inputs
from emosense.labelling.label_run import open_run
from emosense.labelling.manifest import write_manifest
from emosense.labelling.speakers import Speakers, adaptation_of
from emosense.labelling.stopping import Stop
from emosense.labelling.summary import Summary, nothing_found
from emosense.models.encoder_location import with_encoder_file
from emosense.models.model_files import read_model
from emosense.storage.folders import exists


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
    start_s, start_cpu_s = time.monotonic(), time.process_time()
    check_job(job)
    stop = Stop()
    with contextlib.ExitStack() as stack:
        stack.enter_context(stop.installed())
        listing = stack.enter_context(Listing())
        spec = LabelSpec(with_encoder_file(read_model(job.model), job.encoder), job.config, job.file_timeout_s)
        job.config.check(spec.model.description["window_s"])
        speakers, emotions = None, tuple(spec.model.description["classes"])
        if job.emotions is not None:
            job.emotions.check(emotions)
            emotions = job.emotions.emotions
        if job.speaker_rule is not None:
            own, adaptation = own_emotions(spec.model.description["classes"]), adaptation_of(spec.model, job.emotions)
            speakers = stack.enter_context(
                Speakers(job.speaker_rule, emotions, own, adapts_to=job.adapts_to, adaptation=adaptation)
            )
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
        run = stack.enter_context(open_run(job, spec, listing, speakers, summary))
        n_pending = run.reuse()
        summary.engine = "none"
        if n_pending and not run.has_too_many_errors:
            with (
                open_engine(job, spec, run.writer, n_pending, run.progress.position) as chosen,
                stop.during(chosen.engine),
            ):
                summary.engine = chosen.name
                chunks = chunked(listing.pending(), chosen.chunk_size)
                with run.kept_alone(), contextlib.closing(chosen.engine.run(chunks)) as kept:
                    for chunk in kept:
                        run.keep(chunk)
                        if run.has_too_many_errors:
                            chosen.engine.stop()
        run.write_tables()
        summary.elapsed_s = time.monotonic() - start_s
        summary.cost.cpu_s += time.process_time() - start_cpu_s
        write_manifest(job, spec, summary, run.lock.commit)
    return summary
