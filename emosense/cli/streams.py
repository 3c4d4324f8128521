"""Standard output and standard error that never end a run: what cannot be written is dropped.

A closed descriptor, a full disk, a reader that has gone and a terminal that has gone are all the same to a command: it
finishes, and its exit code is that of its work.
"""

from __future__ import annotations

import errno
import io
import os
import select
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

# Of a reader that has seen enough (`| head`), nobody needs to hear.
_GONE: Final = (errno.EPIPE, errno.EBADF)


class DroppingFile(io.RawIOBase):
    """A descriptor to write to; after the first fault everything is dropped.

    Parameters
    ----------
    descriptor : int
        Open for writing; never closed here.
    on_loss : callable
        Called once, with the fault.
    fault : OSError or None
        Why everything is dropped from the start.

    Attributes
    ----------
    fault : OSError or None
        Why something was dropped.
    """

    def __init__(
        self,
        descriptor: int,
        on_loss: Callable[[OSError], None] = lambda _: None,
        fault: OSError | None = None,
    ) -> None:
        self._descriptor, self._on_loss, self.fault = descriptor, on_loss, fault

    def write(self, content: ReadableBuffer, /) -> int:
        """Write bytes, or drop them.

        Parameters
        ----------
        content : bytes-like

        Returns
        -------
        int
            How many bytes are done with, written or dropped.
        """
        view = memoryview(content)
        while self.fault is None:
            try:
                return os.write(self._descriptor, view)
            except BlockingIOError:
                # Another process has made the pipe that we share non-blocking, and it is full.
                select.select([], [self._descriptor], [])
            except OSError as err:
                self.fault = err
                self._on_loss(err)
        return view.nbytes

    def writable(self) -> bool:
        """Return True.

        Returns
        -------
        bool
        """
        return True

    def fileno(self) -> int:
        """Return the descriptor.

        Returns
        -------
        int
        """
        return self._descriptor

    def isatty(self) -> bool:
        """Return whether the descriptor is a terminal.

        Returns
        -------
        bool
        """
        return os.isatty(self._descriptor)


def dropping_stream(
    descriptor: int,
    encoding: str,
    on_loss: Callable[[OSError], None] = lambda _: None,
    *,
    at_once: bool,
    fault: OSError | None = None,
) -> TextIO:
    """Open a text stream whose writes never fail.

    Parameters
    ----------
    descriptor : int
        Open for writing.
    encoding : str
        Characters that it lacks are written as escapes.
    on_loss : callable
        Called once, with the fault of the first write that failed.
    at_once : bool
        Write every line at once.
    fault : OSError, optional
        Why everything is dropped from the start.

    Returns
    -------
    TextIO
    """
    file = io.BufferedWriter(DroppingFile(descriptor, on_loss, fault))
    return io.TextIOWrapper(file, encoding=encoding, errors="backslashreplace", line_buffering=at_once)


def open_standard_streams() -> None:
    """Put streams that never fail in the places of standard output and standard error.

    A descriptor that was closed before the start leads to ``/dev/null`` from here on. Otherwise the next file that is
    opened would get its number, and a library that writes messages to descriptor 2 would write them into that file.
    """
    spare, closed = os.open(os.devnull, os.O_RDWR), set[int]()
    while spare <= 2:
        closed.add(spare)
        spare = os.open(os.devnull, os.O_RDWR)
    os.close(spare)
    # A caller in this process may have replaced them: a test does.
    if sys.stderr is sys.__stderr__:
        sys.stderr = dropping_stream(2, _encoding(sys.stderr), at_once=True)
    if sys.stdout is sys.__stdout__:
        fault = OSError(errno.EBADF, "it is closed") if 1 in closed else None
        sys.stdout = dropping_stream(
            1, _encoding(sys.stdout), _say_that_output_is_lost, at_once=os.isatty(1), fault=fault
        )


def lost_output() -> OSError | None:
    """Return why standard output lacks something that somebody waits for.

    Returns
    -------
    OSError or None
        None if all was written, or if its reader has gone.
    """
    file = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    fault = file.fault if isinstance(file, DroppingFile) else None
    return None if fault is None or fault.errno == errno.EPIPE else fault


def _encoding(stream: TextIO | None) -> str:
    return "utf-8" if stream is None else stream.encoding


def _say_that_output_is_lost(err: OSError) -> None:
    if err.errno not in _GONE:
        text = f"emosense-batch: standard output cannot be written: {err.strerror}"
        print(text, file=sys.stderr)  # noqa: T201 - a message
