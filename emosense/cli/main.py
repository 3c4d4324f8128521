"""The command line: all commands, and the exit codes of known errors.

A known error becomes one line on standard error and an exit code; a bug keeps its traceback. Results go to files and
standard output, messages to standard error; neither ends a run when it cannot be written. Nothing heavy is imported
before a command needs it.
"""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from emosense._version import __version__
from emosense.cli.adapt import adapt
from emosense.cli.choose import choose
from emosense.cli.doctor import doctor
from emosense.cli.download import download
from emosense.cli.evaluate import evaluate
from emosense.cli.features import features
from emosense.cli.groups import Command
from emosense.cli.label import label
from emosense.cli.log_file import show_errors
from emosense.cli.models import models
from emosense.cli.options import print_message
from emosense.cli.report import report
from emosense.cli.streams import open_standard_streams
from emosense.cli.train import train
from emosense.errors import EmoSenseError, Interrupted
from emosense.storage.locations import redact

# How much of two names is the same, from 0 to 1: --qualty and --quality have 0.94, --png and --engine 0.62.
_MUCH_ALIKE: Final = 0.75


class _Commands(TyperGroup):
    """All commands. Their messages about arguments say what to give, without the words of the library behind them."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except typer.BadParameter as err:
            # A missing argument has no message of its own: its help says what to give.
            err.message = err.message.removeprefix("Value error, ") or (
                getattr(err.param, "help", "") or ""
            ).removesuffix(".")
            raise
        except typer.TyperException as err:
            _suggest(err)
            raise


def _suggest(err: Any) -> None:
    """Name the options that are meant by an unknown one: those that begin with it, otherwise a very similar one."""
    if possible := getattr(err, "possibilities", None):
        alike = difflib.get_close_matches(err.option_name, possible, 1, _MUCH_ALIKE)
        meant = [name for name in possible if name.startswith(err.option_name)] or alike
        suggestion = f". Did you mean {' or '.join(sorted(meant))}?" if meant else ""
        err.message, err.possibilities = f"{err.message}{suggestion}", None


app = typer.Typer(
    cls=_Commands,
    name="emosense-batch",
    help="Speech emotion recognition for folders and buckets of recordings.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(cls=Command)(label)
app.command(cls=Command)(features)
app.command(cls=Command)(train)
app.command(cls=Command)(evaluate)
app.command(cls=Command)(choose)
app.command(cls=Command)(adapt)
app.command(cls=Command)(report)
app.command(cls=Command)(doctor)
app.command(cls=Command)(download)
app.add_typer(models, name="models")


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


def main(command: Sequence[str] = ()) -> None:
    """Run the command line and turn known errors into exit codes.

    Parameters
    ----------
    command : sequence of str
        Words to put before the arguments of the process; each job names its command here.
    """
    _use_utf8()
    open_standard_streams()
    try:
        # A job shows the usage of its command.
        try:
            app(args=[*command, *sys.argv[1:]], prog_name="emosense-batch" if command else None)
        finally:
            show_errors()
    except (EmoSenseError, Interrupted) as err:
        print_message(f"emosense-batch: {redact(str(err))}")
        sys.exit(err.exit_code)
    except MemoryError:
        print_message("emosense-batch: there is not enough memory; finished work is kept")
        sys.exit(EmoSenseError.exit_code)
    finally:
        # Now, while a loss can still be told; the interpreter's own flush comes too late.
        sys.stdout.flush()


def _use_utf8() -> None:
    """Start again in Python's UTF-8 mode where the locale has another encoding.

    Names of files would be taken for other characters there, and libraries fail on those that it lacks.
    """
    if sys.getfilesystemencoding() != "utf-8" and not sys.flags.utf8_mode:
        os.environ["PYTHONUTF8"] = "1"
        os.execv(sys.executable, [sys.orig_argv[0], "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606 - this very program


if __name__ == "__main__":
    main()
