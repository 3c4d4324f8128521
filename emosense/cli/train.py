"""`emosense-batch train`."""

from __future__ import annotations

from typing import Annotated

import typer

from emosense.cli.options import (
    Address,
    Cache,
    Data,
    EncoderFile,
    EncoderNormalise,
    EncoderOutput,
    Kind,
    LoadParams,
    Preset,
    ProgressMode,
    Quiet,
    SaveParams,
    Shown,
    names,
    saved_params,
    say,
)


def train(
    context: typer.Context,
    kind: Annotated[Kind, typer.Argument(help="Model family.")],
    data: Data,
    output: Annotated[str, typer.Option("-o", "--output", help="Directory for the model.")],
    preset: Annotated[
        Preset,
        typer.Option(
            help="reference: the published baseline; default: ours; telephone: a CNN for telephone lines; encoder, "
            "encoder-linear: an MLP with --encoder; the others take a part of the default out or exchange it, to see "
            "what it brings."
        ),
    ] = Preset.default,
    encoder: EncoderFile = "",
    encoder_output: EncoderOutput = "",
    encoder_normalise: EncoderNormalise = None,
    emotions: Annotated[str, typer.Option(help="Classes, separated by commas; default: the preset's.")] = "",
    seed: Annotated[int, typer.Option(help="Decides initial weights, order and augmentation.")] = 0,
    validation: Annotated[
        float, typer.Option(help="Share of speakers held out for curves and calibration, before the fit on all.")
    ] = 0.2,
    metrics: Annotated[
        str | None, typer.Option(help="metrics.json of evaluate, to take score and calibration from.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Of the CNN; default: the preset's.")] = None,
    train_workers: Annotated[int, typer.Option(min=1, help="Data-parallel Ray Train workers of the CNN.")] = 1,
    gpu: Annotated[bool, typer.Option(help="Give each training worker a GPU.")] = False,
    storage: Annotated[str | None, typer.Option(help="Folder or URL for checkpoints; default: in the model's.")] = None,
    resume: Annotated[bool, typer.Option(help="Go on from the last checkpoint of the same training.")] = False,
    max_failures: Annotated[int, typer.Option(min=0, help="Failures of training workers that are survived.")] = 2,
    cache: Cache = None,
    address: Address = None,
    overwrite: Annotated[
        bool, typer.Option(help="Replace a model that is there, or other files of the same names.")
    ] = False,
    progress: Shown = ProgressMode.auto,
    quiet: Quiet = False,
    load: LoadParams = None,  # noqa: ARG001 - read before the other options
    save: SaveParams = None,
) -> None:
    """Train a model and write its directory: ONNX weights, model.json and learning curves."""
    from emosense.progress import open_progress
    from emosense.training.encoder_choice import EncoderChoice
    from emosense.training.train import TrainJob
    from emosense.training.train import train as run

    job = TrainJob(
        kind=kind.value,
        data=data,
        output=output,
        preset=preset.value,
        emotions=names(emotions),
        seed=seed,
        validation_share=validation,
        metrics=metrics,
        cache=cache,
        storage=storage,
        resume=resume,
        max_failures=max_failures,
        n_workers=train_workers,
        use_gpu=gpu,
        epochs=epochs,
        address=address,
        overwrite=overwrite,
        encoder=EncoderChoice(encoder, encoder_output, encoder_normalise),
    )
    with saved_params(context, save, job.written), open_progress("none" if quiet else progress.value) as reporter:
        trained = run(job, reporter)
    if not quiet:
        for score in trained.description["scores"]:
            say(f"{score['protocol']}: UAR {score['uar']:.1%}, ECE {score['ece']:.1%}")
        say(f"{output}: model {trained.description['name']}")
