"""Stretches of the list of recordings, which engines give to workers, and what a worker makes of one."""

from __future__ import annotations

import dataclasses
import itertools
import operator
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

from emosense.inputs.recording import Listed, Recording
from emosense.labelling.labelled import Labelled
from emosense.labelling.subprocess_labeller import SubprocessLabeller
from emosense.storage.schemes import is_url

T = TypeVar("T")
# The driver has some 1.5 ms of work for a chunk, however many recordings it has; a lost worker loses what it labels.
MOST_RECORDINGS: Final = 2048
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
    listed : list of (bytes, bytes or None, int, str, str)
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

    What a worker can fetch only from its beginning stays together up to `MOST_RECORDINGS`: a compressed archive of a
    store, and a row group of a table there.

    Parameters
    ----------
    listed : iterable of (bytes, bytes or None, int, str, str)
        Recordings, as the list holds them.
    size : int
        Recordings per chunk, at least 1; the last chunk may have fewer, and one that stays together more.

    Yields
    ------
    Chunk
    """
    source, index, left = iter(listed), 0, list[Listed]()
    while stretch := left + list(itertools.islice(source, max(0, size - len(left)))):
        rest, behind = _rest_of_archive(stretch, source)
        stretch += rest
        length = _length(stretch)
        stretch += behind
        yield Chunk(index, stretch[:length])
        index, left = index + 1, stretch[length:]


def _rest_of_archive(stretch: list[Listed], source: Iterator[Listed]) -> tuple[list[Listed], list[Listed]]:
    """Draw the members that belong together with the last of a stretch, and what had to be drawn behind them."""
    unit, rest = _unit(stretch[-1]), list[Listed]()
    if unit is not None and is_url(os.fsdecode(unit[0])):
        for each in itertools.islice(source, max(0, MOST_RECORDINGS - len(stretch))):
            if _unit(each) != unit:
                return rest, [each]
            rest.append(each)
    return rest, []


def _unit(listed: Listed) -> tuple[bytes, str] | None:
    """Return what a recording can be fetched from only from its beginning, if there is such a thing."""
    kind, _, rest = listed[4].partition(":")
    location = listed[1] or listed[0]
    if kind == "row":
        return location, rest.partition(":")[0]
    return (location, "") if kind == "unpacked" else None


def _length(stretch: list[Listed]) -> int:
    """Return how many recordings make a chunk; the sum of their sizes tells mostly that all do."""
    sizes = list(map(operator.itemgetter(2), stretch))
    if sum(sizes) + sizes.count(-1) * (_UNKNOWN_BYTES + 1) < _MOST_BYTES:
        return len(sizes)
    known = (size if size >= 0 else _UNKNOWN_BYTES for size in sizes)
    ends = enumerate(itertools.accumulate(known), 1)
    return next((length for length, n_bytes in ends if n_bytes >= _MOST_BYTES), len(sizes))


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
