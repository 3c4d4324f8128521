"""What a labelling job is asked for and what comes out: `LabelJob` in, `Summary` and manifest out."""

from __future__ import annotations

import dataclasses
import datetime
import platform
import sys
from collections import Counter
from typing import Any

from emosense._version import __version__
from emosense.errors import EXIT_ERROR_ROWS, EXIT_OK, EmoSenseError, NothingToDo
from emosense.inputs.walk import ListingConfig
from emosense.labelling.config import LabelConfig
from emosense.labelling.run.journal import table_name
from emosense.labelling.speakers import SpeakerRule
from emosense.labelling.worker_process import LabelSpec
from emosense.progress import duration_text, plural
from emosense.storage.locations import local_path, redact
from emosense.tables.formats import format_of, place_of
from emosense.tables.row import Row


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
    exports : tuple of str
        More formats beside the table: names in `emosense.tables.formats.OUTPUT_FORMATS`.
    report : str or None
        Location of the page that the caller makes of the table.
    verbose : bool
        Say of each recording that is not ok what is wrong with it, as it comes.
    encoder : str
        Path or URL of the encoder that the model names; empty to look for it on this machine.
    speakers : SpeakerRule or None
        Whose recordings belong together; the labels are adapted to each speaker when the table is assembled.
    max_errors : str or None
        ``N`` or ``P%``: stop when more recordings than that are errors.
    """

    inputs: tuple[str, ...]
    output: str
    names: tuple[str, ...] | None = None
    segments_output: str | None = None
    exports: tuple[str, ...] = ()
    report: str | None = None
    model: str = "default"
    encoder: str = ""
    engine: str = "auto"
    n_workers: int | None = None
    address: str | None = None
    config: LabelConfig = dataclasses.field(default_factory=LabelConfig)
    listing: ListingConfig = dataclasses.field(default_factory=ListingConfig)
    speakers: SpeakerRule | None = None
    limit: int | None = None
    min_confidence: float | None = None
    max_errors: str | None = None
    restart: bool = False
    dry_run: bool = False
    file_timeout_s: float = 60.0
    progress: str = "none"
    verbose: bool = False

    def __post_init__(self) -> None:
        """Take ``file://`` URLs for the paths that they name."""
        object.__setattr__(self, "inputs", tuple(map(local_path, self.inputs)))
        for name in ("output", "segments_output", "report"):
            if (place := getattr(self, name)) is not None:
                object.__setattr__(self, name, local_path(place))

    @property
    def tables(self) -> dict[str, str]:
        """Where the table lies, by format; each format is written once, however often it is asked for."""
        return {name: place_of(self.output, name) for name in self.exports} | {format_of(self.output): self.output}

    @property
    def all_tables(self) -> list[str]:
        """Where the table lies in all its formats, and the table of segments."""
        return [*self.tables.values(), *([self.segments_output] if self.segments_output else [])]

    @property
    def written(self) -> list[str]:
        """Every place that the job writes."""
        more = [self.report] if self.report else []
        return [*self.all_tables, f"{self.output}.run", f"{self.output}.run.json", *more]


@dataclasses.dataclass(slots=True)
class Summary:
    """What came out of a job.

    Attributes
    ----------
    n_listed : int
        Recordings in the inputs: more than the table has rows where ``--max-errors`` stopped the run.
    n_recordings, n_reused : int
        Rows of the table, and those among them taken over from an earlier start of the run.
    n_speakers, n_without_speaker : int
        Speakers that labels are adapted to; labelled recordings that are not adapted, though that was asked for.
    by_status, by_emotion, by_error : Counter
        Rows by status, labelled rows by emotion, error rows by code.
    ignored : Counter
        What was passed over in the inputs, by reason.
    failure : EmoSenseError or None
        Why the job has failed where its table is valid all the same: too many errors, or nothing to do.
    """

    n_listed: int = 0
    n_recordings: int = 0
    n_reused: int = 0
    n_speakers: int = 0
    n_without_speaker: int = 0
    elapsed_s: float = 0.0
    engine: str = ""
    by_status: Counter[str] = dataclasses.field(default_factory=Counter)
    by_emotion: Counter[str] = dataclasses.field(default_factory=Counter)
    by_error: Counter[str] = dataclasses.field(default_factory=Counter)
    ignored: Counter[str] = dataclasses.field(default_factory=Counter)
    failure: EmoSenseError | None = None

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
        recordings = plural(self.n_recordings, "recording")
        lines = [f"{redact(job.output)}: {recordings} in {duration_text(self.elapsed_s)}"]
        if job.dry_run:
            lines = [f"{recordings} would be labelled into {redact(job.output)}"]
        if self.by_emotion:
            lines.append(_counts("emotions", self.by_emotion))
        if self.by_error:
            lines.append(_counts("trouble", self.by_error))
        if self.n_speakers:
            lines.append(f"  adapted to {plural(self.n_speakers, 'speaker')}")
        if self.n_without_speaker:
            lines.append(f"  without a speaker, left as they are: {self.n_without_speaker:,}")
        if self.ignored:
            lines.append(_counts("passed over", self.ignored))
        return "\n".join(lines)

    def counts(self) -> dict[str, Any]:
        """Return the counts as plain JSON values."""
        return {
            "listed": self.n_listed,
            "recordings": self.n_recordings,
            "reused": self.n_reused,
            "speakers": self.n_speakers,
            "without_speaker": self.n_without_speaker,
            "status": dict(sorted(self.by_status.items())),
            "emotion": dict(sorted(self.by_emotion.items())),
            "error_code": dict(sorted(self.by_error.items())),
            "ignored": dict(sorted(self.ignored.items())),
        }

    def to_dict(self, job: LabelJob) -> dict[str, Any]:
        """Return the counts and facts as plain JSON values."""
        facts = {"elapsed_s": round(self.elapsed_s, 3), "engine": self.engine, "exit_code": self.exit_code}
        if job.dry_run:
            facts = {"dry_run": True, "exit_code": self.exit_code}
        return {"output": redact(job.output)} | self.counts() | facts

    @property
    def exit_code(self) -> int:
        """Return the process's exit code."""
        if self.failure:
            return self.failure.exit_code
        return EXIT_ERROR_ROWS if self.by_status["error"] else EXIT_OK


def _counts(title: str, counter: Counter[str]) -> str:
    return f"  {title}: " + ", ".join(f"{name} {count:,}" for name, count in counter.most_common())


def fingerprint(spec: LabelSpec) -> dict[str, Any]:
    """Return all that changes a row; a run goes on only with the same."""
    # The schema's number changes when a release computes another value or writes another column.
    return {"schema": 2, "model_sha256": spec.model.sha256, **dataclasses.asdict(spec.config)}


def facts_of(job: LabelJob) -> dict[str, Any]:
    """Return what the journal keeps of a job beside the fingerprint."""
    return {
        "model": redact(job.model),
        "inputs": _inputs(job),
        "limit": job.limit,
        "tables": [table_name(place, job.output) for place in job.all_tables],
    }


def _inputs(job: LabelJob) -> list[str]:
    return [*map(redact, job.inputs), *(["-"] if job.names is not None else [])]


def manifest_of(job: LabelJob, spec: LabelSpec, summary: Summary) -> dict[str, Any]:
    """Return the content of ``<output>.run.json``."""
    return {
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "inputs": _inputs(job),
        "limit": job.limit,
        "output": redact(job.output),
        "tables": facts_of(job)["tables"],
        "model": {"name": spec.model.description["name"], "sha256": spec.model.sha256},
        "parameters": dataclasses.asdict(spec.config)
        | {"min_confidence": job.min_confidence, "speakers": job.speakers.shown if job.speakers else None},
        "versions": {"emosense": __version__, "python": platform.python_version(), "platform": sys.platform},
        "engine": summary.engine,
        "counts": summary.counts(),
        "elapsed_s": round(summary.elapsed_s, 3),
        "exit_code": summary.exit_code,
    }


def nothing_found(job: LabelJob, summary: Summary, left: str = "") -> NothingToDo:
    """Return the error for inputs without audio; `left` says what the table is now."""
    where = ", ".join(redact(location) for location in job.inputs) or "the list"
    found = ", ".join(f"{count} {reason}" for reason, count in summary.ignored.most_common(8))
    passed_over = f" (passed over: {found})" if found else ""
    return NothingToDo(f"no audio in {where}{passed_over}" + (f"; {redact(job.output)} {left}" if left else ""))
