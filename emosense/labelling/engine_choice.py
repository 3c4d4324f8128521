"""A job and the number of recordings that are left -> the engine to label them with."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Final

from emosense.labelling.chunk_writer import ChunkWriter, KeptChunk
from emosense.labelling.chunks import MOST_RECORDINGS
from emosense.labelling.config import LabelSpec
from emosense.labelling.engines import Engine, LocalEngine
from emosense.labelling.job import LabelJob
from emosense.labelling.label_on_ray import RayEngine
from emosense.labelling.subprocess_labeller import SubprocessLabeller
from emosense.ray_session import cluster_address, ray_session
from emosense.ray_session.cpus import usable_cpus

# Starting Ray takes as long as labelling some 1,150 short recordings per core. From this number on, that is a small
# part of the run. On one machine Ray is never faster than worker processes alone (docs/performance.md).
MIN_RECORDINGS_PER_CORE_FOR_RAY: Final = 20_000
# Starting a worker costs as much as some 100 short recordings.
_MIN_RECORDINGS_PER_WORKER: Final = 100
CHUNK_SIZES: Final = (8, MOST_RECORDINGS)
_CHUNKS_PER_WORKER: Final = 50


@dataclasses.dataclass(frozen=True, slots=True)
class ChosenEngine:
    """An engine that is ready to run.

    Parameters
    ----------
    name : str
        ``local`` or ``ray``.
    engine : Engine
        Gives the parts that its workers have written.
    chunk_size : int
        Recordings per chunk.
    """

    name: str
    engine: Engine[KeptChunk]
    chunk_size: int


@contextlib.contextmanager
def open_engine(
    job: LabelJob,
    spec: LabelSpec,
    writer: ChunkWriter,
    n_pending: int,
    on_position: Callable[[float], None] = lambda _: None,
) -> Iterator[ChosenEngine]:
    """Choose an engine, start Ray if it needs that, and end it after the block.

    Parameters
    ----------
    job : LabelJob
    spec : LabelSpec
    writer : ChunkWriter
        What a worker does with a chunk.
    n_pending : int
        Recordings to label, at least 1.
    on_position : callable, optional
        Told how many seconds of a long recording are labelled, where a single worker labels one after the other.

    Yields
    ------
    ChosenEngine
    """
    address = cluster_address(job.address)
    n_cores = usable_cpus()
    is_large = n_pending >= MIN_RECORDINGS_PER_CORE_FOR_RAY * (job.n_workers or n_cores)
    if job.engine == "ray" or (job.engine == "auto" and (address or is_large)):
        with ray_session(address, job.n_workers) as n_cpus:
            chunk_size = _chunk_size(n_pending, job.n_workers or n_cpus)
            n_chunks = -(-n_pending // chunk_size)
            yield ChosenEngine("ray", RayEngine(spec, writer, job.n_workers, n_chunks), chunk_size)
        return
    n_workers = job.n_workers or max(1, min(n_cores, n_pending // _MIN_RECORDINGS_PER_WORKER))
    open_worker = (
        functools.partial(SubprocessLabeller, on_position=on_position) if n_workers == 1 else SubprocessLabeller
    )
    yield ChosenEngine("local", LocalEngine(spec, writer, n_workers, open_worker), _chunk_size(n_pending, n_workers))


def _chunk_size(n_pending: int, n_workers: int) -> int:
    low, high = CHUNK_SIZES
    return min(max(n_pending // (n_workers * _CHUNKS_PER_WORKER), low), high)
