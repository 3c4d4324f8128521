"""Work on storage, in several threads at a time: one thread receives what they find, and may add more work."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Final, Generic, TypeVar

Task = TypeVar("Task")
Item = TypeVar("Item")

# Items that wait to be taken, such as pages of 600 kB.
_ITEMS_AHEAD: Final = 16


class SideBySide(Generic[Task, Item]):
    """Threads that work on tasks, the last one first.

    Parameters
    ----------
    work : callable
        Takes a task and yields items; called in a thread.
    n_threads : int
        Tasks at a time, at least 1.
    """

    def __init__(self, work: Callable[[Task], Iterator[Item]], n_threads: int) -> None:
        self._work, self._n_threads, self._n_open = work, n_threads, 0
        self._tasks: queue.LifoQueue[tuple[Task] | None] = queue.LifoQueue()
        self._items: queue.Queue[tuple[Task, Item] | BaseException | None] = queue.Queue(max(_ITEMS_AHEAD, n_threads))
        self._stopped = threading.Event()

    def put(self, task: Task) -> None:
        """Add a task; while iterating, too.

        Parameters
        ----------
        task : object
        """
        self._n_open += 1
        self._tasks.put((task,))

    def __iter__(self) -> Iterator[tuple[Task, Item]]:
        """Yield each item with its task until no task is left; what a task raises is raised here."""
        for _ in range(self._n_threads):
            threading.Thread(target=self._run, daemon=True).start()
        try:
            while self._n_open:
                got = self._items.get()
                if isinstance(got, BaseException):
                    raise got
                if got is None:
                    self._n_open -= 1
                else:
                    yield got
        finally:
            self._stopped.set()
            for _ in range(self._n_threads):
                self._tasks.put(None)
            # No thread may be left waiting for room: each has at most one more item.
            while not self._items.empty():
                self._items.get()

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            try:
                for item in self._work(task[0]):
                    self._items.put((task[0], item))
                    if self._stopped.is_set():
                        return
                self._items.put(None)
            except BaseException as err:  # noqa: BLE001 - passed to the thread that waits for it, which raises it
                self._items.put(err)
