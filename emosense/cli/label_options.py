"""The options of `emosense-batch label` that no other command has, but for `segment_options`."""

from __future__ import annotations

import enum
from typing import Annotated

import typer

from emosense.cli.completion import one_of
from emosense.cli.groups import ERRORS, MACHINES, MESSAGES, MODEL, OUTPUT, RECORDINGS
from emosense.tables.formats import OUTPUT_FORMATS


class EngineName(enum.StrEnum):
    """Where recordings are labelled."""

    auto = "auto"
    local = "local"
    ray = "ray"


class Inside(enum.StrEnum):
    """What is opened to find recordings in it."""

    archives = "archives"


Inputs = Annotated[
    list[str],
    typer.Argument(
        help="Files, folders, URLs, tables with a column path, or the manifest.json of an S3 Inventory; - reads a "
        "list from standard input.",
    ),
]
Output = Annotated[
    str,
    typer.Option(
        "-o",
        "--output",
        metavar="TABLE",
        rich_help_panel=OUTPUT,
        help="Table to write: .csv, .parquet or .jsonl; NAME/ for a folder of Parquet files. - prints it on "
        "standard output when it is finished: CSV, or JSON lines with -f jsonl.",
    ),
]
Formats = Annotated[
    list[str] | None,
    typer.Option(
        "-f",
        "--format",
        metavar="FORMAT",
        rich_help_panel=OUTPUT,
        autocompletion=one_of(OUTPUT_FORMATS),
        help=f"Also write this format: {', '.join(OUTPUT_FORMATS)}; repeatable.",
    ),
]
Report = Annotated[
    str | None, typer.Option(metavar="FILE", rich_help_panel=OUTPUT, help="Write an HTML report to this file.")
]
Segments = Annotated[
    str | None,
    typer.Option(
        metavar="TABLE", rich_help_panel=OUTPUT, help="Also write one row per window or utterance to this table."
    ),
]
Quality = Annotated[
    bool,
    typer.Option(rich_help_panel=OUTPUT, help="Add columns that help to judge how far to trust each label."),
]
MinConfidence = Annotated[
    float | None,
    typer.Option(
        metavar="NUMBER",
        rich_help_panel=OUTPUT,
        help="Add the column uncertain: true below this confidence. No row is removed.",
    ),
]
AsJson = Annotated[
    bool,
    typer.Option("--json", rich_help_panel=OUTPUT, help="Print the summary as JSON on standard output."),
]
Emotions = Annotated[
    str,
    typer.Option(
        metavar="LIST",
        rich_help_panel=MODEL,
        help="Emotions that a label may be, comma-separated; default: those of the model. If you name only one of "
        "neutral and calm, the other counts as it.",
    ),
]
SpeakersOption = Annotated[
    str | None,
    typer.Option(
        "--speakers",
        metavar="RULE",
        rich_help_panel=MODEL,
        autocompletion=one_of(("parent", "channel", "regex:")),
        help="Adapt to each speaker. How the speaker is found: parent (one folder per speaker), channel (one "
        "channel per speaker, within a folder), regex:PATTERN "
        "(its first group, in parentheses, in the path), or a table with the columns path and speaker.",
    ),
]
Adapt = Annotated[
    str | None,
    typer.Option(
        metavar="speaker|folder|none",
        rich_help_panel=MODEL,
        autocompletion=one_of(("speaker", "folder", "none")),
        help="Adapt to what each speaker's or each folder's recordings have in common: speaker, folder or none; "
        "default: speaker with --speakers, otherwise none.",
        show_default=False,
    ),
]
Limit = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="N", rich_help_panel=RECORDINGS, help="Label only the first N recordings, in order of path."
    ),
]
DryRun = Annotated[
    bool, typer.Option(rich_help_panel=RECORDINGS, help="List and count the recordings, but label none.")
]
InsideOption = Annotated[
    Inside | None,
    typer.Option(
        "--inside",
        rich_help_panel=RECORDINGS,
        help="archives: also label the recordings in .tar, .tar.gz and .zip files and in .parquet tables with a column "
        "of bytes.",
        show_default=False,
    ),
]
Sniff = Annotated[
    bool,
    typer.Option(rich_help_panel=RECORDINGS, help="Look at all files, not only those with audio extensions."),
]
Restart = Annotated[
    bool,
    typer.Option(rich_help_panel=ERRORS, help="Discard the work of an earlier run and start again."),
]
MaxErrors = Annotated[
    str | None,
    typer.Option(metavar="N|P%", rich_help_panel=ERRORS, help="Stop when more recordings fail than this: N or P%."),
]
Strict = Annotated[
    bool,
    typer.Option(rich_help_panel=ERRORS, help="Treat recordings that can only be decoded in part as errors."),
]
MaxDuration = Annotated[
    float,
    typer.Option(
        metavar="SECONDS",
        rich_help_panel=ERRORS,
        help="Longest recording to label, in seconds; longer ones are errors.",
    ),
]
FileTimeout = Annotated[
    float,
    typer.Option(
        metavar="SECONDS",
        rich_help_panel=ERRORS,
        help="Give up on a recording after so many seconds without progress, or of CPU time without finding speech.",
    ),
]
Engine = Annotated[
    EngineName,
    typer.Option(
        rich_help_panel=MACHINES,
        help="auto: worker processes on this machine for small jobs, Ray for large ones.",
    ),
]
Verbose = Annotated[
    bool,
    typer.Option("-v", "--verbose", rich_help_panel=MESSAGES, help="Print what is wrong with each recording."),
]
