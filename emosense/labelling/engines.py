"""Where chunks of recordings are labelled: in worker processes of this machine, or in tasks of a Ray cluster.

Both give the same bytes, since both do the same `Work` with a chunk; an engine only schedules. Here is the local one;
the Ray engine is in `emosense.labelling.label_on_ray`.
"""

from __future__ import annotations

import dataclasses
import queue
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Final, Generic, Protocol, TypeVar

from emosense.labelling.chunks import Chunk, Work
from emosense.labelling.config import LabelSpec
from emosense.labelling.subprocess_labeller import SubprocessLabeller

# Enough chunks in flight that no worker waits for the driver, few enough that a stop loses little.
CHUNKS_AHEAD: Final = 2
# A stop must be complete within the ten seconds that systems give after SIGTERM.
GRACE_S: Final = 5.0


T = TypeVar("T")
Result = TypeVar("Result", covariant=True)


class Engine(Protocol[Result]):
    """Labels chunks in parallel."""

    def run(self, chunks: Iterable[Chunk]) -> Generator[Result, None, None]:
        """Yield what the work makes of each chunk, as they are finished, in any order."""
        ...

    def stop(self) -> None:
        """Finish within seconds: chunks that are being labelled may come back incomplete, or not at all."""
        ...


# Takes what a worker needs, and a callable that says whether its results are still wanted.
OpenWorker = Callable[[LabelSpec, Callable[[], bool]], AbstractContextManager[SubprocessLabeller]]


class Deadline:
    """The time after which unfinished results are dropped; there is none until `set` is called."""

    def __init__(self) -> None:
        self._at_s = float("inf")

    def set(self, grace_s: float) -> None:
        """Set the deadline, unless there is an earlier one.

        Parameters
        ----------
        grace_s : float
            Seconds from now.
        """
        self._at_s = min(self._at_s, time.monotonic() + grace_s)

    @property
    def is_set(self) -> bool:
        """Whether there is a deadline."""
        return self._at_s < float("inf")

    def is_over(self) -> bool:
        """Tell whether the deadline has passed.

        Returns
        -------
        bool
        """
        return time.monotonic() > self._at_s


@dataclasses.dataclass(frozen=True, slots=True)
class _Given(Generic[T]):
    """What the work gave, apart from the exceptions and the end of a thread that come the same way."""

    value: T


class LocalEngine(Generic[T]):
    """Worker processes of this machine, each with a thread that feeds it.

    Parameters
    ----------
    spec : LabelSpec
    work : callable
        What is done with a chunk, in the thread of its worker.
    n_workers : int
        Worker processes, at least 1.
    open_worker : callable
        Gives a worker for the length of a block; by default a new one that ends with the block.
    """

    def __init__(
        self, spec: LabelSpec, work: Work[T], n_workers: int, open_worker: OpenWorker = SubprocessLabeller
    ) -> None:
        self._spec, self._work, self._n_workers, self._open_worker = spec, work, n_workers, open_worker
        self._deadline = Deadline()

    def stop(self) -> None:
        """Let every worker finish its current recording, if that takes no more than seconds."""
        self._deadline.set(GRACE_S)

    def run(self, chunks: Iterable[Chunk]) -> Generator[T, None, None]:
        """Label chunks.

        Parameters
        ----------
        chunks : iterable of Chunk
            Drawn by the threads as they need them, one at a time.

        Yields
        ------
        object
            What the work gives for each, as they are finished, in any order.

        Raises
        ------
        EmoSenseError
            What a worker raised. The other workers stop, and what they have done is yielded first.
        """
        results: queue.Queue[_Given[T] | BaseException | None] = queue.Queue(self._n_workers * CHUNKS_AHEAD)
        source, lock = iter(chunks), threading.Lock()
        threads = [
            threading.Thread(target=self._feed_worker, args=(source, lock, results), daemon=True)
            for _ in range(self._n_workers)
        ]
        for thread in threads:
            thread.start()
        failure: BaseException | None = None
        n_running = len(threads)
        try:
            while n_running:
                result = results.get()
                if result is None:
                    n_running -= 1
                elif isinstance(result, BaseException):
                    failure = failure or result
                    self.stop()
                else:
                    yield result.value
        finally:
            # If the caller stops iterating, no thread may be left waiting for room in the queue.
            self._deadline.set(0.0)
            while n_running:
                n_running -= results.get() is None
        if failure is not None:
            raise failure

    def _feed_worker(
        self, source: Iterator[Chunk], lock: threading.Lock, results: queue.Queue[_Given[T] | BaseException | None]
    ) -> None:
        """Feed one worker, in a thread of its own."""
        try:
            with self._open_worker(self._spec, self._deadline.is_over) as labeller:
                while True:
                    with lock:
                        chunk = None if self._deadline.is_set else next(source, None)
                    if chunk is None:
                        break
                    results.put(_Given(self._work(labeller, chunk, lambda: self._deadline.is_set)))
        except BaseException as err:  # noqa: BLE001 - passed to the caller's thread, which raises it
            results.put(err)
        results.put(None)
