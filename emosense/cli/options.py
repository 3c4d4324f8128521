"""Options that several commands share, and the one way in which all of them talk."""

from __future__ import annotations

import contextlib
import enum
import json
import os
import sys
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Final

import typer

from emosense.errors import UsageError
from emosense.storage.files import exists, is_url, plain, read_bytes, redact, remove, without_credentials, write_bytes

# What says how one run is started rather than what it does.
_NOT_SAVED: Final = frozenset({"help", "save", "load", "restart", "dry_run", "overwrite"})


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


@contextlib.contextmanager
def saved_params(context: typer.Context, path: str | None, written: Iterable[str]) -> Iterator[None]:
    """Write the options of a command as JSON, and take them back where the block refuses the command.

    Its arguments are not written, nor --save-params and --load-params.

    Parameters
    ----------
    written : iterable of str
        What the command itself writes.
    """
    if path is None:
        yield
        return
    values = _values(context)
    if any(real_place(path) == place or real_place(path).startswith(f"{place}/") for place in map(real_place, written)):
        raise UsageError(f"this command writes {redact(path)} itself: give --save-params a place of its own")
    before = _saved_before(context, path)
    write_bytes(path, (json.dumps(values, indent=2, default=str) + "\n").encode())
    try:
        yield
    except UsageError:
        if before is None:
            remove(path)
        else:
            write_bytes(path, before)
        raise


def _values(context: typer.Context) -> dict[str, Any]:
    """Return the options that are worth keeping, by name."""
    values: dict[str, Any] = {}
    for parameter in sorted(_options(context), key=lambda parameter: parameter.name or ""):
        name = parameter.name or ""
        if name in _NOT_SAVED or name not in context.params:
            continue
        values[name] = context.params[name]
        text = json.dumps(values[name], default=str)
        if without_credentials(text) != text:
            option = max(parameter.opts, key=len)
            raise UsageError(f"{option} holds credentials, which are not written to a file: leave out --save-params")
    return values


def _options(context: typer.Context) -> list[Any]:
    return [parameter for parameter in context.command.params if parameter.param_type_name == "option"]


def _saved_before(context: typer.Context, path: str) -> bytes | None:
    """Return what --save-params wrote to a place earlier, None where nothing is; nothing else is replaced."""
    if not exists(path):
        return None
    unknown = sorted(_read_params(path).keys() - {parameter.name for parameter in _options(context)})
    if unknown:
        raise UsageError(f"{redact(path)} holds no options of this command ({redact(unknown[0])}): it is not replaced")
    return read_bytes(path)


def real_place(location: str) -> str:
    """Return what tells a place from another, whatever links lead to it."""
    location = plain(location)
    return location if is_url(location) else os.path.realpath(location)


LoadParams = Annotated[
    str | None,
    typer.Option("--load-params", callback=_load_params, is_eager=True, help="Take options from this JSON file."),
]
SaveParams = Annotated[
    str | None,
    typer.Option("--save-params", help="Write the options to this file, as JSON; none that holds credentials."),
]


def say(text: str) -> None:
    """Print one message for the user."""
    print(text, file=sys.stderr)  # noqa: T201 - talk goes to standard error


def names(text: str) -> tuple[str, ...]:
    """Split a list that is separated by commas."""
    return tuple(name for name in text.split(",") if name.strip())
