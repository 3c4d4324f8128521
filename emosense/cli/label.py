"""`emosense-batch label`."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import typer

from emosense.cli.label_options import (
    Adapt,
    AsJson,
    DryRun,
    Emotions,
    Engine,
    EngineName,
    FileTimeout,
    Formats,
    Inputs,
    InsideOption,
    Limit,
    MaxDuration,
    MaxErrors,
    MinConfidence,
    Output,
    Quality,
    Report,
    Restart,
    Segments,
    Sniff,
    SpeakersOption,
    Strict,
    Verbose,
)  # fmt: skip
from emosense.cli.log_file import LogFile, go_silent
from emosense.cli.options import (
    Address,
    EncoderFile,
    FollowLinks,
    ModelName,
    ProgressMode,
    ProgressOption,
    Quiet,
    Root,
    Workers,
    comma_separated,
    command_text,
    print_message,
)  # fmt: skip
from emosense.cli.params_file import LoadParams, SaveParams, saved_params
from emosense.cli.segment_options import (
    Channels,
    Hop,
    MaxSegment,
    MinSegment,
    SegmentBy,
    SegmentByOption,
    Track,
    Window,
)  # fmt: skip
from emosense.cli.standard_output import STANDARD_OUTPUT, printed_table
from emosense.errors import UsageError

if TYPE_CHECKING:
    from emosense.evaluation.choice import EmotionChoice
    from emosense.inputs.names import Name


def label(
    context: typer.Context,
    inputs: Inputs,
    output: Output = "labels.csv",
    formats: Formats = None,
    report: Report = None,
    segments: Segments = None,
    quality: Quality = False,
    min_confidence: MinConfidence = None,
    as_json: AsJson = False,
    model: ModelName = "default",
    emotions: Emotions = "",
    speakers: SpeakersOption = None,
    adapt: Adapt = None,
    encoder: EncoderFile = "",
    limit: Limit = None,
    dry_run: DryRun = False,
    inside: InsideOption = None,
    sniff: Sniff = False,
    follow_links: FollowLinks = False,
    root: Root = "",
    segment_by: SegmentByOption = SegmentBy.window,
    window: Window = 0.0,
    hop: Hop = 0.0,
    min_segment: MinSegment = 0.0,
    max_segment: MaxSegment = 0.0,
    channels: Channels = "mix",
    track: Track = 0,
    restart: Restart = False,
    max_errors: MaxErrors = None,
    strict: Strict = False,
    max_duration: MaxDuration = 86_400.0,
    file_timeout: FileTimeout = 60.0,
    workers: Workers = None,
    engine: Engine = EngineName.auto,
    address: Address = None,
    progress: ProgressOption = ProgressMode.auto,
    quiet: Quiet = False,
    verbose: Verbose = False,
    log_file: LogFile = None,  # noqa: ARG001 - opened before the command starts
    load: LoadParams = None,  # noqa: ARG001 - read before the other options
    save: SaveParams = None,
) -> None:
    """Label recordings: one row each, with emotion and confidence.

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
    silent = go_silent(quiet)
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
        progress="none" if silent else progress.value,
        verbose=verbose,
    )
    check_job(job)
    with saved_params(context, save, job.written):
        summary = run_label_job(job)
    if as_json:
        print(json.dumps(summary.to_dict(job), indent=2))  # noqa: T201 - what was asked for
    elif not silent and not summary.failure:
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
    from emosense.models.model_files import read_model

    return EmotionChoice.parse(names, read_model(model).description["classes"])


def _names_on_stdin(root: str) -> tuple[Name, ...]:
    """Read names from standard input."""
    from emosense.inputs.path_table import names_in_list

    if sys.stdin is None:
        raise UsageError("- reads a list from standard input, but standard input is closed")
    return names_in_list(sys.stdin.buffer.read(), root)
