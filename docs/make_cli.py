"""The command line -> docs/cli.md: every command with its usage, arguments, options and defaults.

    python docs/make_cli.py

Run it after every change of a command; tests/test_docs.py checks that the file is up to date.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from emosense.cli.groups import argument_text, options_by_group
from emosense.cli.main import app

PAGE = Path(__file__).with_name("cli.md")
PROGRAM = "emosense-batch"
_KINDS = {int: "integer", float: "number"}
_HEAD = f"""# The command line

Made by `python docs/make_cli.py` from the commands themselves.

    {PROGRAM} COMMAND [OPTIONS] [ARGUMENTS]
    {PROGRAM} --version

`label`, `features`, `train` and `evaluate` read their options from a file with `--load-params`: JSON as
`--save-params` writes it, or TOML with a table per command, with the options as on the command line. The command line
takes precedence.

    [label]
    model = "fast"
    max-errors = "5%"
    quality = true

Completion of commands and options: `{PROGRAM} --install-completion`. An installed wheel has the scripts for bash, zsh
and fish, and the manual page `{PROGRAM}(1)`, in `share/` of its environment.

| exit code | |
|--:|---|
| 0 | every recording has a label |
| 3 | the table is complete, but some rows are errors |
| 4 | stopped by `--max-errors` |
| 5 | storage or cluster did not answer, or the input is gone; run the command again to resume |
| 6 | the output cannot be written |
| 7 | the model is damaged, does not fit, or `adapt` did not improve it |
| 9 | no audio found |
| 2, 1 | wrong usage, internal error |
| 129, 130, 143 | stopped because the terminal closed, by Ctrl-C or by SIGTERM; run the same command again to resume |
"""


def page() -> str:
    """Return the whole page."""
    return _HEAD + "".join(_sections(typer.main.get_command(app), PROGRAM))


def _sections(command: Any, name: str) -> Iterator[str]:
    """Yield the sections of a command, or of the commands in a group."""
    commands = getattr(command, "commands", None)
    if commands is None:
        yield _section(command, name)
        return
    for word, inner in commands.items():
        yield from _sections(inner, f"{name} {word}")


def _section(command: Any, name: str) -> str:
    """Return the section of one command."""
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option"]
    usage = [name, "[OPTIONS]", *map(argument_text, arguments)]
    text = f"\n## {name.removeprefix(PROGRAM + ' ')}\n\n{_paragraphs(command.help)}\n\n    {' '.join(usage)}\n"
    for group, members in ({"Arguments": arguments} | options_by_group(options)).items():
        if members:
            text += f"\n| {group} | takes | default | |\n|---|---|---|---|\n"
            text += "".join(
                f"| {_names(each)} | {_takes(each)} | {_default(each)} | {_cell(each.help)} |\n" for each in members
            )
    return text


def _names(parameter: Any) -> str:
    """Return an argument as in a usage line, or an option with all its spellings."""
    if parameter.param_type_name == "argument":
        return f"`{argument_text(parameter)}`"
    return ", ".join(f"`{spelling}`" for spelling in (*parameter.opts, *parameter.secondary_opts))


def _takes(parameter: Any) -> str:
    """Return the choices of a parameter, or its type and minimum; nothing for a flag."""
    if getattr(parameter, "is_flag", False):
        return ""
    kind = parameter.type_descriptor.annotation
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return ", ".join(f"`{choice.value}`" for choice in kind)
    least = "" if parameter.min is None else f", from {parameter.min:g}"
    if parameter.metavar:
        return f"{_cell(parameter.metavar)}{least}"
    return _KINDS.get(kind, "text") + least


def _default(parameter: Any) -> str:
    """Return a parameter's default; nothing if it is off, empty or described in the help text."""
    if parameter.required:
        return "required"
    value = parameter.default
    is_silent = value in (None, "", ()) or value is False or callable(value) or parameter.show_default is False
    shown = value.value if isinstance(value, enum.Enum) else f"{value:g}" if isinstance(value, float) else value
    return "" if is_silent else f"`{shown}`"


def _paragraphs(text: str | None) -> str:
    """Return a help text with every paragraph on one line."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in (text or "").split("\n\n"))


def _cell(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
