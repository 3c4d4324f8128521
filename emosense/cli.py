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
    with shown("none" if quiet else progress.value, len(corpus.utterances)) as told:
        report_problems(corpus, told)
        done = extract_corpus(corpus, config, output, address=address, n_workers=workers, told=told)
    if not quiet:
        errors = ", ".join(f"{count} {code}" for code, count in done.by_error.most_common())
        _say(
            f"{output}: {done.n_utterances:,} recordings, set {set_.value}" + (f"; errors: {errors}" if errors else "")
        )
    if done.by_error:
        raise typer.Exit(3)


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
