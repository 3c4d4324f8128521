"""`emosense-batch label`."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from emosense.cli.log_file import LogFile
from emosense.cli.options import (
    Address,
    EncoderFile,
    EngineName,
    FollowLinks,
    Inside,
    ProgressMode,
    ProgressOption,
    Quiet,
    Root,
    SegmentBy,
    Workers,
    comma_separated,
    command_text,
    print_message,
)
from emosense.cli.params_file import LoadParams, SaveParams, saved_params
from emosense.cli.standard_output import STANDARD_OUTPUT, printed_table
from emosense.errors import UsageError
from emosense.tables.formats import OUTPUT_FORMATS

if TYPE_CHECKING:
    from emosense.evaluation.choice import EmotionChoice
    from emosense.inputs.names import Name


def label(
    context: typer.Context,
    inputs: Annotated[
        list[str],
        typer.Argument(
            help="Files, folders, URLs, tables with a column path, or the manifest.json of an S3 Inventory; - reads a "
            "list from standard input."
        ),
    ],
    output: Annotated[
        str,
        typer.Option(
            "-o",
            "--output",
            help="Table to write: .csv, .parquet or .jsonl; NAME/ for a folder of Parquet files. - prints it on "
            "standard output when it is finished: CSV, or JSON lines with -f jsonl.",
        ),
    ] = "labels.csv",
    model: Annotated[
        str, typer.Option("-m", "--model", help="Name of a shipped model, a directory, or a URL in object storage.")
    ] = "default",
    encoder: EncoderFile = "",
    engine: Annotated[
        EngineName, typer.Option(help="auto: worker processes on this machine for small jobs, Ray for large ones.")
    ] = EngineName.auto,
    workers: Workers = None,
    address: Address = None,
    window: Annotated[
        float, typer.Option(help="Length of a window in seconds; default: the model's.", show_default=False)
    ] = 0.0,
    hop: Annotated[
        float, typer.Option(help="Seconds from one window to the next; default: the window.", show_default=False)
    ] = 0.0,
    channels: Annotated[
        str,
        typer.Option(
            help="mix: one label for all channels that have speech. split: one row per channel. first, or a number "
            "from 1: that channel only."
        ),
    ] = "mix",
    track: Annotated[
        int,
        typer.Option(
            min=0,
            help="Audio track of a film, from 1; default: the one it marks as default, else the first that can be "
            "decoded.",
            show_default=False,
        ),
    ] = 0,
    segment_by: Annotated[
        SegmentBy, typer.Option(help="Cut recordings into windows of a fixed length, or into utterances, at pauses.")
    ] = SegmentBy.window,
    min_segment: Annotated[
        float,
        typer.Option(
            help="Least length of an utterance in seconds; shorter ones are joined to the next, or get more of the "
            "pause after them. Default: 1.",
            show_default=False,
        ),
    ] = 0.0,
    max_segment: Annotated[
        float,
        typer.Option(
            help="Longest length of an utterance in seconds; default: the model's window.", show_default=False
        ),
    ] = 0.0,
    segments: Annotated[
        str | None, typer.Option(help="Also write one row per window or utterance to this table.")
    ] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option("-f", "--format", help=f"Also write this format: {', '.join(OUTPUT_FORMATS)}; repeatable."),
    ] = None,
    report: Annotated[str | None, typer.Option(help="Write an HTML report to this file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON on standard output.")] = False,
    quality: Annotated[bool, typer.Option(help="Add columns that help to judge how far to trust each label.")] = False,
    emotions: Annotated[
        str,
        typer.Option(
            help="Emotions that a label may be, comma-separated; default: those of the model. If you name only one of "
            "neutral and calm, the other counts as it."
        ),
    ] = "",
    adapt: Annotated[
        str | None,
        typer.Option(
            help="Adapt to what each speaker's or each folder's recordings have in common: speaker, folder or none; "
            "default: speaker with --speakers, otherwise none.",
            show_default=False,
        ),
    ] = None,
    speakers: Annotated[
        str | None,
        typer.Option(
            help="Adapt to each speaker. How the speaker is found: parent (one folder per speaker), channel (one "
            "channel per speaker, within a folder), regex:PATTERN "
            "(first group in the path), or a table with the columns path and speaker."
        ),
    ] = None,
    min_confidence: Annotated[
        float | None, typer.Option(help="Add the column uncertain: true below this confidence. No row is removed.")
    ] = None,
    strict: Annotated[bool, typer.Option(help="Treat recordings that can only be decoded in part as errors.")] = False,
    max_duration: Annotated[
        float, typer.Option(help="Longest recording to label, in seconds; longer ones are errors.")
    ] = 86_400.0,
    max_errors: Annotated[str | None, typer.Option(help="Stop when more recordings fail than this: N or P%.")] = None,
    file_timeout: Annotated[
        float,
        typer.Option(
            help="Give up on a recording after so many seconds without progress, or of CPU time without finding speech."
        ),
    ] = 60.0,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Label only the first N recordings, in order of path.")
    ] = None,
    follow_links: FollowLinks = False,
    root: Root = "",
    inside: Annotated[
        Inside | None,
        typer.Option(
            help="archives: also label the recordings in .tar and .zip files and in .parquet tables with a column of "
            "bytes.",
            show_default=False,
        ),
    ] = None,
    sniff: Annotated[bool, typer.Option(help="Look at all files, not only those with audio extensions.")] = False,
    restart: Annotated[bool, typer.Option(help="Discard the work of an earlier run and start again.")] = False,
    dry_run: Annotated[bool, typer.Option(help="List and count the recordings, but label none.")] = False,
    progress: ProgressOption = ProgressMode.auto,
    quiet: Quiet = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Print what is wrong with each recording.")] = False,
    log_file: LogFile = None,  # noqa: ARG001 - opened before the command starts
    load: LoadParams = None,  # noqa: ARG001 - read before the other options
    save: SaveParams = None,
) -> None:
    """Label recordings: one row per recording, with the emotion and the model's confidence.

    Run the same command again to resume a run that was stopped.
    """
    from emosense.inputs.listing_config import ListingConfig
    from emosense.labelling.config import LabelConfig
    from emosense.labelling.job import LabelJob
    from emosense.labelling.job_check import check_job
    from emosense.labelling.run_job import run_label_job
    from emosense.labelling.speaker_rule import SpeakerRule

    is_printed, exports = output == STANDARD_OUTPUT, tuple(formats or ())
    if is_printed:
        if report is not None or as_json:
            raise UsageError("-o - prints only the table: leave out --report and --json, or name a file")
        if address is not None:
            raise UsageError("-o - is for this machine: with --address, name a place that all machines reach")
        output, exports = context.with_resource(printed_table(exports)), ()
    if report is not None:
        from emosense.reports.page import check_output
        from emosense.tables.readers import check_readable

        check_readable(output)
        check_output(report)
    job = LabelJob(
        inputs=tuple(location for location in inputs if location != "-"),
        names=_names_on_stdin(root) if "-" in inputs else None,
        output=output,
        segments_output=segments,
        exports=exports,
        report=report,
        model=model,
        encoder=encoder,
        engine=engine.value,
        n_workers=workers,
        address=address,
        config=LabelConfig(
            window, hop, strict, max_duration, segment_by.value, min_segment, max_segment, channels, track
        ),
        listing=ListingConfig(
            follow_links=follow_links, any_extension=sniff, root=root, inside=inside.value if inside else ""
        ),
        speakers=SpeakerRule(speakers, root) if speakers is not None else None,
        adapt=adapt,
        quality=quality,
        emotions=_choice(comma_separated(emotions), model) if emotions else None,
        limit=limit,
        min_confidence=min_confidence,
        max_errors=max_errors,
        restart=restart,
        dry_run=dry_run,
        file_timeout_s=file_timeout,
        progress="none" if quiet else progress.value,
        verbose=verbose,
    )
    check_job(job)
    with saved_params(context, save, job.written):
        summary = run_label_job(job)
    if as_json:
        print(json.dumps(summary.to_dict(job), indent=2))  # noqa: T201 - what was asked for
    elif not quiet and not summary.failure:
        print_message(summary.text(job).replace(job.output, "standard output") if is_printed else summary.text(job))
    if report is not None and not dry_run and summary.n_recordings:
        from emosense.reports import label_report

        label_report(output, f"{output}.run.json", report, segments, command=command_text())
    if summary.failure:
        raise summary.failure
    raise typer.Exit(summary.exit_code)


def _choice(names: tuple[str, ...], model: str) -> EmotionChoice:
    """Parse the emotions that the user chose, of which the model may have some of the user's own."""
    from emosense.evaluation.choice import EmotionChoice
    from emosense.models.model import read_model

    return EmotionChoice.parse(names, read_model(model).description["classes"])


def _names_on_stdin(root: str) -> tuple[Name, ...]:
    """Read names from standard input."""
    from emosense.inputs.path_table import names_in_list

    if sys.stdin is None:
        raise UsageError("- reads a list from standard input, but standard input is closed")
    return names_in_list(sys.stdin.buffer.read(), root)
