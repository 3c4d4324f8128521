"""`emosense-batch train`."""

from __future__ import annotations

from typing import Annotated

import typer

from emosense.cli.log_file import LogFile
from emosense.cli.options import (
    KINDS_TEXT,
    Address,
    Cache,
    Data,
    EncoderFile,
    EncoderNormalise,
    EncoderOutput,
    FollowLinks,
    Mlflow,
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
    kind: Annotated[str, typer.Argument(help=f"Model family: {KINDS_TEXT}.")],
    data: Data,
    output: Annotated[str, typer.Option("-o", "--output", help="Directory to write the model to.")],
    preset: Preset = "default",
    encoder: EncoderFile = "",
    encoder_output: EncoderOutput = "",
    encoder_normalise: EncoderNormalise = None,
    emotions: Annotated[str, typer.Option(help="Emotions to tell apart, comma-separated; default: the preset's.")] = "",
    seed: Annotated[int, typer.Option(help="Seed of initial weights, order and augmentation.")] = 0,
    validation: Annotated[
        float,
        typer.Option(
            help="Share of speakers held out in a first training, for learning curves, calibration and score; the "
            "final training uses all speakers. 0: no first training."
        ),
    ] = 0.2,
    metrics: Annotated[
        str | None,
        typer.Option(help="metrics.json of evaluate: take score and calibration from it and skip the first training."),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Epochs of cnn and of transfer fine-tuned; default: the preset's.")
    ] = None,
    train_workers: Annotated[
        int, typer.Option(min=1, help="Number of data-parallel Ray Train workers; the batch grows with them.")
    ] = 1,
    gpu: Annotated[bool, typer.Option(help="Use one GPU per training worker.")] = False,
    mixed_precision: Annotated[
        bool, typer.Option(help="Compute in bfloat16 on the GPU (Ampere or later); weights stay float32.")
    ] = False,
    name: Annotated[str, typer.Option(help="Name of the model; default: that of its directory.")] = "",
    tensorboard: TensorBoard = "",
    mlflow: Mlflow = "",
    storage: Annotated[
        str | None, typer.Option(help="Folder or URL for checkpoints; default: inside the model directory.")
    ] = None,
    resume: Annotated[bool, typer.Option(help="Resume from the last checkpoint of the same training.")] = False,
    max_failures: Annotated[
        int, typer.Option(min=0, help="Restart training workers up to this many times after a failure.")
    ] = 2,
    follow_links: FollowLinks = False,
    root: Root = "",
    cache: Cache = None,
    address: Address = None,
    overwrite: Annotated[
        bool, typer.Option(help="Overwrite an existing model, or other files of the same names.")
    ] = False,
    progress: ProgressOption = ProgressMode.auto,
    quiet: Quiet = False,
    log_file: LogFile = None,  # noqa: ARG001 - opened before the command starts
    load: LoadParams = None,  # noqa: ARG001 - read before the other options
    save: SaveParams = None,
) -> None:
    """Train a model and write its directory: ONNX weights, model.json, model card and learning curves."""
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
    with saved_params(context, save, job.written), open_progress("none" if quiet else progress.value) as reporter:
        trained = run(job, reporter)
    if not quiet:
        print_message(f"{output}: {trained_text(trained.description)}")
