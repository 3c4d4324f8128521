"""Parts, each in order of path -> stretches in order of path that do not overlap: nearly all of them are one part."""

from __future__ import annotations

import dataclasses
import heapq
import itertools
import os
from collections.abc import Callable, Iterable, Iterator

from emosense.labelling.run.finished import Finished
from emosense.labelling.run.part_content import PartFile
from emosense.labelling.run.part_file import KeptPart

# Path, generation and number of the part, place in the heap, what comes next, what follows.
_Heap = list[tuple[bytes, tuple[int, int], int, Finished, Iterator[Finished]]]


@dataclasses.dataclass(frozen=True, slots=True)
class Stretch:
    """Finished work between two paths, which no other stretch overlaps.

    Parameters
    ----------
    first, last : str
        Paths of its first and last recording.
    part : PartFile or None
        The part that it is; None if several overlap.
    finished : iterator of Finished
        Its recordings, in order of path; of two results for one path the newer comes last.
    """

    first: str
    last: str
    part: PartFile | None
    finished: Iterator[Finished]


def stretches(
    parts: Iterable[KeptPart],
    opened: Callable[[list[str]], Iterator[tuple[str, PartFile]]],
    own_emotions: tuple[str, ...],
) -> Iterator[Stretch]:
    """Read parts in order of path.

    Parameters
    ----------
    parts : iterable of KeptPart
    opened : callable
        Takes names of parts, and gives those that can be read with their content, in this order.
    own_emotions : tuple of str
        Emotions of the model beside `EMOTIONS`.

    Yields
    ------
    Stretch
        Its `finished` is read before the next one is asked for, or not at all if it is one part.
    """
    groups: list[list[KeptPart]] = []
    group_of: dict[str, int] = {}
    end = b""
    for part in sorted(parts, key=lambda part: os.fsencode(part.first)):
        if not groups or os.fsencode(part.first) > end:
            groups.append([])
        groups[-1].append(part)
        group_of[part.name] = len(groups) - 1
        end = max(end, os.fsencode(part.last))
    for number, named in itertools.groupby(opened(list(group_of)), key=lambda pair: group_of[pair[0]]):
        group, files = groups[number], (file for _, file in named)
        last = max((part.last for part in group), key=os.fsencode)
        if len(group) > 1:
            yield Stretch(group[0].first, last, None, _merged(files, own_emotions))
        for file in files if len(group) == 1 else ():
            yield Stretch(group[0].first, last, file, _entries(file, own_emotions))


def _entries(file: PartFile, own_emotions: tuple[str, ...]) -> Iterator[Finished]:
    yield from file.finished(own_emotions)


def _merged(files: Iterable[PartFile], own_emotions: tuple[str, ...]) -> Iterator[Finished]:
    """Merge parts that overlap, given in order of their first paths."""
    heap: _Heap = []
    for number, file in enumerate(files):
        entries = _entries(file, own_emotions)
        first = next(entries)
        key = os.fsencode(first.path)
        yield from _before(key, heap)
        heapq.heappush(heap, (key, (file.generation, file.index), number, first, entries))
    yield from _before(None, heap)


def _before(key: bytes | None, heap: _Heap) -> Iterator[Finished]:
    """Yield what comes before a path, or all that is left."""
    while heap and (key is None or heap[0][0] < key):
        _, order, number, entry, entries = heap[0]
        yield entry
        following = next(entries, None)
        if following is None:
            heapq.heappop(heap)
        else:
            heapq.heapreplace(heap, (os.fsencode(following.path), order, number, following, entries))
