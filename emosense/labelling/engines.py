"""Where chunks of recordings are labelled: worker processes of this machine, or tasks of a Ray cluster.

Both give the same bytes, since both run `IsolatedLabeller.label`; an engine only schedules.
"""

from __future__ import annotations

import dataclasses
import functools
import queue
import threading
import time
from collections.abc import Generator, Iterable, Iterator
from typing import Any, Final, Protocol

from emosense.errors import StorageError
from emosense.inputs.recording import Recording
from emosense.labelling.config import Labelled
from emosense.labelling.worker_process import IsolatedLabeller, LabelSpec

# Enough chunks in flight that no worker waits for the driver, few enough that a stop loses little.
_CHUNKS_AHEAD: Final = 2
# A cluster that scales from nothing has no CPU yet when the first tasks are submitted.
_LEAST_IN_FLIGHT: Final = 8
_RAY_TRIES: Final = 3
# A stop must be through before the ten seconds that systems give after SIGTERM are over.
_GRACE_S: Final = 5.0
_POLL_S: Final = 0.5


@dataclasses.dataclass(frozen=True, slots=True)
class Chunk:
    """A stretch of the list of recordings; `index` is its place in it."""

    index: int
    recordings: tuple[Recording, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Done:
    """What a chunk gave; fewer results than recordings where the engine was stopped."""

    chunk: Chunk
    labelled: list[Labelled]


class Engine(Protocol):
    """Labels chunks in parallel."""

    def run(self, chunks: Iterable[Chunk]) -> Generator[Done, None, None]:
        """Yield the chunks as they are finished, in any order."""
        ...

    def stop(self) -> None:
        """Finish within seconds: chunks in work may come back incomplete, or not at all."""
        ...


class _Deadline:
    """The moment after which results in work are given up; none until there is a stop."""

    def __init__(self) -> None:
        self._at_s = float("inf")

    def set(self, grace_s: float) -> None:
        self._at_s = min(self._at_s, time.monotonic() + grace_s)

    @property
    def is_set(self) -> bool:
        return self._at_s < float("inf")

    def is_over(self) -> bool:
        return time.monotonic() > self._at_s


class LocalEngine:
    """One worker process and one thread that feeds it, for each of `n_workers`."""

    def __init__(self, spec: LabelSpec, n_workers: int) -> None:
        self._spec, self._n_workers = spec, n_workers
        self._deadline = _Deadline()

    def stop(self) -> None:
        """Let every worker finish the recording at hand, if that takes no more than seconds."""
        self._deadline.set(_GRACE_S)

    def run(self, chunks: Iterable[Chunk]) -> Generator[Done, None, None]:
        """Yield the chunks as they are finished.

        Raises
        ------
        EmoSenseError
            What a worker raised; the other workers stop, and what they have done is yielded before.
        """
        results: queue.Queue[Done | BaseException | None] = queue.Queue(self._n_workers * _CHUNKS_AHEAD)
        source, lock = iter(chunks), threading.Lock()
        threads = [
            threading.Thread(target=self._work, args=(source, lock, results), daemon=True)
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
                    yield result
        finally:
            # Where the caller takes no more, nobody may be left waiting for room in the queue.
            self._deadline.set(0.0)
            while n_running:
                n_running -= results.get() is None
        if failure is not None:
            raise failure

    def _work(
        self, source: Iterator[Chunk], lock: threading.Lock, results: queue.Queue[Done | BaseException | None]
    ) -> None:
        """Feed one worker, in a thread of its own."""
        try:
            with IsolatedLabeller(self._spec, self._deadline.is_over) as labeller:
                while True:
                    with lock:
                        chunk = None if self._deadline.is_set else next(source, None)
                    if chunk is None:
                        break
                    results.put(Done(chunk, list(self._until_stopped(labeller.label(chunk.recordings)))))
        except BaseException as err:  # noqa: BLE001 - handed to the caller's thread, which raises it
            results.put(err)
        results.put(None)

    def _until_stopped(self, labelled: Iterator[Labelled]) -> Iterator[Labelled]:
        for result in labelled:
            yield result
            if self._deadline.is_set:
                return


@functools.lru_cache(maxsize=1)
def _worker_of_this_process(spec: LabelSpec) -> IsolatedLabeller:
    """One worker for all tasks that Ray runs in this process: starting it costs as much as 200 short recordings."""
    return IsolatedLabeller(spec)


def label_chunk(spec: LabelSpec, chunk: Chunk) -> list[Labelled]:
    """Label a chunk in a Ray task."""
    return list(_worker_of_this_process(spec).label(chunk.recordings))


class RayEngine:
    """Ray Core tasks on the cluster that this process is connected to.

    Parameters
    ----------
    most_workers : int or None
        Use no more CPUs than this; all that the cluster has, or comes to have, where it is None.
    """

    def __init__(self, spec: LabelSpec, most_workers: int | None) -> None:
        self._spec, self._most_workers = spec, most_workers
        self._deadline = _Deadline()

    def _limit(self, n_cpus: int) -> int:
        """Return how many tasks may be in flight: more than there are CPUs, so that an autoscaler sees what waits."""
        if self._most_workers is not None:
            return _CHUNKS_AHEAD * self._most_workers
        return max(_LEAST_IN_FLIGHT, _CHUNKS_AHEAD * n_cpus)

    def stop(self) -> None:
        """Wait seconds for the tasks in flight and start no others."""
        self._deadline.set(_GRACE_S)

    def run(self, chunks: Iterable[Chunk]) -> Generator[Done, None, None]:
        """Yield the chunks as they are finished.

        Raises
        ------
        StorageError
            If storage does not answer, or a chunk was lost with its worker or node time after time.
        """
        import ray

        # A dead node or worker process is Ray's to mend; what a recording does to its decoder never gets this far.
        task: Any = ray.remote(num_cpus=1, max_retries=_RAY_TRIES, scheduling_strategy="SPREAD")(label_chunk)
        spec = ray.put(self._spec)
        source = iter(chunks)
        in_flight: dict[Any, Chunk] = {}
        failure: Exception | None = None
        try:
            while not self._deadline.is_over():
                limit = self._limit(int(ray.cluster_resources().get("CPU", 0)))
                while not self._deadline.is_set and len(in_flight) < limit:
                    chunk = next(source, None)
                    if chunk is None:
                        break
                    in_flight[task.remote(spec, chunk)] = chunk
                if not in_flight:
                    break
                # In slices, so that a signal is seen and a stop has its end.
                for ready in ray.wait(list(in_flight), num_returns=1, timeout=_POLL_S)[0]:
                    chunk = in_flight.pop(ready)
                    try:
                        yield Done(chunk, ray.get(ready))
                    except ray.exceptions.RayTaskError as err:
                        failure = failure or err.cause
                        self.stop()
                    except ray.exceptions.RayError as err:
                        failure = failure or StorageError(f"the cluster lost a chunk {_RAY_TRIES + 1} times: {err}")
                        self.stop()
        finally:
            for reference in in_flight:
                ray.cancel(reference, force=True)
        if failure is not None:
            raise failure
