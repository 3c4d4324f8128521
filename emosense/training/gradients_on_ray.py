"""All-reduce for data-parallel workers: the actor that combines their arrays, and the worker's side of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = list[NDArray[Any]]


class AllReduceActor:
    """Combines what the workers send in each step; an asyncio actor, so that all of them can wait in it.

    Parameters
    ----------
    n_workers : int
        Number of workers that take part in every step.
    """

    def __init__(self, n_workers: int) -> None:
        self._n_workers = n_workers
        self._received: dict[int, dict[int, Any]] = {}
        self._results: dict[int, asyncio.Future[Any]] = {}

    async def mean(self, step: int, rank: int, arrays: Arrays) -> Arrays:
        """Return the mean over all workers of the arrays that they send in this step.

        Parameters
        ----------
        step : int
            Number of the step, the same on all workers.
        rank : int
            Rank of the calling worker.
        arrays : list of ndarray
            The same shapes on all workers.

        Returns
        -------
        list of ndarray
            Equal to the last bit on all workers.
        """
        means: Arrays = await self._meet(step, rank, arrays, _mean)
        return means

    async def gather(self, step: int, rank: int, item: str) -> list[str]:
        """Return the texts that all workers send in this step.

        Parameters
        ----------
        step : int
            Number of the step, the same on all workers.
        rank : int
            Rank of the calling worker.
        item : str
            Text of this worker.

        Returns
        -------
        list of str
            In order of rank.
        """
        items: list[str] = await self._meet(step, rank, item, list)
        return items

    async def _meet(self, step: int, rank: int, item: Any, combine: Callable[[list[Any]], Any]) -> Any:
        future = self._results.setdefault(step, asyncio.get_running_loop().create_future())
        received = self._received.setdefault(step, {})
        received[rank] = item
        if len(received) == self._n_workers:
            # In order of rank, not of arrival: the last bit of a float sum depends on the order.
            future.set_result(combine([received[worker] for worker in range(self._n_workers)]))
            # The workers that wait keep the future alive.
            del self._received[step], self._results[step]
        return await future


def _mean(columns: list[Arrays]) -> Arrays:
    return [np.sum(arrays, axis=0) / np.float32(len(columns)) for arrays in zip(*columns, strict=True)]


class ActorAllReduce:
    """The worker's side of `AllReduceActor`; satisfies `emosense.training.cnn_steps.AllReduce`.

    Parameters
    ----------
    actor : ray.actor.ActorHandle
        The `AllReduceActor` of all workers.
    rank : int
        Rank of this worker.
    n_workers : int
        Number of workers.
    """

    def __init__(self, actor: Any, rank: int, n_workers: int) -> None:
        self._actor, self.rank, self.n_workers = actor, rank, n_workers
        self._step = 0

    def mean(self, arrays: Arrays) -> Arrays:
        """Return the mean over all workers; every worker must call this the same number of times.

        Parameters
        ----------
        arrays : list of ndarray
            The same shapes on all workers.

        Returns
        -------
        list of ndarray
            Equal to the last bit on all workers.
        """
        import ray

        self._step += 1
        means: Arrays = ray.get(self._actor.mean.remote(self._step, self.rank, arrays))
        return means

    def gather(self, text: str) -> list[str]:
        """Return the texts of all workers; every worker must call this the same number of times.

        Parameters
        ----------
        text : str
            Text of this worker.

        Returns
        -------
        list of str
            In order of rank.
        """
        import ray

        self._step += 1
        texts: list[str] = ray.get(self._actor.gather.remote(self._step, self.rank, text))
        return texts
