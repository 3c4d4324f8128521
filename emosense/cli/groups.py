"""Groups of options: a command with many of them shows its help in sections, those that a newcomer needs first.

An option names its group with ``rich_help_panel``. The help, docs/cli.md and the manual page read `options_by_group`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import typer.core

OUTPUT: Final = "Output"
MODEL: Final = "Model"
SPEAKER_SPLITS: Final = "Speakers and scores"
RECORDINGS: Final = "Recordings"
WINDOWS: Final = "Windows and channels"
ERRORS: Final = "Errors and resuming"
MACHINES: Final = "Where it runs"
MESSAGES: Final = "Messages and settings"
_ORDER: Final = (OUTPUT, MODEL, SPEAKER_SPLITS, RECORDINGS, WINDOWS, ERRORS, MACHINES, MESSAGES)


def options_by_group(options: Iterable[Any]) -> dict[str, list[Any]]:
    """Sort the options of a command into their groups.

    Parameters
    ----------
    options : iterable of typer.core.TyperOption
        Those of one command; hidden ones are left out.

    Returns
    -------
    dict of str to list
        Options by group, groups in the order of the help. A short command, with options that have no group, has one
        group, ``Options``.
    """
    shown = [each for each in options if not each.hidden]
    if not all(each.rich_help_panel or "--help" in each.opts for each in shown):
        return {"Options": shown}
    groups: dict[str, list[Any]] = {group: [] for group in _ORDER}
    for each in shown:
        groups[each.rich_help_panel or MESSAGES].append(each)
    filled = {group: members for group, members in groups.items() if members}
    return filled if len(filled) > 1 else {"Options": shown}


def argument_text(argument: Any) -> str:
    """Return an argument as usage lines show it.

    Parameters
    ----------
    argument : typer.core.TyperArgument
        Of any command.

    Returns
    -------
    str
        Such as ``INPUTS...``, or ``[MODEL]`` where it may be left out.
    """
    shown = argument.name.upper() + ("..." if argument.nargs == -1 else "")
    return shown if argument.required else f"[{shown}]"


class Command(typer.core.TyperCommand):
    """A command whose help has a section for each group of options."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return what follows the name of the command in its usage.

        Parameters
        ----------
        ctx : typer.Context
            Of the command.

        Returns
        -------
        list of str
            ``[OPTIONS]`` and the arguments.
        """
        return ["[OPTIONS]", *map(argument_text, self._parameters(ctx, "argument"))]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments and the groups of options.

        Parameters
        ----------
        ctx : typer.Context
            Of the command.
        formatter : click.HelpFormatter
            What is written to.
        """
        arguments = self._parameters(ctx, "argument")
        if arguments:
            with formatter.section("Arguments"):
                formatter.write_dl([(argument_text(each), each.help or "") for each in arguments])
        for group, options in options_by_group(self._parameters(ctx, "option")).items():
            with formatter.section(group):
                formatter.write_dl([_record(each, ctx) for each in options])

    def _parameters(self, ctx: Any, kind: str) -> list[Any]:
        return [each for each in self.get_params(ctx) if each.param_type_name == kind]


def _record(option: Any, ctx: Any) -> tuple[str, str]:
    """Return an option and what it does, without the default of a flag that is off: its name says it."""
    spelling, text = option.get_help_record(ctx)
    return spelling, text.removesuffix(
        f"  [default: {option.secondary_opts[0][2:]}]"
    ) if option.secondary_opts else text
