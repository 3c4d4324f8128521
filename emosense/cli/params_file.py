"""`--save-params` and `--load-params`: the options of a command, written to a JSON file and read from it.

A configuration file by hand is TOML: one table per command, with the options as on the command line.
"""

from __future__ import annotations

import contextlib
import json
import tomllib
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Final

import typer

from emosense.cli.groups import MESSAGES
from emosense.errors import UsageError
from emosense.storage.folders import exists, remove
from emosense.storage.locations import is_within, redact, without_credentials
from emosense.storage.reading import MAX_JSON_BYTES, parse_json, read_bytes
from emosense.storage.writing import write_bytes

# Options of one run rather than settings of the job.
_NOT_SAVED: Final = frozenset({"help", "save", "load", "restart", "dry_run", "overwrite", "log_file"})


def _read(path: str) -> bytes:
    try:
        return read_bytes(path, MAX_JSON_BYTES)
    except FileNotFoundError as err:
        raise UsageError(f"--load-params: there is no file {redact(path)}") from err
    except OSError as err:
        raise UsageError(f"{redact(path)} cannot be read: {err.strerror or err}") from err


def _read_params(path: str) -> dict[str, Any]:
    try:
        values = parse_json(_read(path))
    except ValueError as err:
        raise UsageError(f"{redact(path)} was not written by --save-params: {err}") from err
    if not isinstance(values, dict):
        raise UsageError(f"{redact(path)} was not written by --save-params: it is not a JSON object")
    return values


def _read_toml(path: str, context: typer.Context) -> dict[str, Any]:
    """Return the options that a configuration file has for the command, by the names of their parameters."""
    words: list[str] = []
    here: Any = context
    while here.parent is not None:
        words, here = [here.info_name or "", *words], here.parent
    command = ".".join(words)
    try:
        content: Any = tomllib.loads(_read(path).decode())
        for word in words:
            content = content[word]
        given = dict(content)
    except LookupError as err:
        raise UsageError(f"{redact(path)} has no table [{command}]") from err
    except (ValueError, TypeError) as err:
        raise UsageError(f"{redact(path)} is not a TOML file with a table [{command}]: {err}") from err
    parameters = {spelling.lstrip("-"): each for each in context.command.params for spelling in each.opts}
    values: dict[str, Any] = {}
    for option, value in given.items():
        parameter = parameters.get(option)
        name = option if parameter is None else parameter.name or ""
        if name in values:
            raise UsageError(f"{redact(path)} gives the option {option} twice, with two of its names")
        values[name] = value if parameter is None else _as_given(value, parameter)
    return values


def _as_given(value: Any, parameter: Any) -> Any:
    """Return a value as the command line would have it: one of several, or a list in one text."""
    if getattr(parameter, "multiple", False):
        return value if isinstance(value, list) else [value]
    return ",".join(map(str, value)) if isinstance(value, list) and parameter.nargs == 1 else value


def _load_params(context: typer.Context, path: str | None) -> str | None:
    """Make the options of a file the command's defaults; options on the command line take precedence."""
    if path is None:
        return None
    values = _read_toml(path, context) if path.lower().endswith(".toml") else _read_params(path)
    unknown = sorted(values.keys() - {parameter.name for parameter in context.command.params})
    if unknown:
        raise UsageError(f"{path} contains the option {unknown[0]}, which this command does not have")
    context.default_map = values
    return path


@contextlib.contextmanager
def saved_params(context: typer.Context, path: str | None, written: Iterable[str]) -> Iterator[None]:
    """Write the options of a command to a JSON file; undo it if the block raises `UsageError`.

    Arguments, --save-params and --load-params are not written.

    Parameters
    ----------
    context : typer.Context
        The command with its parsed options.
    path : str or None
        File to write; None writes nothing.
    written : iterable of str
        Locations that the command itself writes.

    Yields
    ------
    None
        The file is written when the block starts.

    Raises
    ------
    UsageError
        If the command writes to `path` itself, `path` holds something else, or an option contains credentials.
    """
    if path is None:
        yield
        return
    values = _values(context)
    if any(is_within(path, place) for place in written):
        raise UsageError(f"this command writes {redact(path)} itself: choose another file for --save-params")
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
    """Return the options to write, by name."""
    values: dict[str, Any] = {}
    for parameter in sorted(_options(context), key=lambda parameter: parameter.name or ""):
        name = parameter.name or ""
        if name in _NOT_SAVED or name not in context.params:
            continue
        values[name] = context.params[name]
        text = json.dumps(values[name], default=str)
        if without_credentials(text) != text:
            option = max(parameter.opts, key=len)
            raise UsageError(f"{option} contains credentials, which are never saved: leave out --save-params")
    return values


def _options(context: typer.Context) -> list[Any]:
    return [parameter for parameter in context.command.params if parameter.param_type_name == "option"]


def _saved_before(context: typer.Context, path: str) -> bytes | None:
    """Return what an earlier --save-params wrote to the file, None if it does not exist. Refuse other content."""
    if not exists(path):
        return None
    unknown = sorted(_read_params(path).keys() - {parameter.name for parameter in _options(context)})
    if unknown:
        reason = f"it contains {redact(unknown[0])}, which is not an option of this command"
        raise UsageError(f"{redact(path)} was not written by --save-params: {reason}. It is not overwritten")
    return read_bytes(path)


LoadParams = Annotated[
    str | None,
    typer.Option(
        "--load-params",
        callback=_load_params,
        is_eager=True,
        metavar="FILE",
        rich_help_panel=MESSAGES,
        help="Read options from this file: JSON as --save-params writes it, or .toml with a table per command, such as "
        "[label].",
    ),
]
SaveParams = Annotated[
    str | None,
    typer.Option(
        "--save-params",
        metavar="FILE",
        rich_help_panel=MESSAGES,
        help="Write the options to this JSON file. Refused if an option contains credentials.",
    ),
]
