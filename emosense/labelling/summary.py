"""What came out of a labelling job: counts and exit code."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any, Final

from emosense.errors import EXIT_ERROR_ROWS, EXIT_OK, EmoSenseError, NothingToDo
from emosense.inputs.listing_config import archives_hint, links_hint
from emosense.labelling.cost import Cost
from emosense.labelling.job import LabelJob
from emosense.labelling.labelled import Labelled
from emosense.progress import duration_text, plural
from emosense.storage.locations import redact
from emosense.tables.columns import SCHEMA_VERSION, SECONDS_DIGITS

_SKIPPED: Final = {
    "no extension": "without an extension",
    "link": "links",
    "outside": "links that lead out of the folder",
    "special": "special files",
}
# More errors than these are counted, not named.
_MOST_ERRORS: Final = 3
_REMEDY: Final = ": give recordings, such as .wav, .mp3 or .flac files, or a folder that has some"


@dataclasses.dataclass(slots=True)
class Summary:
    """What came out of a job.

    Parameters
    ----------
    n_listed : int
        Recordings in the inputs: more than the table has rows if ``--max-errors`` stopped the run.
    n_recordings, n_reused : int
        Recordings in the table, and how many of them an earlier start of the run has labelled.
    n_rows : int
        Rows of the table: more than recordings where channels are split.
    n_unfamiliar : int
        Labelled recordings that are unlike the training data of the model.
    n_several_tracks : int
        Recordings that this start has labelled and that have several audio tracks.
    n_speakers, n_without_speaker : int
        Speakers that labels were adapted to; labelled recordings that have no speaker to adapt to.
    elapsed_s : float
        Duration of the job in seconds.
    cost : Cost
        What this start has cost.
    engine : str
        What labelled: ``local``, ``ray``, or ``none`` if there was nothing left to label.
    by_status, by_emotion, by_error : Counter
        Rows by status, labelled rows by emotion, rows with an error code by code.
    first_errors : list of str
        The first of these rows: path and sentence.
    speech_s : Counter
        Seconds of speech by the emotion of its segment.
    long_speech_s : float
        Seconds of speech in recordings of more than one segment.
    ignored : Counter
        Files in the inputs that were skipped, by reason.
    cpus : list of str
        Kinds of CPU that have labelled, those of earlier starts included.
    failure : EmoSenseError or None
        Why the job failed although its table is valid: too many errors, or no audio.
    """

    n_listed: int = 0
    n_recordings: int = 0
    n_reused: int = 0
    n_rows: int = 0
    n_unfamiliar: int = 0
    n_several_tracks: int = 0
    n_speakers: int = 0
    n_without_speaker: int = 0
    elapsed_s: float = 0.0
    cost: Cost = dataclasses.field(default_factory=Cost)
    engine: str = ""
    by_status: Counter[str] = dataclasses.field(default_factory=Counter)
    by_emotion: Counter[str] = dataclasses.field(default_factory=Counter)
    by_error: Counter[str] = dataclasses.field(default_factory=Counter)
    first_errors: list[str] = dataclasses.field(default_factory=list)
    speech_s: Counter[str] = dataclasses.field(default_factory=Counter)
    long_speech_s: float = 0.0
    ignored: Counter[str] = dataclasses.field(default_factory=Counter)
    cpus: list[str] = dataclasses.field(default_factory=list)
    failure: EmoSenseError | None = None

    @property
    def counts_time(self) -> bool:
        """Whether most of the speech is in long recordings, so that seconds of speech say more than their number."""
        return 2 * self.long_speech_s > self.speech_s.total()

    def count(self, labelled: Labelled) -> None:
        """Count one recording.

        Parameters
        ----------
        labelled : Labelled
            Its row has `n_segments`.
        """
        row, speech_s = labelled.row, labelled.speech_by_emotion()
        self.speech_s.update(speech_s)
        if (row.n_segments or 0) > 1:
            self.long_speech_s += sum(speech_s.values())
        # Further channels of a recording follow its first one.
        self.n_recordings += row.channel is None or row.channel == 1
        self.n_rows += 1
        self.by_status[row.status] += 1
        self.n_unfamiliar += row.unfamiliar is True
        if row.emotion:
            self.by_emotion[row.emotion] += 1
        if row.error_code:
            self.by_error[row.error_code] += 1
            if len(self.first_errors) < _MOST_ERRORS:
                self.first_errors.append(redact(f"{row.path}: {row.error}"))

    def text(self, job: LabelJob) -> str:
        """Return the summary for a person.

        Parameters
        ----------
        job : LabelJob

        Returns
        -------
        str
            A few lines.
        """
        recordings = plural(self.n_recordings, "recording")
        if job.config.splits_channels:
            recordings += f", {plural(self.n_rows, 'channel')}"
        lines = [f"{redact(job.output)}: {recordings} in {duration_text(self.elapsed_s)}"]
        if job.dry_run:
            lines = [f"{plural(self.n_recordings, 'recording')} would be labelled into {redact(job.output)}"]
        if self.counts_time:
            lines.append(_times(self.speech_s))
        elif self.by_emotion:
            lines.append(_counts("emotions", self.by_emotion))
        if self.n_unfamiliar:
            n_unfamiliar = f"{self.n_unfamiliar:,} of {self.by_emotion.total():,}"
            lines.append(f"  unfamiliar: {n_unfamiliar}, unlike the training data: expect more wrong labels")
        if self.n_several_tracks:
            track = f"track {job.config.track}" if job.config.track else "the default one"
            n_recordings = plural(self.n_several_tracks, "recording")
            lines.append(f"  several audio tracks: {n_recordings}, labelled by {track}; --track N chooses another")
        if self.by_error:
            lines += self._problems(job)
        if self.n_speakers:
            lines.append(f"  adapted to {plural(self.n_speakers, job.adapts_to)}")
        if self.n_without_speaker:
            lines.append(f"  not adapted, without a speaker: {self.n_without_speaker:,}")
        if self.ignored:
            lines.append(f"  skipped: {_skipped(self.ignored)}{links_hint(self.ignored)}{archives_hint(self.ignored)}")
        if cost := self.cost.text(self.elapsed_s):
            lines.append(cost)
        return "\n".join(lines)

    def _problems(self, job: LabelJob) -> list[str]:
        """Count the errors; name them if they are few and ``--verbose`` has not done so."""
        counted = _counts("problems", self.by_error)
        if job.verbose or self.by_error.total() > _MOST_ERRORS:
            return [f"{counted} (see the column error)"]
        return [counted, *(f"    {error}" for error in self.first_errors)]

    def counts(self) -> dict[str, Any]:
        """Return the counts.

        Returns
        -------
        dict
            JSON values.
        """
        return {
            "listed": self.n_listed,
            "recordings": self.n_recordings,
            "rows": self.n_rows,
            "reused": self.n_reused,
            "speakers": self.n_speakers,
            "without_speaker": self.n_without_speaker,
            "unfamiliar": self.n_unfamiliar,
            "several_tracks": self.n_several_tracks,
            "status": dict(sorted(self.by_status.items())),
            "emotion": dict(sorted(self.by_emotion.items())),
            "speech_s": {name: round(speech_s, SECONDS_DIGITS) for name, speech_s in sorted(self.speech_s.items())},
            "counts_time": self.counts_time,
            "error_code": dict(sorted(self.by_error.items())),
            "ignored": dict(sorted(self.ignored.items())),
        }

    def to_dict(self, job: LabelJob) -> dict[str, Any]:
        """Return what ``--json`` prints.

        Parameters
        ----------
        job : LabelJob

        Returns
        -------
        dict
            JSON values.
        """
        result: dict[str, Any] = {"elapsed_s": round(self.elapsed_s, 3), "engine": self.engine}
        result |= {"cost": self.cost.to_dict(self.elapsed_s), "exit_code": self.exit_code}
        if job.dry_run:
            result = {"dry_run": True, "exit_code": self.exit_code}
        return {"output": redact(job.output), "schema": SCHEMA_VERSION} | self.counts() | result

    @property
    def exit_code(self) -> int:
        """Exit code of the process."""
        if self.failure:
            return self.failure.exit_code
        return EXIT_ERROR_ROWS if self.by_status["error"] else EXIT_OK


def _counts(title: str, counter: Counter[str]) -> str:
    return f"  {title}: " + ", ".join(f"{name} {count:,}" for name, count in counter.most_common())


def _times(speech_s: Counter[str]) -> str:
    total_s = speech_s.total()
    times = (f"{name} {duration_text(s)} ({s / total_s:.0%})" for name, s in speech_s.most_common())
    return f"  speech: {', '.join(times)}"


def _skipped(ignored: Counter[str], n_reasons: int | None = None) -> str:
    reasons = ignored.most_common(n_reasons)
    return ", ".join(f"{count:,} {_SKIPPED.get(reason, reason)}" for reason, count in reasons)


def nothing_found(job: LabelJob, summary: Summary, outcome: str = "") -> NothingToDo:
    """Return the error for inputs without audio.

    Parameters
    ----------
    job : LabelJob
    summary : Summary
    outcome : str
        What became of the table, such as "is unchanged"; empty if there is none.

    Returns
    -------
    NothingToDo
    """
    where = ", ".join(redact(location) for location in job.inputs) or "the list"
    skipped = f" (skipped: {_skipped(summary.ignored, 8)})" if summary.ignored else ""
    remedy = links_hint(summary.ignored) + archives_hint(summary.ignored) or _REMEDY
    table = f"; {redact(job.output)} {outcome}" if outcome else ""
    return NothingToDo(f"no audio in {where}{skipped}{remedy}{table}")
