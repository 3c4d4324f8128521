"""Every error that EmoSense raises on purpose, with the exit code that the CLI gives it.

EmoSenseError                 1   internal
├── UsageError                2   a wrong argument, path, preset or setting
├── TooManyErrors             4   stopped by --max-errors
├── StorageError              5   storage or cluster does not answer; a rerun goes on from there
├── OutputError               6   the output cannot be written
├── ModelError                7   the model is refused
├── NothingToDo               9   no audio found
└── RecordingError            -   one recording cannot be labelled; becomes its row, never an exit code

Exit code 0 means that every row is ok, 3 that the table is complete but has error rows,
130 and 143 that a signal stopped the run.
"""

from __future__ import annotations

from typing import Final

EXIT_OK: Final = 0
EXIT_ERROR_ROWS: Final = 3
EXIT_SIGINT: Final = 130
EXIT_SIGTERM: Final = 143


class EmoSenseError(Exception):
    """Base of all errors raised on purpose; its text is one sentence for the user."""

    exit_code = 1


class UsageError(EmoSenseError):
    """The command cannot start as it was given."""

    exit_code = 2


class TooManyErrors(EmoSenseError):
    """More recordings failed than --max-errors allows; the table so far is valid."""

    exit_code = 4


class StorageError(EmoSenseError):
    """Storage or cluster did not answer in spite of retries; nothing done is lost."""

    exit_code = 5


class OutputError(EmoSenseError):
    """The output cannot be written."""

    exit_code = 6


class ModelError(EmoSenseError):
    """The model directory is damaged, unknown, or does not fit the job."""

    exit_code = 7


class NothingToDo(EmoSenseError):
    """The inputs hold no audio."""

    exit_code = 9


class RecordingError(EmoSenseError):
    """One recording cannot be read or labelled.

    Parameters
    ----------
    code : str
        The value of the column ``error_code``, one of those in docs/rows.md.
    message : str
        One sentence; the path is not repeated in it, since the row carries it.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
