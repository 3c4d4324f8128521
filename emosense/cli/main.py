"""The command line: it gathers the commands and turns known errors into exit codes.

Known errors become one line on standard error and an exit code; a bug keeps its traceback. Data goes to files and
standard output, talk to standard error. Nothing heavy is imported before a command needs it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from emosense._version import __version__
from emosense.cli.doctor import doctor
from emosense.cli.download import download
from emosense.cli.evaluate import evaluate
from emosense.cli.features import features
from emosense.cli.label import label
from emosense.cli.models import models
from emosense.cli.options import say
from emosense.cli.report import report
from emosense.cli.train import train
from emosense.errors import EmoSenseError, Interrupted
from emosense.storage.files import redact

app = typer.Typer(
    name="emosense-batch",
    help="The emotion in every recording of a folder or a bucket.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(label)
app.command()(features)
app.command()(train)
app.command()(evaluate)
app.command()(report)
app.command()(doctor)
app.command()(download)
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
        Words put before the arguments of the process: the jobs name their command here.
    """
    try:
        # A job that names its command stands for the program: its usage is that of the command.
        app(args=[*command, *sys.argv[1:]], prog_name="emosense-batch" if command else None)
    except (EmoSenseError, Interrupted) as err:
        say(f"emosense-batch: {redact(str(err))}")
        sys.exit(err.exit_code)
    except BrokenPipeError:
        # The reader of our output has left; Python would complain once more while it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
