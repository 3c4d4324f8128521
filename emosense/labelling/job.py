"""What a labelling job is asked for."""

from __future__ import annotations

import dataclasses
from typing import Any

from emosense.evaluation.choice import EmotionChoice
from emosense.inputs.listing_config import ListingConfig
from emosense.inputs.names import Name
from emosense.labelling.config import LabelConfig
from emosense.labelling.run.earlier_tables import table_name
from emosense.labelling.speaker_rule import SpeakerRule
from emosense.storage.locations import local_path, redact, shown_location
from emosense.tables.formats import format_of, place_of


@dataclasses.dataclass(frozen=True, slots=True)
class LabelJob:
    """What the user asked for.

    Parameters
    ----------
    inputs : tuple of str
        Files, folders and URLs.
    output : str
        Location of the table; its extension selects the format.
    names : tuple of Name or None
        More files by name, as a list on standard input gives them.
    segments_output : str or None
        Location of the table of segments.
    exports : tuple of str
        More formats to write beside the table: names in `emosense.tables.formats.OUTPUT_FORMATS`.
    report : str or None
        Location of the page that the caller makes from the table.
    model : str
        Name of a shipped model, a directory, or a URL.
    encoder : str
        Path or URL of the encoder that the model needs; if empty, it is looked for on this machine.
    engine : str
        ``auto``, ``local`` or ``ray``.
    n_workers : int or None
        Workers, at least 1; None for one per CPU.
    address : str or None
        Ray cluster to use.
    config : LabelConfig
        The settings that what is kept of a recording depends on.
    listing : ListingConfig
        Which files of a folder are recordings.
    speakers : SpeakerRule or None
        How the speaker of a recording is found; labels are adapted to each speaker when the table is assembled.
    quality : bool
        Write the columns of `emosense.labelling.trust`.
    emotions : EmotionChoice or None
        The emotions that labels may have, applied when the table is assembled, before speakers; None for all.
    adapt : str or None
        Adapt labels to what each ``speaker`` or ``folder`` has in common, or ``none``; by default to speakers if
        `speakers` is given.
    limit : int or None
        Label only the first recordings.
    min_confidence : float or None
        Threshold in [0, 1] of the column ``uncertain``; None for no such column.
    max_errors : str or None
        ``N`` or ``P%``: stop when more recordings than that are errors.
    restart : bool
        Discard the finished work of earlier starts.
    dry_run : bool
        List and count only.
    file_timeout_s : float
        Give up a recording after so many seconds without progress, or of CPU time without finding speech.
    progress : str
        A mode of `emosense.progress.open_progress`.
    verbose : bool
        Report each recording that is not ok as soon as it is known.
    """

    inputs: tuple[str, ...]
    output: str
    names: tuple[Name, ...] | None = None
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
    quality: bool = False
    emotions: EmotionChoice | None = None
    adapt: str | None = None
    limit: int | None = None
    min_confidence: float | None = None
    max_errors: str | None = None
    restart: bool = False
    dry_run: bool = False
    file_timeout_s: float = 60.0
    progress: str = "none"
    verbose: bool = False

    def __post_init__(self) -> None:
        """Replace ``file://`` URLs by paths."""
        object.__setattr__(self, "inputs", tuple(map(local_path, self.inputs)))
        for name in ("output", "segments_output", "report"):
            if (place := getattr(self, name)) is not None:
                object.__setattr__(self, name, local_path(place))

    @property
    def adapts_to(self) -> str:
        """What labels are adapted to: ``speaker``, ``folder`` or ``none``."""
        return self.adapt or ("speaker" if self.speakers else "none")

    @property
    def speaker_rule(self) -> SpeakerRule | None:
        """How the speaker of a recording is found; a folder that is adapted to is one unless another is given."""
        return self.speakers or (SpeakerRule("parent") if self.adapts_to == "folder" else None)

    @property
    def tables(self) -> dict[str, str]:
        """Where the table is written, by format; a format that is given twice is written once."""
        return {name: place_of(self.output, name) for name in self.exports} | {format_of(self.output): self.output}

    @property
    def all_tables(self) -> list[str]:
        """Where the table is written in all its formats, and the table of segments."""
        return [*self.tables.values(), *([self.segments_output] if self.segments_output else [])]

    @property
    def written(self) -> list[str]:
        """Every place that the job writes."""
        more = [self.report] if self.report else []
        return [*self.all_tables, f"{self.output}.run", f"{self.output}.run.json", *more]

    @property
    def input_names(self) -> list[str]:
        """What the manifest and the journal call the inputs; ``-`` is a list of names."""
        return [
            *(redact(shown_location(location)) for location in self.inputs),
            *(["-"] if self.names is not None else []),
        ]


def run_settings(job: LabelJob) -> dict[str, Any]:
    """Return what the journal keeps of a job besides the settings that change results.

    Parameters
    ----------
    job : LabelJob

    Returns
    -------
    dict
        JSON values.
    """
    return {
        "model": redact(job.model),
        "inputs": job.input_names,
        "limit": job.limit,
        "tables": [table_name(place, job.output) for place in job.all_tables],
    }
