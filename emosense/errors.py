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
130 and 143 that a signal stopped the run (`Interrupted`, which no handler of errors takes for one).
"""

from __future__ import annotations

import traceback
from typing import Final

EXIT_OK: Final = 0
EXIT_ERROR_ROWS: Final = 3


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


class Interrupted(BaseException):
    """A signal stopped the run; what was done is kept. Like KeyboardInterrupt, it is no fault to try again after."""

    def __init__(self, signal_number: int) -> None:
        super().__init__("stopped: what is done is kept, the same command goes on from here")
        self.exit_code = 128 + signal_number


# Every value of the column error_code, with its meaning.
ERROR_CODES: Final[dict[str, str]] = {
    "empty_file": "The file has zero bytes.",
    "not_audio": "The content is no recording: a web page, a git-lfs pointer, an archive, text, zeros or raw samples.",
    "corrupt": "The file is damaged so that nothing of it can be decoded.",
    "bad_header": "The header contradicts itself: no channels, or an impossible sample rate.",
    "bad_sample_rate": "The sample rate is outside 1 kHz to 768 kHz.",
    "too_many_channels": "There are more than 64 channels.",
    "no_samples": "There is a header and no sample behind it.",
    "unsupported_encoding": "No installed decoder reads this encoding or container, or it is protected (DRM).",
    "no_audio_stream": "The container holds pictures and no sound.",
    "stream_changes": "Sample rate or channels change in the middle of the recording.",
    "non_finite": "Samples are NaN, infinite or more than 1000 times full scale.",
    "no_speech": "The recording is digital silence or a constant value.",
    "too_short": "The recording lasts less than 0.25 s.",
    "too_long": "The recording lasts longer than --max-duration.",
    "truncated": "Less could be decoded than the file promises; an error if under 0.25 s is left, or with --strict.",
    "changed_during_read": "The file is not the one that was listed, or was written to while it was read.",
    "missing": "There is no such file: it is gone since it was listed, or its name leads nowhere.",
    "permission_denied": "The file may not be read.",
    "not_a_file": "The path is no regular file.",
    "name_too_long": "The name is longer than the file system allows.",
    "io_error": "The storage cannot read this file (EIO, ESTALE).",
    "model_error": "The model gave a probability that is not a number.",
    "internal_error": "A fault of EmoSense itself; please report it.",
    "out_of_memory": "Decoding needs more memory than the worker may use.",
    "timeout": "The worker made no progress on this file for --file-timeout.",
    "worker_crashed": "The worker died on this file twice.",
}


class RecordingError(EmoSenseError):
    """One recording cannot be read or labelled.

    Parameters
    ----------
    code : str
        The value of the column ``error_code``, a key of `ERROR_CODES`.
    message : str
        One sentence; the path is not repeated in it, since the row carries it.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


# What one recording may bring to light; faults of storage, of a model or of the command are none of its own.
RECORDING_FAULTS: Final = (
    RecordingError, MemoryError, ArithmeticError, LookupError, TypeError, ValueError, RuntimeError,
)  # fmt: skip


def as_recording_error(fault: Exception) -> RecordingError:
    """Return what the row of a recording says of one of `RECORDING_FAULTS`."""
    if isinstance(fault, RecordingError):
        return fault
    if isinstance(fault, MemoryError):
        return RecordingError("out_of_memory", "decoding needs too much memory")
    # A fault of ours must not cost the recording's neighbours their rows.
    last = traceback.extract_tb(fault.__traceback__)[-1]
    place = f"{last.filename.rsplit('/', 1)[-1]}:{last.lineno}"
    return RecordingError("internal_error", f"{type(fault).__name__} at {place}: {fault}")
