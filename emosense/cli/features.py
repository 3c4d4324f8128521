"""`emosense-batch features`."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from emosense.cli.groups import MODEL, OUTPUT
from emosense.cli.log_file import LogFile, go_silent
from emosense.cli.options import (
    Address,
    EncoderFile,
    EncoderNormalise,
    EncoderOutput,
    FeatureSet,
    FollowLinks,
    ProgressMode,
    ProgressOption,
    Quiet,
    Root,
    Workers,
    print_message,
)
from emosense.cli.params_file import LoadParams, SaveParams, saved_params
from emosense.errors import EXIT_ERROR_ROWS, UsageError
from emosense.storage.locations import real_location, redact


def features(
    context: typer.Context,
    data: Annotated[
        list[str],
        typer.Argument(
            help="RAVDESS folder or URL, or a table (.csv, .parquet) with the columns path, emotion and speaker; "
            "several are taken together.",
        ),
    ],
    output: Annotated[
        str,
        typer.Option(
            "-o", "--output", metavar="TABLE", rich_help_panel=OUTPUT, help="Feature table to write (.parquet)."
        ),
    ],
    set_: FeatureSet = "summary",
    # The sample rates that emosense.audio.decoder accepts; it is not imported for --help.
    sample_rate: Annotated[
        int | None,
        typer.Option(
            min=1_000, max=768_000, metavar="HZ", rich_help_panel=MODEL, help="Sample rate in Hz; default: the set's."
        ),
    ] = None,
    estimate_tuning: Annotated[
        bool,
        typer.Option(
            rich_help_panel=MODEL, help="Estimate each recording's tuning for the chroma features (set summary)."
        ),
    ] = False,
    encoder: EncoderFile = "",
    encoder_output: EncoderOutput = "",
    encoder_normalise: EncoderNormalise = None,
    follow_links: FollowLinks = False,
    root: Root = "",
    workers: Workers = None,
    address: Address = None,
    progress: ProgressOption = ProgressMode.auto,
    quiet: Quiet = False,
    log_file: LogFile = None,  # noqa: ARG001 - opened before the command starts
    load: LoadParams = None,  # noqa: ARG001 - read before the other options
    save: SaveParams = None,
) -> None:
    """Extract features of a corpus with Ray Data, a row each. The metadata of the table has the settings."""
    from emosense.features.config import default_config
    from emosense.inputs.corpus import read_corpus
    from emosense.inputs.corpus_table import MISSING
    from emosense.progress import open_progress, plural
    from emosense.training.encoder_choice import EncoderChoice, with_encoder
    from emosense.training.features.corpus_extraction import extract_corpus
    from emosense.training.features.extract_on_ray import report_problems

    if not output.lower().endswith(".parquet"):
        raise UsageError(f"features are written as Parquet: give {redact(output)} the extension .parquet")
    if real_location(output) in map(real_location, data):
        raise UsageError(f"{redact(output)} is the input and would be overwritten: choose another --output")
    config = default_config(set_)
    if sample_rate:
        # There is no signal above half the sample rate.
        f_max_hz = min(config.f_max_hz, sample_rate / 2)
        config = dataclasses.replace(config, sample_rate=sample_rate, f_max_hz=f_max_hz)
    if estimate_tuning:
        if not config.n_chroma:
            raise UsageError(f"the feature set {set_} has no chroma: leave out --estimate-tuning")
        config = dataclasses.replace(config, tuning=None)
    corpus = read_corpus(*data, follow_links=follow_links, root=root)
    silent = go_silent(quiet)
    with saved_params(context, save, [output]), open_progress("none" if silent else progress.value) as reporter:
        config = with_encoder(config, EncoderChoice(encoder, encoder_output, encoder_normalise), reporter)
        report_problems(corpus, reporter)
        done = extract_corpus(corpus, config, output, address=address, n_workers=workers, progress=reporter)
    if not silent:
        errors = ", ".join(f"{count} {code}" for code, count in done.by_error.most_common())
        print_message(
            f"{output}: {plural(done.n_utterances, 'recording')}, set {set_}"
            + (f"; errors: {errors}" if errors else "")
        )
    if done.by_error or any(reason == MISSING for _, reason in corpus.problems):
        raise typer.Exit(EXIT_ERROR_ROWS)
