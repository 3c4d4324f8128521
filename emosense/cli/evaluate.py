"""`emosense-batch evaluate`."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from emosense.cli.completion import one_of, shipped_model
from emosense.cli.groups import ERRORS, MACHINES, MODEL, OUTPUT, SPEAKER_SPLITS
from emosense.cli.log_file import LogFile, go_silent
from emosense.cli.options import (
    DATA_HELP,
    KINDS,
    Address,
    Cache,
    EncoderFile,
    EncoderNormalise,
    EncoderOutput,
    Epochs,
    FollowLinks,
    Mlflow,
    Preset,
    ProgressMode,
    ProgressOption,
    Protocol,
    Quiet,
    Root,
    TensorBoard,
    Workers,
    comma_separated,
    command_text,
    print_message,
)
from emosense.cli.params_file import LoadParams, SaveParams, saved_params
from emosense.errors import UsageError
from emosense.storage.locations import join

# The parameters that --compare uses.
_FOR_COMPARISON: Final = frozenset({"compare", "output", "progress", "quiet", "log_file", "load", "save"})


def evaluate(
    context: typer.Context,
    data: Annotated[list[str] | None, typer.Argument(help=DATA_HELP)] = None,
    output: Annotated[
        str,
        typer.Option(
            "-o", "--output", metavar="FOLDER", rich_help_panel=OUTPUT, help="Folder for metrics and predictions."
        ),
    ] = "evaluation",
    report: Annotated[
        bool, typer.Option(rich_help_panel=OUTPUT, help="Also write report.html to the output folder.")
    ] = False,
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option(
            metavar="FOLDER FOLDER",
            rich_help_panel=OUTPUT,
            help="Compare two finished evaluations (folders) in comparison.html of the output folder; train nothing.",
        ),
    ] = None,
    tensorboard: TensorBoard = "",
    mlflow: Mlflow = "",
    model: Annotated[
        str | None,
        typer.Option(
            "-m",
            "--model",
            metavar="MODEL",
            rich_help_panel=MODEL,
            autocompletion=shipped_model,
            help="Score this trained model: shipped name, directory or URL.",
        ),
    ] = None,
    kind: Annotated[
        str,
        typer.Option(
            metavar="KIND",
            rich_help_panel=MODEL,
            autocompletion=one_of(KINDS),
            help=f"Cross-validate this model family: {', '.join(KINDS)}.",
        ),
    ] = "cnn",
    preset: Preset = "default",
    emotions: Annotated[
        str,
        typer.Option(
            metavar="LIST",
            rich_help_panel=MODEL,
            help="Emotions to tell apart, comma-separated; with --model, those that its answers may be; default: all.",
        ),
    ] = "",
    epochs: Epochs = None,
    encoder: EncoderFile = "",
    encoder_output: EncoderOutput = "",
    encoder_normalise: EncoderNormalise = None,
    protocol: Annotated[
        Protocol, typer.Option(rich_help_panel=SPEAKER_SPLITS, help="How speakers are split.")
    ] = Protocol.lj5,
    seeds: Annotated[
        int,
        typer.Option(
            min=1, metavar="N", rich_help_panel=SPEAKER_SPLITS, help="Number of seeds; every fold is trained with each."
        ),
    ] = 1,
    n_folds: Annotated[
        int,
        typer.Option("--folds", min=2, metavar="N", rich_help_panel=SPEAKER_SPLITS, help="Number of folds of kfold."),
    ] = 5,
    only_folds: Annotated[
        list[str] | None,
        typer.Option(
            "--fold",
            metavar="FOLD",
            rich_help_panel=SPEAKER_SPLITS,
            help="Run only this fold of the protocol, such as lj5-2; repeatable.",
        ),
    ] = None,
    calibrate: Annotated[
        bool, typer.Option(rich_help_panel=SPEAKER_SPLITS, help="Fit a temperature on training speakers of each fold.")
    ] = False,
    robustness: Annotated[
        bool,
        typer.Option(
            rich_help_panel=SPEAKER_SPLITS,
            help="Also score on disturbed copies of the recordings: level, codec, noise, room.",
        ),
    ] = False,
    follow_links: FollowLinks = False,
    root: Root = "",
    cache: Cache = None,
    reuse: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FOLDER",
            rich_help_panel=ERRORS,
            help="Reuse the networks of this finished evaluation where settings and data are the same; repeatable.",
        ),
    ] = None,
    workers: Workers = None,
    gpu: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=1.0,
            metavar="SHARE",
            rich_help_panel=MACHINES,
            help="Share of a GPU for each network, such as 0.25; 0: CPUs only.",
        ),
    ] = 0.0,
    address: Address = None,
    progress: ProgressOption = ProgressMode.auto,
    quiet: Quiet = False,
    log_file: LogFile = None,  # noqa: ARG001 - opened before the command starts
    load: LoadParams = None,  # noqa: ARG001 - read before the other options
    save: SaveParams = None,
) -> None:
    """Score a model, or cross-validate a model family. Each network of each fold and seed is a Ray task."""
    if compare is not None:
        _check_compare(context)
        with saved_params(context, save, [join(output, "comparison.html")]):
            _compare(*compare, output)
        return
    if not data:
        raise UsageError("evaluate needs DATA, or --compare with two folders")
    from emosense.crossvalidation.evaluate import evaluate as run
    from emosense.crossvalidation.job import EvaluateJob
    from emosense.crossvalidation.results_text import table_text
    from emosense.progress import open_progress
    from emosense.training.encoder_choice import EncoderChoice
    from emosense.training.epoch_logs import EpochLogs

    job = EvaluateJob(
        data=data[0],
        more_data=tuple(data[1:]),
        follow_links=follow_links,
        root=root,
        output=output,
        model=model,
        kind=kind,
        preset=preset,
        protocol=protocol.value,
        n_seeds=seeds,
        n_folds=n_folds,
        only_folds=tuple(only_folds or ()),
        emotions=comma_separated(emotions),
        epochs=epochs,
        gpu_share=gpu,
        logs=EpochLogs(tensorboard, mlflow),
        calibrate=calibrate,
        reuse=tuple(reuse or ()),
        cache=cache,
        address=address,
        n_workers=workers,
        robustness=robustness,
        command=command_text(),
        encoder=EncoderChoice(encoder, encoder_output, encoder_normalise),
    )
    silent = go_silent(quiet)
    with saved_params(context, save, job.written), open_progress("none" if silent else progress.value) as reporter:
        metrics = run(job, reporter)
    if report:
        from emosense.reports import evaluation_report

        evaluation_report(output, join(output, "report.html"), command=command_text())
    print(table_text(metrics))  # noqa: T201 - the result itself


def _check_compare(context: typer.Context) -> None:
    """Refuse options that a comparison would ignore."""
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if parameter.name not in _FOR_COMPARISON and source is not None and source.name == "COMMANDLINE":
            given = "DATA" if parameter.param_type_name == "argument" else max(parameter.opts, key=len)
            raise UsageError(f"--compare only reads two finished evaluations: leave out {given}")


def _compare(first: str, second: str, output: str) -> None:
    """Write the comparison of two evaluations and print the paired test."""
    from emosense.reports import comparison_report
    from emosense.reports.comparison import comparison_text
    from emosense.storage.folders import make_folder

    make_folder(output)
    page = join(output, "comparison.html")
    comparison_report([first, second], page, command=command_text())
    print(comparison_text(first, second))  # noqa: T201 - the result itself
    print_message(page)
