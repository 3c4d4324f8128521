"""Stretches of the list of recordings, which engines give to workers, and what a worker makes of one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

from emosense.inputs.recording import Listed, Recording
from emosense.labelling.labelled import Labelled
from emosense.labelling.subprocess_labeller import SubprocessLabeller

T = TypeVar("T")
# A chunk ends with so many bytes of recordings: some 40 minutes of CD audio, or days of telephone calls.
_MOST_BYTES: Final = 1 << 28
# What a recording counts whose size the list does not have.
_UNKNOWN_BYTES: Final = 1 << 20
# What is done with one chunk, where it is labelled: takes the labeller of the worker, the chunk, and a callable that
# says whether the run is being stopped. A run keeps the rows there and gives counts (`ChunkWriter`).
Work = Callable[[SubprocessLabeller, "Chunk", Callable[[], bool]], T]


@dataclasses.dataclass(frozen=True, slots=True)
class Chunk:
    """A stretch of the list of recordings.

    Parameters
    ----------
    index : int
        Its place in the list, >= 0.
    listed : list of (bytes, bytes, int, str, str)
        The recordings, as the list holds them.
    """

    index: int
    listed: list[Listed]

    @property
    def recordings(self) -> list[Recording]:
        """The recordings, made where they are needed."""
        return list(map(Recording.of_listed, self.listed))


@dataclasses.dataclass(frozen=True, slots=True)
class LabelledChunk:
    """The results of a chunk.

    Parameters
    ----------
    chunk : Chunk
    labelled : list of Labelled
        One per recording, in order; fewer if the engine was stopped.
    """

    chunk: Chunk
    labelled: list[Labelled]


def chunked(listed: Iterable[Listed], size: int) -> Iterator[Chunk]:
    """Cut a stream of recordings into chunks, which end early where recordings are long: all rows are held at once.

    Parameters
    ----------
    listed : iterable of (bytes, bytes, int, str, str)
        Recordings, as the list holds them.
    size : int
        Recordings per chunk, at least 1; the last chunk may have fewer.

    Yields
    ------
    Chunk
    """
    index, n_bytes = 0, 0
    stretch: list[Listed] = []
    for each in listed:
        stretch.append(each)
        n_bytes += each[2] if each[2] >= 0 else _UNKNOWN_BYTES
        if len(stretch) == size or n_bytes >= _MOST_BYTES:
            yield Chunk(index, stretch)
            index, n_bytes, stretch = index + 1, 0, []
    if stretch:
        yield Chunk(index, stretch)


def label_chunk(labeller: SubprocessLabeller, chunk: Chunk, is_stopped: Callable[[], bool]) -> LabelledChunk:
    """Label a chunk and give its rows: the `Work` of callers that keep them in memory.

    Parameters
    ----------
    labeller : SubprocessLabeller
    chunk : Chunk
    is_stopped : callable
        Asked after each recording; once it returns True, the others are left out.

    Returns
    -------
    LabelledChunk
    """
    labelled = []
    for result in labeller.label_batch(chunk.recordings):
        labelled.append(result)
        if is_stopped():
            break
    return LabelledChunk(chunk, labelled)
