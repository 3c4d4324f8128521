"""`emosense-batch train`."""

from __future__ import annotations

from typing import Annotated

import typer

from emosense.cli.completion import one_of
from emosense.cli.groups import ERRORS, MACHINES, MODEL, OUTPUT, SPEAKER_SPLITS
from emosense.cli.log_file import LogFile, go_silent
from emosense.cli.options import (
    KINDS,
    Address,
    Cache,
    Data,
    EncoderFile,
    EncoderNormalise,
    EncoderOutput,
    Epochs,
    FollowLinks,
    Mlflow,
    ModelFolder,
    Preset,
    ProgressMode,
    ProgressOption,
    Quiet,
    Root,
    TensorBoard,
    comma_separated,
    print_message,
)
from emosense.cli.params_file import LoadParams, SaveParams, saved_params


def train(
    context: typer.Context,
    kind: Annotated[str, typer.Argument(autocompletion=one_of(KINDS), help=f"Model family: {', '.join(KINDS)}.")],
    data: Data,
    output: ModelFolder,
    name: Annotated[
        str,
        typer.Option(metavar="NAME", rich_help_panel=OUTPUT, help="Name of the model; default: that of its directory."),
    ] = "",
    overwrite: Annotated[
        bool,
        typer.Option(rich_help_panel=OUTPUT, help="Overwrite an existing model, or other files of the same names."),
    ] = False,
    tensorboard: TensorBoard = "",
    mlflow: Mlflow = "",
    preset: Preset = "default",
    emotions: Annotated[
        str,
        typer.Option(
            metavar="LIST",
            rich_help_panel=MODEL,
            help="Emotions to tell apart, comma-separated; default: the preset's.",
        ),
    ] = "",
    epochs: Epochs = None,
    seed: Annotated[
        int, typer.Option(metavar="N", rich_help_panel=MODEL, help="Seed of initial weights, order and augmentation.")
    ] = 0,
    validation: Annotated[
        float,
        typer.Option(
            metavar="SHARE",
            rich_help_panel=SPEAKER_SPLITS,
            help="Share of speakers held out in a first training, for learning curves, calibration and score; the "
            "final training uses all speakers. 0: no first training.",
        ),
    ] = 0.2,
    metrics: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            rich_help_panel=SPEAKER_SPLITS,
            help="metrics.json of evaluate: take score and calibration from it and skip the first training.",
        ),
    ] = None,
    encoder: EncoderFile = "",
    encoder_output: EncoderOutput = "",
    encoder_normalise: EncoderNormalise = None,
    follow_links: FollowLinks = False,
    root: Root = "",
    cache: Cache = None,
    resume: Annotated[
        bool, typer.Option(rich_help_panel=ERRORS, help="Resume from the last checkpoint of the same training.")
    ] = False,
    storage: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            rich_help_panel=ERRORS,
            help="Folder or URL for checkpoints; default: inside the model directory.",
        ),
    ] = None,
    max_failures: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            rich_help_panel=ERRORS,
            help="Restart training workers up to this many times after a failure.",
        ),
    ] = 2,
    train_workers: Annotated[
        int,
        typer.Option(
            min=1,
            metavar="N",
            rich_help_panel=MACHINES,
            help="Number of data-parallel Ray Train workers; the batch grows with them.",
        ),
    ] = 1,
    gpu: Annotated[bool, typer.Option(rich_help_panel=MACHINES, help="Use one GPU per training worker.")] = False,
    mixed_precision: Annotated[
        bool,
        typer.Option(
            rich_help_panel=MACHINES, help="Compute in bfloat16 on the GPU (Ampere or later); weights stay float32."
        ),
    ] = False,
    address: Address = None,
    progress: ProgressOption = ProgressMode.auto,
    quiet: Quiet = False,
    log_file: LogFile = None,  # noqa: ARG001 - opened before the command starts
    load: LoadParams = None,  # noqa: ARG001 - read before the other options
    save: SaveParams = None,
) -> None:
    """Train a model. Its directory has ONNX weights, model.json, model card and learning curves."""
    from emosense.progress import open_progress
    from emosense.training.encoder_choice import EncoderChoice
    from emosense.training.epoch_logs import EpochLogs
    from emosense.training.job import TrainJob
    from emosense.training.model_card import trained_text
    from emosense.training.train import train as run

    job = TrainJob(
        kind=kind,
        data=data[0],
        more_data=tuple(data[1:]),
        follow_links=follow_links,
        root=root,
        output=output,
        preset=preset,
        emotions=comma_separated(emotions),
        seed=seed,
        validation_share=validation,
        metrics=metrics,
        cache=cache,
        storage=storage,
        resume=resume,
        max_failures=max_failures,
        n_workers=train_workers,
        use_gpu=gpu,
        mixed_precision=mixed_precision,
        model_name=name,
        logs=EpochLogs(tensorboard, mlflow),
        epochs=epochs,
        address=address,
        overwrite=overwrite,
        encoder=EncoderChoice(encoder, encoder_output, encoder_normalise),
    )
    silent = go_silent(quiet)
    with saved_params(context, save, job.written), open_progress("none" if silent else progress.value) as reporter:
        trained = run(job, reporter)
    if not silent:
        print_message(f"{output}: {trained_text(trained.description)}")
