"""`--log-file`: what a command writes to standard error goes to a file as well, each line with its time."""

from __future__ import annotations

import datetime
import io
import os
import re
import sys
from typing import Annotated, Final, TextIO

import typer

from emosense.cli.groups import MESSAGES
from emosense.cli.streams import dropping_stream
from emosense.errors import OutputError, UsageError

# What every line begins with.
_TIME: Final = re.compile(rb"[0-9]{4}-[0-9]{2}-[0-9]{2}T")


class LoggedStream(io.TextIOBase):
    """A text stream that also writes every line, with its time, to a log.

    It says that it is no terminal, so that progress is shown as lines and not as a bar.

    Parameters
    ----------
    stream : TextIO
        Where the text goes.
    log : TextIO
        Where it goes as well.

    Attributes
    ----------
    is_shown : bool
        Whether the text goes to the stream; False with ``--quiet``, while there is no error.
    """

    def __init__(self, stream: TextIO, log: TextIO) -> None:
        self._stream, self._log, self._line = stream, log, ""
        self.is_shown = True

    def write(self, text: str) -> int:
        """Write a text.

        Parameters
        ----------
        text : str
            Any text.

        Returns
        -------
        int
            Number of its characters.
        """
        if self.is_shown:
            self._stream.write(text)
        *lines, self._line = (self._line + text).split("\n")
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self._log.write("".join(f"{now} {line}\n" for line in lines))
        return len(text)

    def flush(self) -> None:
        """Write what waits in either."""
        self._stream.flush()
        self._log.flush()

    def fileno(self) -> int:
        """Return the descriptor of the stream, for child processes.

        Returns
        -------
        int
        """
        return self._stream.fileno()


def go_silent(quiet: bool) -> bool:
    """Let the terminal get nothing but errors from here on, if that is asked for.

    Parameters
    ----------
    quiet : bool
        Whether ``--quiet`` is given.

    Returns
    -------
    bool
        Whether the command says nothing but errors: not with ``--log-file``, which gets everything.
    """
    if quiet and isinstance(sys.stderr, LoggedStream):
        sys.stderr.is_shown = False
        return False
    return quiet


def show_errors() -> None:
    """Let standard error show what follows a command, with ``--quiet`` too."""
    if isinstance(sys.stderr, LoggedStream):
        sys.stderr.is_shown = True


def _open_log(path: str | None) -> str | None:
    """Let standard error write to the file too; an earlier log is kept, and the new lines follow it."""
    if path is not None:
        try:
            _check_is_log(path)
            # A pipe that nobody reads is refused, and not waited for.
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK
            descriptor = os.open(path, flags, 0o666)
        except OSError as err:
            raise OutputError(f"cannot write the log {path}: {err.strerror}") from err
        sys.stderr = LoggedStream(sys.stderr, dropping_stream(descriptor, "utf-8", at_once=True))
    return path


def _check_is_log(path: str) -> None:
    """Refuse a file that is something else, such as a recording or a table: lines would be added to it."""
    if os.path.isfile(path):
        with open(path, "rb") as file:
            start = file.read(len("2026-01-31T"))
        if start and not _TIME.fullmatch(start):
            raise UsageError(f"--log-file: {path} is not a log: choose another file")


LogFile = Annotated[
    str | None,
    typer.Option(
        "--log-file",
        callback=_open_log,
        metavar="FILE",
        rich_help_panel=MESSAGES,
        help="Also write messages and progress to this file, with --quiet too, each line with its time; progress is "
        "then lines, not a bar.",
    ),
]
