"""The errors that EmoSense raises on purpose, the exit code of each, and its code between processes.

BaseException
├── Exception
│   └── EmoSenseError         1   internal error, also the base of all others
│       ├── UsageError        2   a wrong argument, path, preset or setting
│       ├── TooManyErrors     4   stopped by --max-errors
│       ├── StorageError      5   storage or cluster does not answer; a rerun resumes
│       ├── OutputError       6   the output cannot be written
│       ├── ModelError        7   the model is refused
│       ├── NothingToDo       9   the inputs hold no audio
│       └── RecordingError    -   one recording cannot be labelled: an error row, never an exit code
└── Interrupted           128+n   signal n stopped the run; handlers of Exception do not catch it

Exit code 0 means that every row is ok, 3 that the table is complete but has error rows. An error crosses from a worker
process to its parent as a pair of strings, `to_wire`, and becomes an error of the same class there, `from_wire`.
"""

from __future__ import annotations

import traceback
from typing import ClassVar, Final

EXIT_OK: Final = 0
EXIT_ERROR_ROWS: Final = 3


class EmoSenseError(Exception):
    """Base of all errors raised on purpose; its text is one sentence for the user."""

    exit_code: ClassVar[int] = 1
    # Names the class between processes, so it must never change. A class without its own crosses as its base.
    wire_code: ClassVar[str] = "internal"


class UsageError(EmoSenseError):
    """The command cannot start as it was given."""

    exit_code = 2
    wire_code = "usage"


class TooManyErrors(EmoSenseError):
    """More recordings failed than --max-errors allows; the table so far is valid."""

    exit_code = 4
    wire_code = "too_many_errors"


class StorageError(EmoSenseError):
    """Storage or cluster did not answer despite retries; finished work is kept."""

    exit_code = 5
    wire_code = "storage"


class OutputError(EmoSenseError):
    """The output cannot be written."""

    exit_code = 6
    wire_code = "output"


class ModelError(EmoSenseError):
    """The model directory is damaged, unknown, or does not fit the job."""

    exit_code = 7
    wire_code = "model"


class NothingToDo(EmoSenseError):
    """The inputs hold no audio."""

    exit_code = 9
    wire_code = "nothing_to_do"


class Interrupted(BaseException):
    """A signal stopped the run; finished work is kept. Like KeyboardInterrupt, it is never retried.

    Parameters
    ----------
    signal_number : int
        The signal.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__("stopped: finished work is kept, run the same command again to resume")
        self.exit_code = 128 + signal_number


_BY_WIRE_CODE: Final[dict[str, type[EmoSenseError]]] = {
    kind.wire_code: kind
    for kind in (EmoSenseError, UsageError, TooManyErrors, StorageError, OutputError, ModelError, NothingToDo)
}


def to_wire(err: EmoSenseError) -> tuple[str, str]:
    """Return an error as it is sent to another process.

    Parameters
    ----------
    err : EmoSenseError
        The error.

    Returns
    -------
    tuple of str
        Wire code of its class, and its text.
    """
    return err.wire_code, str(err)


def from_wire(code: str, text: str) -> EmoSenseError:
    """Return the error that another process sent.

    Parameters
    ----------
    code, text : str
        What `to_wire` returned there.

    Returns
    -------
    EmoSenseError
        An error of the same class; an internal error where the code is unknown.
    """
    if code in _BY_WIRE_CODE:
        return _BY_WIRE_CODE[code](text)
    return EmoSenseError(f"a worker sent an unknown error code {code!r}: {text}")


# Every value of the column error_code, with its meaning.
ERROR_CODES: Final[dict[str, str]] = {
    "empty_file": "The file has zero bytes.",
    "not_audio": "Not a recording: a web page, an archive, mail, a database, a document, text, zeros or raw samples.",
    "bad_archive": "The archive, or this member of it, is damaged, refused as dangerous, or of another kind.",
    "corrupt": "The file is damaged and nothing in it can be decoded.",
    "bad_header": "The header contradicts itself: no channels, or an impossible sample rate.",
    "bad_sample_rate": "The sample rate is outside 1 kHz to 768 kHz.",
    "too_many_channels": "There are more than 64 channels.",
    "no_samples": "There is a header without any samples.",
    "unsupported_encoding": "No installed decoder reads this encoding or container, or it is protected (DRM).",
    "no_audio_stream": "The container has video but no audio.",
    "no_track": "The recording has no audio track of the number that --track asks for.",
    "no_channel": "The recording has no channel of the number that --channels asks for.",
    "stream_changes": "Sample rate or channels change in the middle of the recording.",
    "non_finite": "Samples are NaN, infinite or more than 1000 times full scale.",
    "no_speech": "No speech was found: silence, a constant value, a tone, hum, music, noise or clicks.",
    "too_short": "The recording lasts less than 0.25 s.",
    "too_long": "The recording lasts longer than --max-duration.",
    "truncated": "Less could be decoded than the header states; an error if under 0.25 s is left, or with --strict.",
    "changed_during_read": "The file changed after it was listed, or while it was read.",
    "missing": "There is no such file: it was removed after it was listed, or it is a broken link.",
    "permission_denied": "The file may not be read.",
    "not_a_file": "The path is not a regular file.",
    "name_too_long": "The name is longer than the file system allows.",
    "io_error": "The storage cannot read this file (EIO, ESTALE).",
    "model_error": "The model returned a probability that is not a number.",
    "internal_error": "A bug in EmoSense; please report it.",
    "out_of_memory": "Decoding needs more memory than the worker may use.",
    "timeout": "No progress for --file-timeout, or that much CPU time without finding speech.",
    "worker_crashed": "The worker died on this file twice.",
}


class RecordingError(EmoSenseError):
    """One recording cannot be read or labelled.

    Parameters
    ----------
    code : str
        Value of the column ``error_code``, a key of `ERROR_CODES`.
    message : str
        One sentence without the path, which the row has.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


# What a single recording can cause. Errors of storage, of the model or of the command end the run instead.
RECORDING_FAULTS: Final = (
    RecordingError, MemoryError, ArithmeticError, LookupError, TypeError, ValueError, RuntimeError,
)  # fmt: skip


def as_recording_error(fault: Exception) -> RecordingError:
    """Return the error of a recording's row for an exception that the recording caused.

    Parameters
    ----------
    fault : Exception
        One of `RECORDING_FAULTS`.

    Returns
    -------
    RecordingError
        The error itself, ``out_of_memory``, or ``internal_error`` with the place where it was raised.
    """
    if isinstance(fault, RecordingError):
        return fault
    if isinstance(fault, MemoryError):
        return RecordingError("out_of_memory", "decoding needs too much memory")
    # A bug on one recording must not lose the rows of the others.
    last = traceback.extract_tb(fault.__traceback__)[-1]
    place = f"{last.filename.rsplit('/', 1)[-1]}:{last.lineno}"
    return RecordingError("internal_error", f"{type(fault).__name__} at {place}: {fault}")
