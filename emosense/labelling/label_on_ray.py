"""Chunks of recordings labelled in Ray Core tasks."""

from __future__ import annotations

import functools
import itertools
import marshal
import time
from collections.abc import Generator, Iterable
from typing import Any, Final

from emosense.errors import StorageError
from emosense.labelling.chunk_writer import ChunkWriter, KeptChunk
from emosense.labelling.chunks import Chunk
from emosense.labelling.config import LabelSpec
from emosense.labelling.engines import CHUNKS_AHEAD, GRACE_S, Deadline
from emosense.labelling.subprocess_labeller import SubprocessLabeller

# A cluster that scales from nothing has no CPU yet when the first tasks are submitted.
_MIN_IN_FLIGHT: Final = 8
_RETRIES: Final = 3
# The autoscaler stops at the largest size of the cluster, which only it knows.
_MAX_CPUS_ASKED_FOR: Final = 10_000
# Short enough that a signal is soon handled and no worker waits: each has a second chunk.
_POLL_S: Final = 0.1


@functools.lru_cache(maxsize=1)
def _labeller_of_this_process(spec: LabelSpec) -> SubprocessLabeller:
    """One worker for all tasks that Ray runs in this process: starting it costs as much as 200 short recordings."""
    return SubprocessLabeller(spec)


def packed(chunk: Chunk) -> bytes:
    """Pack a chunk for its way to a task: Ray sends bytes as they are, and less than 100 kB with the call itself.

    Parameters
    ----------
    chunk : Chunk

    Returns
    -------
    bytes
        Some 5 to 40 a recording: paths and locations repeat.
    """
    import pyarrow as pa

    # Half the time of pickle, and both ends have the same Python: Ray refuses another.
    content = marshal.dumps((chunk.index, chunk.listed))
    return len(content).to_bytes(8, "little") + bytes(pa.compress(content, "zstd", asbytes=True))


def unpacked(sent: bytes) -> Chunk:
    """Unpack a chunk.

    Parameters
    ----------
    sent : bytes
        What `packed` gave.

    Returns
    -------
    Chunk
    """
    import pyarrow as pa

    n_bytes = int.from_bytes(sent[:8], "little")
    return Chunk(*marshal.loads(pa.decompress(sent[8:], n_bytes, "zstd")))  # noqa: S302 - from our own driver


def keep_chunk(spec: LabelSpec, writer: ChunkWriter, sent: bytes) -> KeptChunk:
    """Label a chunk in a Ray task, and write its part there.

    Parameters
    ----------
    spec : LabelSpec
    writer : ChunkWriter
    sent : bytes
        The chunk, as `packed` gives it.

    Returns
    -------
    KeptChunk
    """
    before_s = time.thread_time()
    kept = writer(_labeller_of_this_process(spec), unpacked(sent), lambda: False)
    # Here, this process is a worker too; on one machine it is the driver, which counts itself.
    kept.cost.cpu_s += time.thread_time() - before_s
    return kept


class RayEngine:
    """Ray Core tasks on the cluster that this process is connected to.

    Parameters
    ----------
    spec : LabelSpec
    writer : ChunkWriter
        What a task does with a chunk.
    max_workers : int or None
        Use at most so many CPUs; None for all that the cluster has, or scales to.
    n_chunks : int
        How many chunks there will be: an autoscaler is asked for a CPU for each, and starts as many nodes as it may.
    """

    def __init__(self, spec: LabelSpec, writer: ChunkWriter, max_workers: int | None, n_chunks: int) -> None:
        self._spec, self._writer, self._max_workers = spec, writer, max_workers
        self._n_cpus_wanted = min(n_chunks, max_workers or _MAX_CPUS_ASKED_FOR, _MAX_CPUS_ASKED_FOR)
        self._deadline = Deadline()

    def _limit(self, n_cpus: int) -> int:
        """Return how many tasks may be in flight: more than there are CPUs, so that an autoscaler sees demand."""
        if self._max_workers is not None:
            return CHUNKS_AHEAD * self._max_workers
        return max(_MIN_IN_FLIGHT, CHUNKS_AHEAD * n_cpus)

    def stop(self) -> None:
        """Wait a few seconds for the tasks in flight and start no others."""
        self._deadline.set(GRACE_S)

    def run(self, chunks: Iterable[Chunk]) -> Generator[KeptChunk, None, None]:
        """Label chunks.

        Parameters
        ----------
        chunks : iterable of Chunk

        Yields
        ------
        KeptChunk
            As they are finished, in any order.

        Raises
        ------
        StorageError
            If storage does not answer, or a chunk was lost with its worker or node several times.
        """
        import ray
        from ray.autoscaler.sdk import request_resources

        # All nodes at once: the tasks in flight alone would double the cluster with each node that has started.
        request_resources(num_cpus=self._n_cpus_wanted)
        # Ray repeats tasks of a dead node or worker process. A recording that kills its decoder never gets this far.
        task: Any = ray.remote(num_cpus=1, max_retries=_RETRIES, scheduling_strategy="SPREAD")(keep_chunk)
        settings = ray.put(self._spec), ray.put(self._writer)
        source = iter(chunks)
        in_flight: set[Any] = set()
        failure: Exception | None = None
        try:
            while not self._deadline.is_over():
                n_free = self._limit(int(ray.cluster_resources().get("CPU", 0))) - len(in_flight)
                chunks_now = itertools.islice(source, 0 if self._deadline.is_set else max(0, n_free))
                in_flight |= {task.remote(*settings, packed(chunk)) for chunk in chunks_now}
                if not in_flight:
                    break
                # All that have ended since the last look: with thousands in flight, a look costs more than a result.
                ready, _ = ray.wait(list(in_flight), num_returns=len(in_flight), timeout=_POLL_S)
                in_flight.difference_update(ready)
                for reference in ready:
                    try:
                        yield ray.get(reference)
                    except ray.exceptions.RayTaskError as err:
                        failure = failure or err.cause
                        self.stop()
                    except ray.exceptions.RayError as err:
                        failure = failure or StorageError(f"the cluster lost a chunk {_RETRIES + 1} times: {err}")
                        self.stop()
        finally:
            request_resources(num_cpus=0)
            for reference in in_flight:
                ray.cancel(reference, force=True)
        if failure is not None:
            raise failure
