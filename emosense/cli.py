"""The command line: arguments in, one job run, its summary out.

Known errors become one line on standard error and an exit code; a bug keeps its traceback. Data goes to files and
standard output, talk to standard error. Nothing heavy is imported before a command needs it.
"""

from __future__ import annotations

import enum
import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from emosense import __version__
from emosense.errors import EmoSenseError, UsageError

app = typer.Typer(
    name="emosense-batch",
    help="The emotion in every recording of a folder or a bucket.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class EngineName(enum.StrEnum):
    """Where recordings are labelled."""

    auto = "auto"
    local = "local"
    ray = "ray"


class ProgressMode(enum.StrEnum):
    """How progress is shown."""

    auto = "auto"
    plain = "plain"
    json = "json"
    none = "none"


class FeatureSet(enum.StrEnum):
    """Feature sets that can be written."""

    summary = "summary"
    functionals = "functionals"
    mfcc = "mfcc"
    logmel = "logmel"


class Kind(enum.StrEnum):
    """Model families."""

    mlp = "mlp"
    cnn = "cnn"


class Preset(enum.StrEnum):
    """Settings of a model family."""

    reference = "reference"
    default = "default"


class Protocol(enum.StrEnum):
    """Ways to cut a corpus into training and test speakers."""

    lj5 = "lj5"
    eb6 = "eb6"
    loso = "loso"
    kfold = "kfold"
    random = "random"


Workers = Annotated[
    int | None, typer.Option("-j", "--workers", min=1, help="Worker processes; by default one for each CPU.")
]
Address = Annotated[
    str | None, typer.Option(help="Run on the Ray cluster at this address; default: RAY_ADDRESS, else this machine.")
]
Shown = Annotated[ProgressMode, typer.Option("--progress", help="How to show progress, on standard error.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Say nothing but errors.")]
Data = Annotated[
    str,
    typer.Argument(help="RAVDESS folder or URL, a table (.csv, .parquet: path, emotion, speaker), or a feature table."),
]
Cache = Annotated[str | None, typer.Option(help="Folder for extracted features; default: ~/.cache/emosense.")]


def _version(wanted: bool) -> None:
    if wanted:
        print(f"emosense {__version__}")  # noqa: T201 - what was asked for
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command()
def label(
    inputs: Annotated[list[str], typer.Argument(help="Files, folders, URLs, or - for a list on standard input.")],
    output: Annotated[
        str, typer.Option("-o", "--output", help="Table to write: .csv, .parquet or .jsonl.")
    ] = "labels.csv",
    model: Annotated[str, typer.Option("-m", "--model", help="Name of a shipped model, directory or URL.")] = "default",
    engine: Annotated[
        EngineName, typer.Option(help="auto: this process for small jobs, Ray for large ones.")
    ] = EngineName.auto,
    workers: Workers = None,
    address: Address = None,
    window: Annotated[float, typer.Option(help="Seconds of a window; default: the model's own.")] = 0.0,
    hop: Annotated[float, typer.Option(help="Seconds between windows; default: the window.")] = 0.0,
    segments: Annotated[str | None, typer.Option(help="Write a row for every window to this table as well.")] = None,
    min_confidence: Annotated[
        float | None, typer.Option(help="Add a column uncertain: true below this confidence. Hides no row.")
    ] = None,
    strict: Annotated[bool, typer.Option(help="Treat recordings that could be decoded in part as errors.")] = False,
    max_duration: Annotated[float, typer.Option(help="Refuse longer recordings (seconds).")] = 86_400.0,
    max_errors: Annotated[str | None, typer.Option(help="Stop when more recordings fail: N or P%.")] = None,
    file_timeout: Annotated[float, typer.Option(help="Give up a recording that makes no progress (seconds).")] = 60.0,
    limit: Annotated[int | None, typer.Option(min=1, help="Label the first N recordings only.")] = None,
    follow_links: Annotated[bool, typer.Option(help="Follow links that lead out of the folder.")] = False,
    sniff: Annotated[bool, typer.Option(help="Look at files of every name, not of audio extensions alone.")] = False,
    restart: Annotated[bool, typer.Option(help="Discard what an earlier start of this run has done.")] = False,
    dry_run: Annotated[bool, typer.Option(help="List and count, label nothing.")] = False,
    progress: Shown = ProgressMode.auto,
    quiet: Quiet = False,
) -> None:
    """Label recordings: one row a recording, with the emotion and how sure the model is.

    A run that was stopped goes on where it was when the same command is given again.
    """
    from emosense.labelling import LabelConfig
    from emosense.listing import ListingConfig
    from emosense.pipelines.label import LabelJob
    from emosense.pipelines.label import label as run

    job = LabelJob(
        inputs=tuple(location for location in inputs if location != "-"),
        names=_names_on_stdin() if "-" in inputs else None,
        output=output,
        segments_output=segments,
        model=model,
        engine=engine.value,
        n_workers=workers,
        address=address,
        config=LabelConfig(window, hop, segments is not None, strict, max_duration),
        listing=ListingConfig(follow_links=follow_links, any_extension=sniff),
        limit=limit,
        min_confidence=min_confidence,
        max_errors=max_errors,
        restart=restart,
        dry_run=dry_run,
        file_timeout_s=file_timeout,
        progress="none" if quiet else progress.value,
    )
    summary = run(job)
    if not quiet:
        _say(summary.text(job))
    raise typer.Exit(summary.exit_code)


def _names_on_stdin() -> tuple[str, ...]:
    """Names from standard input, one a line, or separated by NUL as ``find -print0`` does."""
    content = sys.stdin.buffer.read()
    separator = b"\0" if b"\0" in content else b"\n"
    return tuple(os.fsdecode(name.removesuffix(b"\r")) for name in content.split(separator) if name.strip())


@app.command()
def features(
    data: Data,
    output: Annotated[str, typer.Option("-o", "--output", help="Feature table to write (.parquet).")],
    set_: Annotated[FeatureSet, typer.Option("--set", help="Which features.")] = FeatureSet.summary,
    sample_rate: Annotated[int | None, typer.Option(help="Hz; default: the set's own.")] = None,
    estimate_tuning: Annotated[
        bool, typer.Option(help="Estimate the tuning of each recording for the chroma.")
    ] = False,
    workers: Workers = None,
    address: Address = None,
    progress: Shown = ProgressMode.auto,
    quiet: Quiet = False,
) -> None:
    """Extract features of a corpus with Ray Data: one row a recording, the configuration in the file's metadata."""
    import dataclasses

    from emosense.corpora import read_corpus
    from emosense.features import default_config
    from emosense.pipelines.extract import extract_corpus, report_problems
    from emosense.progress import progress as shown

    if not output.lower().endswith(".parquet"):
        raise UsageError(f"features are written as Parquet: end {output} in .parquet")
    config = default_config(set_.value)
    if sample_rate:
        config = dataclasses.replace(config, sample_rate=sample_rate)
    if estimate_tuning:
        config = dataclasses.replace(config, tuning=None)
    corpus = read_corpus(data)
    with shown("none" if quiet else progress.value) as told:
        report_problems(corpus, told)
        done = extract_corpus(corpus, config, output, address=address, n_workers=workers, told=told)
    if not quiet:
        errors = ", ".join(f"{count} {code}" for code, count in done.by_error.most_common())
        _say(
            f"{output}: {done.n_utterances:,} recordings, set {set_.value}" + (f"; errors: {errors}" if errors else "")
        )
    if done.by_error:
        raise typer.Exit(3)


@app.command()
def train(
    kind: Annotated[Kind, typer.Argument(help="Model family.")],
    data: Data,
    output: Annotated[str, typer.Option("-o", "--output", help="Directory for the model.")],
    preset: Annotated[Preset, typer.Option(help="reference: the published baseline; default: ours.")] = Preset.default,
    emotions: Annotated[str, typer.Option(help="Classes, separated by commas; default: the preset's.")] = "",
    seed: Annotated[int, typer.Option(help="Decides initial weights, order and augmentation.")] = 0,
    validation: Annotated[
        float, typer.Option(help="Share of speakers held out for curves and calibration, before the fit on all.")
    ] = 0.2,
    metrics: Annotated[
        str | None, typer.Option(help="metrics.json of evaluate, whose scores the model is to carry.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Of the CNN; default: the preset's.")] = None,
    train_workers: Annotated[int, typer.Option(min=1, help="Data-parallel Ray Train workers of the CNN.")] = 1,
    gpu: Annotated[bool, typer.Option(help="Give each training worker a GPU.")] = False,
    storage: Annotated[str | None, typer.Option(help="Folder or URL for checkpoints; default: in the model's.")] = None,
    resume: Annotated[bool, typer.Option(help="Go on from the last checkpoint of the same training.")] = False,
    max_failures: Annotated[int, typer.Option(min=0, help="Failures of training workers that are survived.")] = 2,
    cache: Cache = None,
    address: Address = None,
    overwrite: Annotated[bool, typer.Option(help="Replace a model that is there.")] = False,
    progress: Shown = ProgressMode.auto,
    quiet: Quiet = False,
) -> None:
    """Train a model and write its directory: ONNX weights, model.json and learning curves."""
    from emosense.pipelines.train import TrainJob
    from emosense.pipelines.train import train as run
    from emosense.progress import progress as shown

    job = TrainJob(
        kind=kind.value,
        data=data,
        output=output,
        preset=preset.value,
        emotions=_names(emotions),
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
    )
    with shown("none" if quiet else progress.value) as told:
        trained = run(job, told)
    if not quiet:
        for score in trained.description["scores"][-1:] if validation else ():
            speakers = ", ".join(score["speakers"])
            _say(f"held-out speakers {speakers}: UAR {score['uar']:.1%}, ECE {score['ece']:.1%}")
        _say(f"{output}: model {trained.description['name']}")


@app.command()
def evaluate(
    data: Data,
    output: Annotated[str, typer.Option("-o", "--output", help="Folder for metrics and predictions.")] = "evaluation",
    model: Annotated[str | None, typer.Option("-m", "--model", help="Score this model as it is.")] = None,
    kind: Annotated[Kind, typer.Option(help="Cross-validate this model family.")] = Kind.cnn,
    preset: Annotated[Preset, typer.Option(help="Its settings.")] = Preset.default,
    protocol: Annotated[Protocol, typer.Option(help="How speakers are split.")] = Protocol.lj5,
    seeds: Annotated[int, typer.Option(min=1, help="Fits of every fold.")] = 1,
    n_folds: Annotated[int, typer.Option("--folds", min=2, help="Folds of kfold.")] = 5,
    emotions: Annotated[str, typer.Option(help="Classes, separated by commas; default: the preset's.")] = "",
    calibrate: Annotated[bool, typer.Option(help="Fit a temperature on training speakers of each fold.")] = False,
    cache: Cache = None,
    workers: Workers = None,
    address: Address = None,
    progress: Shown = ProgressMode.auto,
    quiet: Quiet = False,
) -> None:
    """Score a model, or cross-validate a model family with every fold of every seed as a Ray task."""
    from emosense.pipelines.evaluate import EvaluateJob, table_text
    from emosense.pipelines.evaluate import evaluate as run
    from emosense.progress import progress as shown

    job = EvaluateJob(
        data=data,
        output=output,
        model=model,
        kind=kind.value,
        preset=preset.value,
        protocol=protocol.value,
        n_seeds=seeds,
        n_folds=n_folds,
        emotions=_names(emotions),
        calibrate=calibrate,
        cache=cache,
        address=address,
        n_workers=workers,
    )
    with shown("none" if quiet else progress.value) as told:
        metrics = run(job, told)
    print(table_text(metrics))  # noqa: T201 - the result itself


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for name in text.split(",") if name.strip())


def _say(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201 - talk goes to standard error


def main(command: Sequence[str] = ()) -> None:
    """Run the command line and turn known errors into exit codes.

    Parameters
    ----------
    command : sequence of str
        Words put before the arguments of the process: the jobs name their command here.
    """
    try:
        app(args=[*command, *sys.argv[1:]])
    except EmoSenseError as err:
        _say(f"emosense-batch: {err}")
        sys.exit(err.exit_code)
    except BrokenPipeError:
        # The reader of our output has left; Python would complain once more while it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
