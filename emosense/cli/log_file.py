"""`--log-file`: what a command writes to standard error goes to a file as well, each line with its time."""

from __future__ import annotations

import datetime
import io
import os
import sys
from typing import Annotated, TextIO

import typer

from emosense.cli.streams import dropping_stream
from emosense.errors import OutputError


class LoggedStream(io.TextIOBase):
    """A text stream that also writes every line, with its time, to a log.

    It says that it is no terminal, so that progress is shown as lines and not as a bar.

    Parameters
    ----------
    stream : TextIO
        Where the text goes.
    log : TextIO
        Where it goes as well.
    """

    def __init__(self, stream: TextIO, log: TextIO) -> None:
        self._stream, self._log, self._line = stream, log, ""

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


def _open_log(path: str | None) -> str | None:
    """Let standard error write to the file too; an earlier log is kept, and the new lines follow it."""
    if path is not None:
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        except OSError as err:
            raise OutputError(f"cannot write the log {path}: {err.strerror}") from err
        sys.stderr = LoggedStream(sys.stderr, dropping_stream(descriptor, "utf-8", at_once=True))
    return path


LogFile = Annotated[
    str | None,
    typer.Option(
        "--log-file",
        callback=_open_log,
        help="Also write messages and progress to this file, with the time of each; progress is then lines, not a bar.",
    ),
]
