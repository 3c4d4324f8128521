"""Options that several commands share, and the one way in which all of them talk."""

from __future__ import annotations

import enum
import json
import sys
from typing import Annotated, Any

import typer

from emosense.errors import UsageError
from emosense.storage import exists, read_bytes, redact, write_bytes


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
    encoder = "encoder"


class Kind(enum.StrEnum):
    """Model families."""

    mlp = "mlp"
    cnn = "cnn"
    ensemble = "ensemble"


class Preset(enum.StrEnum):
    """Settings of a model family."""

    reference = "reference"
    default = "default"
    encoder = "encoder"
    encoder_linear = "encoder-linear"
    telephone = "telephone"
    no_augmentation = "no-augmentation"
    attentive_pooling = "attentive-pooling"
    no_copies = "no-copies"
    no_whitening = "no-whitening"


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
Shown = Annotated[
    ProgressMode,
    typer.Option(
        "--progress",
        help="How to show progress, on standard error; json: an object a line, then summary or error as plain text.",
    ),
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Say nothing but errors.")]
Data = Annotated[
    str,
    typer.Argument(help="RAVDESS folder or URL, a table (.csv, .parquet: path, emotion, speaker), or a feature table."),
]
Cache = Annotated[str | None, typer.Option(help="Folder for extracted features; default: ~/.cache/emosense.")]

EncoderFile = Annotated[str, typer.Option("--encoder", help="Pretrained encoder: path or URL of an ONNX file.")]
EncoderOutput = Annotated[
    str, typer.Option(help="Its output; default: last_hidden_state, else the last with three axes.")
]
EncoderNormalise = Annotated[
    bool | None, typer.Option(help="Scale each waveform to mean 0, variance 1; default: yes.", show_default=False)
]


def _read_params(path: str) -> dict[str, Any]:
    try:
        values = json.loads(read_bytes(path))
    except FileNotFoundError as err:
        raise UsageError(f"there is no file {redact(path)} to take options from") from err
    except OSError as err:
        raise UsageError(f"cannot read options from {redact(path)}: {err.strerror}") from err
    except ValueError as err:
        raise UsageError(f"{redact(path)} holds no options as --save-params writes them: {err}") from err
    if not isinstance(values, dict):
        raise UsageError(f"{redact(path)} holds no options as --save-params writes them: it is no JSON object")
    return values


def _load_params(context: typer.Context, path: str | None) -> str | None:
    """Take the options of a file as the command's defaults; what is given on the command line wins."""
    if path is None:
        return None
    values = _read_params(path)
    unknown = sorted(values.keys() - {parameter.name for parameter in context.command.params})
    if unknown:
        raise UsageError(f"{path} names the option {unknown[0]}, which this command does not have")
    context.default_map = values
    return path


def save_params(context: typer.Context, path: str | None) -> None:
    """Write the options of a command as JSON, without its arguments and without --save-params and --load-params."""
    if path is None:
        return
    if exists(path):
        # What is no file of options is not replaced by one.
        _read_params(path)
    options = {p.name for p in context.command.params if p.param_type_name == "option"}
    kept = options - {"help", "save", "load", "restart", "dry_run", "overwrite"}
    values = {name: context.params[name] for name in sorted(kept & context.params.keys())}
    write_bytes(path, (json.dumps(values, indent=2, default=str) + "\n").encode())


LoadParams = Annotated[
    str | None,
    typer.Option("--load-params", callback=_load_params, is_eager=True, help="Take options from this JSON file."),
]
SaveParams = Annotated[str | None, typer.Option("--save-params", help="Write the options to this file, as JSON.")]


def say(text: str) -> None:
    """Print one message for the user."""
    print(text, file=sys.stderr)  # noqa: T201 - talk goes to standard error


def names(text: str) -> tuple[str, ...]:
    """Split a list that is separated by commas."""
    return tuple(name for name in text.split(",") if name.strip())
