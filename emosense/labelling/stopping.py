"""SIGINT and SIGTERM: the first one stops a job cleanly, the second one ends it at once."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator

from emosense.errors import Interrupted
from emosense.labelling.engines import Engine


class Stop:
    """The handler of both signals while a job runs."""

    def __init__(self) -> None:
        self._received: int | None = None
        self._engine: Engine | None = None
        self._is_installed = False

    def __call__(self, number: int, _: object) -> None:
        """Stop the engine if one is running, otherwise the job; end the process on the second signal."""
        if self._received is not None:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self._received = number
        if self._engine is None:
            raise Interrupted(number)
        self._engine.stop()

    @contextlib.contextmanager
    def during(self, engine: Engine) -> Iterator[None]:
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
        if self._is_installed:
            _install(self)
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
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        self._is_installed = True
        _install(self)
        try:
            yield
        finally:
            self._is_installed = False
            for number, handler in before.items():
                signal.signal(number, handler)


def _install(stop: Stop) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
