"""Inputs -> a table of emotions: list, label in chunks, keep parts, assemble.

Listing -> chunks -> engine (IsolatedLabeller -> Labeller.label) -> parts -> table -> manifest
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import os
import platform
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final

from emosense import __version__
from emosense.errors import EXIT_ERROR_ROWS, EXIT_OK, EmoSenseError, NothingToDo, TooManyErrors, UsageError
from emosense.isolation import LabelSpec
from emosense.labelling import LabelConfig
from emosense.listing import Listing, ListingConfig
from emosense.models.artifact import read_model
from emosense.pipelines.engines import Chunk, Engine, LocalEngine, RayEngine
from emosense.pipelines.ray_session import ray_session
from emosense.progress import Progress, duration_text, progress
from emosense.rows import COLUMNS, SEGMENT_COLUMNS, WRITERS, Row, TableWriter, format_of
from emosense.runs import Run, in_order, write_manifest
from emosense.storage import atomic_writer, is_url, redact

ENGINES: Final = ("auto", "local", "ray")
# Ray costs some 10 s to start, the work of about 5,000 short clips on 2 cores; from here on that is under a tenth
# of the run (docs/performance.md).
AUTO_RAY_FROM: Final = 50_000
_CHUNK_SIZES: Final = (8, 512)
_CHUNKS_A_WORKER: Final = 50
_ROWS_A_WRITE: Final = 4096


@dataclasses.dataclass(frozen=True, slots=True)
class LabelJob:
    """What the user asked for.

    Parameters
    ----------
    inputs : tuple of str
        Files, folders and URLs.
    names : tuple of str or None
        Files by name, as a list on standard input gives them.
    output : str
        Location of the table; its extension chooses the format.
    segments_output : str or None
        Location of the table of segments.
    max_errors : str or None
        ``N`` or ``P%``: stop when more recordings than that are errors.
    """

    inputs: tuple[str, ...]
    output: str
    names: tuple[str, ...] | None = None
    segments_output: str | None = None
    model: str = "default"
    engine: str = "auto"
    n_workers: int | None = None
    address: str | None = None
    config: LabelConfig = dataclasses.field(default_factory=LabelConfig)
    listing: ListingConfig = dataclasses.field(default_factory=ListingConfig)
    limit: int | None = None
    min_confidence: float | None = None
    max_errors: str | None = None
    restart: bool = False
    dry_run: bool = False
    file_timeout_s: float = 60.0
    progress: str = "none"


@dataclasses.dataclass(slots=True)
class Summary:
    """What came out of a job.

    Attributes
    ----------
    n_recordings, n_reused : int
        Rows of the table, and those among them taken over from an earlier start of the run.
    by_status, by_emotion, by_error : Counter
        Rows by status, labelled rows by emotion, error rows by code.
    """

    n_recordings: int = 0
    n_reused: int = 0
    elapsed_s: float = 0.0
    engine: str = ""
    by_status: Counter[str] = dataclasses.field(default_factory=Counter)
    by_emotion: Counter[str] = dataclasses.field(default_factory=Counter)
    by_error: Counter[str] = dataclasses.field(default_factory=Counter)
    ignored: Counter[str] = dataclasses.field(default_factory=Counter)

    def count(self, row: Row) -> None:
        """Take one row into account."""
        self.n_recordings += 1
        self.by_status[row.status] += 1
        if row.emotion:
            self.by_emotion[row.emotion] += 1
        if row.error_code:
            self.by_error[row.error_code] += 1

    def text(self, job: LabelJob) -> str:
        """Return what the user is told at the end."""
        if job.dry_run:
            return f"{self.n_recordings:,} recordings would be labelled into {redact(job.output)}"
        lines = [f"{redact(job.output)}: {self.n_recordings:,} recordings in {duration_text(self.elapsed_s)}"]
        if self.by_emotion:
            lines.append(_counts("emotions", self.by_emotion))
        if self.by_error:
            lines.append(_counts("trouble", self.by_error))
        if self.ignored:
            lines.append(_counts("passed over", self.ignored))
        return "\n".join(lines)

    @property
    def exit_code(self) -> int:
        """Return the process's exit code."""
        return EXIT_ERROR_ROWS if self.by_status["error"] else EXIT_OK


def _counts(title: str, counter: Counter[str]) -> str:
    return f"  {title}: " + ", ".join(f"{name} {count:,}" for name, count in counter.most_common())


class Interrupted(EmoSenseError):
    """A signal stopped the run; what was done is kept."""

    def __init__(self, signal_number: int) -> None:
        super().__init__("stopped: what is done is kept, the same command goes on from here")
        self.exit_code = 128 + signal_number


def label(job: LabelJob) -> Summary:
    """Label recordings and write the table.

    Raises
    ------
    EmoSenseError
        With the exit code of what went wrong; a recording that cannot be labelled is a row and no error.
    """
    start_s = time.monotonic()
    _check(job)
    model = read_model(job.model)
    with Listing() as listing:
        _list_inputs(listing, job)
        summary = Summary(ignored=listing.ignored)
        if job.dry_run:
            summary.n_recordings = len(listing)
            return summary
        spec = LabelSpec(model, job.config, job.file_timeout_s)
        with progress(job.progress) as told:
            told.start(len(listing))
            run = Run(job.output, _fingerprint(spec), told.say)
            run.open(restart=job.restart)
            try:
                _label_pending(job, spec, listing, run, summary, told)
                _assemble(job, listing, run, summary, complete=True)
            except TooManyErrors:
                _assemble(job, listing, run, summary, complete=False)
                raise
            finally:
                run.close()
        summary.elapsed_s = time.monotonic() - start_s
        write_manifest(job.output, _manifest(job, spec, summary))
    if not summary.n_recordings:
        raise NothingToDo(_nothing_found(job, summary))
    return summary


def _check(job: LabelJob) -> None:
    """Refuse settings that cannot work before anything is read."""
    format_of(job.output)
    if job.segments_output:
        format_of(job.segments_output)
    if job.engine not in ENGINES:
        raise UsageError(f"unknown engine {job.engine!r}: choose one of {', '.join(ENGINES)}")
    if job.min_confidence is not None and not 0 <= job.min_confidence <= 1:
        raise UsageError("--min-confidence must lie between 0 and 1")
    if min(job.config.window_s, job.config.hop_s) < 0 or job.config.hop_s > (job.config.window_s or float("inf")):
        raise UsageError("--window and --hop must be positive, and the hop no longer than the window")
    _error_limit(job.max_errors, 0)


def _error_limit(text: str | None, total: int) -> float:
    """Return the number of error rows that are allowed."""
    if text is None:
        return float("inf")
    try:
        return float(text[:-1]) / 100 * total if text.endswith("%") else int(text)
    except ValueError as err:
        raise UsageError(f"--max-errors takes a number or a percentage, not {text!r}") from err


def _list_inputs(listing: Listing, job: LabelJob) -> None:
    outputs = [job.output, f"{job.output}.run", f"{job.output}.run.json", job.segments_output or job.output]
    excluded = tuple(os.path.abspath(location) for location in outputs if not is_url(location))
    config = dataclasses.replace(job.listing, excluded=excluded)
    for location in job.inputs:
        listing.add_input(location, config)
    if job.names is not None:
        listing.add_list(job.names)
    if job.limit is not None:
        listing.truncate(job.limit)


def _fingerprint(spec: LabelSpec) -> dict[str, Any]:
    """All that changes a row; a run goes on only with the same."""
    # The schema's number changes when a release computes another value or writes another column.
    return {"schema": 1, "model_sha256": spec.model.sha256, **dataclasses.asdict(spec.config)}


def _label_pending(
    job: LabelJob, spec: LabelSpec, listing: Listing, run: Run, summary: Summary, told: Progress
) -> None:
    """Label what no earlier start of this run has labelled, and keep it in parts."""
    listing.mark_done((entry.path, entry.size, entry.version) for entry in run.finished())
    n_pending = listing.n_pending()
    summary.n_reused = len(listing) - n_pending
    if summary.n_reused:
        told.say(f"{summary.n_reused:,} of {len(listing):,} recordings are done already")
        told.advance(summary.n_reused, 0)
    if not n_pending:
        summary.engine = "none"
        return
    limit = _error_limit(job.max_errors, len(listing))
    with _engine(job, spec, n_pending) as (name, n_workers, engine), _signals(engine) as received:
        summary.engine = name
        low, high = _CHUNK_SIZES
        size = min(max(n_pending // (n_workers * _CHUNKS_A_WORKER), low), high)
        n_errors = 0
        for done in engine.run(chunked(listing.pending(), size)):
            run.write_part(done.chunk.index, done.chunk.recordings, done.labelled)
            n_new = sum(result.row.status == "error" for result in done.labelled)
            n_errors += n_new
            told.advance(len(done.labelled), n_new)
            if n_errors > limit:
                engine.stop()
        if received:
            raise Interrupted(received[0])
        if n_errors > limit:
            raise TooManyErrors(f"{n_errors} recordings are errors, more than --max-errors {job.max_errors} allows")


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
    address = job.address or os.environ.get("RAY_ADDRESS")
    wants_ray = job.engine == "ray" or (job.engine == "auto" and (address or n_pending >= AUTO_RAY_FROM))
    if wants_ray:
        with ray_session(address, job.n_workers) as n_cpus:
            n_workers = min(job.n_workers or n_cpus, n_cpus)
            yield "ray", n_workers, RayEngine(spec, n_workers)
        return
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    # A worker's start costs as much as some 100 short recordings.
    n_workers = job.n_workers or max(1, min(cores, n_pending // 100))
    yield "local", n_workers, LocalEngine(spec, n_workers)


@contextlib.contextmanager
def _signals(engine: Engine) -> Iterator[list[int]]:
    """Turn the first SIGINT or SIGTERM into an orderly stop; the second one ends the process as usual."""
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return

    def stop(number: int, _: object) -> None:
        if received:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        received.append(number)
        engine.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _assemble(job: LabelJob, listing: Listing, run: Run, summary: Summary, *, complete: bool) -> None:
    """Write the table, and the table of segments, from the parts."""
    with contextlib.ExitStack() as stack:
        writer = _open_writer(stack, job.output, COLUMNS, job.min_confidence)
        segment_writer = None
        if job.segments_output:
            segment_writer = _open_writer(stack, job.segments_output, SEGMENT_COLUMNS, job.min_confidence)
        rows: list[Row] = []
        for entry in in_order(listing, run.finished(), complete=complete):
            summary.count(entry.labelled.row)
            rows.append(entry.labelled.row)
            if segment_writer:
                segment_writer.write(list(entry.labelled.segments))
            if len(rows) >= _ROWS_A_WRITE:
                writer.write(rows)
                rows = []
        writer.write(rows)


def _open_writer(
    stack: contextlib.ExitStack, output: str, columns: tuple[str, ...], min_confidence: float | None
) -> TableWriter:
    file = stack.enter_context(atomic_writer(output))
    writer: TableWriter = WRITERS[format_of(output)](file, columns, min_confidence)
    stack.callback(writer.close)
    return writer


def _manifest(job: LabelJob, spec: LabelSpec, summary: Summary) -> dict[str, Any]:
    return {
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "inputs": [redact(location) for location in job.inputs],
        "output": redact(job.output),
        "model": {"name": spec.model.description["name"], "sha256": spec.model.sha256},
        "parameters": dataclasses.asdict(spec.config) | {"min_confidence": job.min_confidence},
        "versions": {"emosense": __version__, "python": platform.python_version(), "platform": sys.platform},
        "engine": summary.engine,
        "counts": {
            "recordings": summary.n_recordings,
            "reused": summary.n_reused,
            "status": dict(sorted(summary.by_status.items())),
            "emotion": dict(sorted(summary.by_emotion.items())),
            "error_code": dict(sorted(summary.by_error.items())),
            "ignored": dict(sorted(summary.ignored.items())),
        },
        "elapsed_s": round(summary.elapsed_s, 3),
        "exit_code": summary.exit_code,
    }


def _nothing_found(job: LabelJob, summary: Summary) -> str:
    where = ", ".join(redact(location) for location in job.inputs) or "the list"
    found = ", ".join(f"{count} {reason}" for reason, count in summary.ignored.most_common(8))
    return f"no audio in {where}" + (f" (passed over: {found})" if found else "") + f"; {job.output} has a header alone"
