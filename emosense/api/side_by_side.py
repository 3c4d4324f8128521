"""Paths of recordings -> their results in the order of the paths, from worker processes that work side by side."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable, Sized
from typing import Final

from emosense.api.idle_workers import IdleWorkers
from emosense.api.progress_bar import progress_bar
from emosense.api.recordings import Path, recording_at
from emosense.labelling.chunks import chunked, label_chunk
from emosense.labelling.config import LabelSpec
from emosense.labelling.engines import LocalEngine
from emosense.labelling.labelled import Labelled

# Few, so that the first rows come soon; a chunk costs only an entry in a queue.
_CHUNK_SIZE: Final = 8


def labelled_in_order(
    spec: LabelSpec, paths: Iterable[Path], workers: IdleWorkers, n_workers: int, progress: bool
) -> Generator[Labelled, None, None]:
    """Label recordings side by side.

    Parameters
    ----------
    spec : LabelSpec
        What the workers need.
    paths : iterable of str or path-like
        Recordings, local or by URL.
    workers : IdleWorkers
        Lends the workers.
    n_workers : int
        How many work at a time, at least 1.
    progress : bool
        Show a progress bar.

    Yields
    ------
    Labelled
        One per path, in the order of the paths.
    """
    engine = LocalEngine(spec, label_chunk, n_workers, workers.lend)
    waiting: dict[int, list[Labelled]] = {}
    next_index = 0
    total = len(paths) if isinstance(paths, Sized) else None
    chunks = chunked((recording_at(path).listed for path in paths), _CHUNK_SIZE)
    with progress_bar(total, progress) as advance, contextlib.closing(engine.run(chunks)) as results:
        for done in results:  # in any order
            waiting[done.chunk.index] = done.labelled
            advance(len(done.labelled))
            while next_index in waiting:
                yield from waiting.pop(next_index)
                next_index += 1
