"""A hook of the wheel's build: the man page and the completions of the shells, made from the commands themselves."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PROGRAM = "emosense-batch"
# Shell -> where it looks for the completions of a program, below the prefix of an environment.
COMPLETIONS = {
    "bash": f"share/bash-completion/completions/{PROGRAM}",
    "zsh": f"share/zsh/site-functions/_{PROGRAM}",
    "fish": f"share/fish/vendor_completions.d/{PROGRAM}.fish",
}
MAN_PAGE = f"share/man/man1/{PROGRAM}.1"


def shared_files() -> dict[str, str]:
    """Return the content of every file that the wheel puts below the prefix of an environment, by its place."""
    import typer
    from typer.completion import get_completion_script

    from emosense._version import __version__
    from emosense.cli.main import app

    variable = f"_{PROGRAM.upper()}_COMPLETE".replace("-", "_")
    files = {
        place: get_completion_script(prog_name=PROGRAM, complete_var=variable, shell=shell) + "\n"
        for shell, place in COMPLETIONS.items()
    }
    return files | {MAN_PAGE: man_page(typer.main.get_command(app), __version__)}


def man_page(command: Any, version: str) -> str:
    """Return the manual page of the program in roff, with a section for every command."""
    lines = [f'.TH {PROGRAM.upper()} 1 "" "emosense {version}"', ".SH NAME", rf"{PROGRAM} \- {_roff(command.help)}",
             ".SH SYNOPSIS", rf"\fB{PROGRAM}\fR COMMAND [OPTIONS] [ARGUMENTS]"]  # fmt: skip
    lines += _commands(command, "")
    lines += [".SH EXIT STATUS", "0: every recording has a label. 3: the table is complete, some rows are errors.",
              "The others, and all guides, are in the documentation of EmoSense."]  # fmt: skip
    return "\n".join(lines) + "\n"


def _commands(command: Any, name: str) -> list[str]:
    from emosense.cli.groups import argument_text, options_by_group

    lines = []
    for word, inner in getattr(command, "commands", {}).items():
        lines += _commands(inner, f"{name}{word} ")
    if name and not hasattr(command, "commands"):
        lines += [f".SH {name.strip().upper()}", _roff(command.help)]
        for each in command.params:
            if each.param_type_name == "argument":
                lines += [".TP", rf"\fI{_roff(argument_text(each))}\fR", _roff(each.help)]
        options = [each for each in command.params if each.param_type_name == "option"]
        for group, members in options_by_group(options).items():
            lines.append(f".SS {group}")
            for each in members:
                spellings = ", ".join(rf"\fB{_roff(text)}\fR" for text in (*each.opts, *each.secondary_opts))
                value = rf" \fI{_roff(each.metavar)}\fR" if each.metavar else ""
                lines += [".TP", spellings + value, _roff(each.help)]
    return lines


def _roff(text: str | None) -> str:
    """Escape a text: a backslash, a hyphen that is a minus, and a line that would be a command."""
    line = " ".join((text or "").split()).replace("\\", r"\e").replace("-", r"\-")
    return rf"\&{line}" if line.startswith((".", "'")) else line


class SharedFiles(BuildHookInterface):
    """Adds the files to a wheel; an editable installation has none."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the files, and name them to the builder."""
        if version == "editable":
            return
        sys.path.insert(0, self.root)
        self._folder = tempfile.TemporaryDirectory()
        for number, (place, content) in enumerate(shared_files().items()):
            made = Path(self._folder.name, str(number))
            made.write_text(content, encoding="utf-8")
            os.utime(made, (0, 0))
            build_data["shared_data"][str(made)] = place

    def finalize(self, version: str, *_: Any) -> None:
        """Remove them."""
        if version != "editable":
            self._folder.cleanup()
