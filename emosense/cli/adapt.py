"""`emosense-batch adapt`."""

from __future__ import annotations

from typing import Annotated

import typer

from emosense.cli.options import EncoderFile, ModelName, ProgressMode, ProgressOption, Quiet, Root, print_message


def adapt(
    labels: Annotated[
        str,
        typer.Argument(
            help="Table of your labels: .csv, .jsonl or .parquet with path, emotion and, if known, speaker."
        ),
    ],
    output: Annotated[
        str,
        typer.Option(
            "-o", "--output", metavar="FOLDER", help="Directory to write the model to; its name is the model's."
        ),
    ],
    model: ModelName = "default",
    encoder: EncoderFile = "",
    root: Root = "",
    anyway: Annotated[bool, typer.Option(help="Write the model even if the base model alone is better.")] = False,
    overwrite: Annotated[bool, typer.Option(help="Overwrite an existing model.")] = False,
    progress: ProgressOption = ProgressMode.auto,
    quiet: Quiet = False,
) -> None:
    """Adapt a model to recordings that you labelled. It says what that gains.

    The new model knows the emotions of your table, also those with names of your own.
    """
    from emosense.progress import open_progress
    from emosense.training.adaptation.adapt import AdaptJob
    from emosense.training.adaptation.adapt import adapt as run

    job = AdaptJob(labels, output, model, encoder, anyway, overwrite, root)
    with open_progress("none" if quiet else progress.value) as reporter:
        adapted = run(job, reporter)
    if quiet:
        return
    score, gain = adapted.score, adapted.score.comparison
    alone = f" ({', '.join(adapted.unknown)} unknown to it)" if adapted.unknown else ""
    print_message(f"{model} alone: UAR {score.base_uar:.1%}{alone}")
    span = f", 95 % {100 * gain.interval[0]:+.1f} to {100 * gain.interval[1]:+.1f}" if gain.interval else ""
    print_message(f"adapted: UAR {score.uar:.1%}, ECE {score.ece:.1%} ({score.protocol})")
    print_message(f"gain: {100 * gain.uar_difference:+.1f} points{span}")
    if gain.interval and gain.interval[0] <= 0:
        print_message("this may be chance: label more recordings to know")
    print_message(f"{output}: model {adapted.description['name']}")
