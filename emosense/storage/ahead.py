"""Many files read one after the other, while the next ones are fetched in other threads."""

from __future__ import annotations

import collections
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

T = TypeVar("T")
K = TypeVar("K")
# A GET of 50 ms on object storage then costs 3 ms; on a disk, more would only take memory.
_N_AHEAD: Final = {True: 16, False: 4}


def read_ahead(keys: Iterable[K], read: Callable[[K], T], *, is_remote: bool) -> Generator[tuple[K, T], None, None]:
    """Read things in order, several at a time.

    Parameters
    ----------
    keys : iterable
        What to read; drawn a few ahead of what is yielded.
    read : callable
        Reads one of them, in another thread.
    is_remote : bool
        Whether each waits for a server.

    Yields
    ------
    key, content : tuple
        In the order of the keys. What `read` raises is raised here, in its turn.
    """
    n_ahead = _N_AHEAD[is_remote]
    waiting: collections.deque[tuple[K, Future[T]]] = collections.deque()
    pool = ThreadPoolExecutor(n_ahead, "emosense-read")
    try:
        for key in keys:
            waiting.append((key, pool.submit(read, key)))
            if len(waiting) > n_ahead:
                first, future = waiting.popleft()
                yield first, future.result()
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
