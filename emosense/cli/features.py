"""`emosense-batch features`."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from emosense.cli.options import (
    Address,
    Data,
    EncoderFile,
    EncoderNormalise,
    EncoderOutput,
    FeatureSet,
    LoadParams,
    ProgressMode,
    Quiet,
    SaveParams,
    Shown,
    Workers,
    real_place,
    saved_params,
    say,
)
from emosense.errors import EXIT_ERROR_ROWS, UsageError
from emosense.storage.files import redact


def features(
    context: typer.Context,
    data: Data,
    output: Annotated[str, typer.Option("-o", "--output", help="Feature table to write (.parquet).")],
    set_: Annotated[FeatureSet, typer.Option("--set", help="Which features.")] = FeatureSet.summary,
    encoder: EncoderFile = "",
    encoder_output: EncoderOutput = "",
    encoder_normalise: EncoderNormalise = None,
    # The sample rates that a recording may have: emosense.audio.decoder, which is not loaded for --help.
    sample_rate: Annotated[int | None, typer.Option(min=1_000, max=768_000, help="Hz; default: the set's own.")] = None,
    estimate_tuning: Annotated[
        bool, typer.Option(help="Estimate the tuning of each recording for the chroma.")
    ] = False,
    workers: Workers = None,
    address: Address = None,
    progress: Shown = ProgressMode.auto,
    quiet: Quiet = False,
    load: LoadParams = None,  # noqa: ARG001 - read before the other options
    save: SaveParams = None,
) -> None:
    """Extract features of a corpus with Ray Data: one row a recording, the configuration in the file's metadata."""
    from emosense.features.sets import default_config
    from emosense.inputs.corpus import MISSING, read_corpus
    from emosense.progress import open_progress, plural
    from emosense.training.encoder_choice import EncoderChoice, with_encoder
    from emosense.training.extract_on_ray import extract_corpus, report_problems

    if not output.lower().endswith(".parquet"):
        raise UsageError(f"features are written as Parquet: end {output} in .parquet")
    if real_place(output) == real_place(data):
        raise UsageError(f"{redact(output)} would be written over: give the features a place of their own")
    config = default_config(set_.value)
    if sample_rate:
        # Above half the sample rate there is nothing to hear.
        f_max_hz = min(config.f_max_hz, sample_rate / 2)
        config = dataclasses.replace(config, sample_rate=sample_rate, f_max_hz=f_max_hz)
    if estimate_tuning:
        if not config.n_chroma:
            raise UsageError(f"the set {set_.value} has no chroma: leave out --estimate-tuning")
        config = dataclasses.replace(config, tuning=None)
    corpus = read_corpus(data)
    with saved_params(context, save, [output]), open_progress("none" if quiet else progress.value) as reporter:
        config = with_encoder(config, EncoderChoice(encoder, encoder_output, encoder_normalise), reporter)
        report_problems(corpus, reporter)
        done = extract_corpus(corpus, config, output, address=address, n_workers=workers, progress=reporter)
    if not quiet:
        errors = ", ".join(f"{count} {code}" for code, count in done.by_error.most_common())
        say(
            f"{output}: {plural(done.n_utterances, 'recording')}, set {set_.value}"
            + (f"; errors: {errors}" if errors else "")
        )
    if done.by_error or any(reason == MISSING for _, reason in corpus.problems):
        raise typer.Exit(EXIT_ERROR_ROWS)
