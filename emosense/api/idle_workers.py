"""The worker processes that a `Labeller` keeps between calls."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

from emosense.labelling.config import LabelSpec
from emosense.labelling.subprocess_labeller import SubprocessLabeller


class IdleWorkers:
    """Lends workers, and keeps those that come back. Calls from several threads are safe.

    Parameters
    ----------
    n_kept : int
        How many are kept at most, > 0.

    Attributes
    ----------
    is_closed : bool
        Whether no worker is kept any more.
    """

    def __init__(self, n_kept: int) -> None:
        self._n_kept = n_kept
        self._idle: list[SubprocessLabeller] = []
        self._lock, self.is_closed = threading.Lock(), False

    @contextlib.contextmanager
    def lend(self, spec: LabelSpec, is_cancelled: Callable[[], bool]) -> Iterator[SubprocessLabeller]:
        """Lend an idle worker, or a new one, and keep it for the next call.

        Parameters
        ----------
        spec : LabelSpec
            Model and settings of a new one, the same in every call.
        is_cancelled : callable
            Whether the worker shall stop in the middle of its work.

        Yields
        ------
        SubprocessLabeller
            Its process starts with the first recording.
        """
        with self._lock:
            worker = self._idle.pop() if self._idle else SubprocessLabeller(spec)
        worker.worker.is_cancelled = is_cancelled
        try:
            yield worker
        finally:
            with self._lock:
                is_kept = worker.is_idle and not self.is_closed and len(self._idle) < self._n_kept
                if is_kept:
                    self._idle.append(worker)
            if not is_kept:
                worker.worker.stop()

    def close(self) -> None:
        """End the workers that are idle now, and the others once they are."""
        with self._lock:
            self.is_closed, idle = True, self._idle
            self._idle = []
        for worker in idle:
            worker.worker.stop()
