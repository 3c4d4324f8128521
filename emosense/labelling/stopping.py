"""SIGINT, SIGTERM and SIGHUP: the first one stops a job cleanly, a second SIGINT or SIGTERM ends it at once.

SIGHUP says that the terminal is gone. A closing terminal may send it twice, so only the first counts.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from typing import Final

from emosense.errors import Interrupted
from emosense.labelling.engines import Engine

STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stop:
    """The handler of these signals while a job runs."""

    def __init__(self) -> None:
        self._received: int | None = None
        self._engine: Engine[object] | None = None
        self._handled: tuple[signal.Signals, ...] = ()

    def __call__(self, number: int, _: object) -> None:
        """Stop the engine if one is running, otherwise the job; end the process on the second one."""
        if self._received is not None:
            if number == signal.SIGHUP:
                return
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self._received = number
        if self._engine is None:
            raise Interrupted(number)
        self._engine.stop()

    @contextlib.contextmanager
    def during(self, engine: Engine[object]) -> Iterator[None]:
        """Have a signal stop the engine, and raise `Interrupted` at the end of the block.

        Ray installs a handler of its own when it starts, so ours are set again here.

        Parameters
        ----------
        engine : Engine

        Yields
        ------
        None

        Raises
        ------
        Interrupted
            If a signal has arrived.
        """
        self._engine = engine
        self._install()
        try:
            yield
            if self._received is not None:
                raise Interrupted(self._received)
        finally:
            self._engine = None

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        """Handle signals during the block; outside the main thread they are left to the caller.

        Yields
        ------
        None
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
        # A run that `nohup` started outlives its terminal.
        is_nohup = before[signal.SIGHUP] == signal.SIG_IGN
        self._handled = tuple(number for number in STOP_SIGNALS if number != signal.SIGHUP or not is_nohup)
        self._install()
        try:
            yield
        finally:
            for number in self._handled:
                signal.signal(number, before[number])
            self._handled = ()

    def _install(self) -> None:
        for number in self._handled:
            signal.signal(number, self)
