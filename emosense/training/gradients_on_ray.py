"""Data-parallel workers all_reduce their gradients: an actor at which they meet, and the worker's side of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = list[NDArray[Any]]


class AllReduceActor:
    """Where the workers wait for each other, step by step; an asyncio actor, so that all of them can wait in it."""

    def __init__(self, n_workers: int) -> None:
        self._n_workers = n_workers
        self._brought: dict[int, dict[int, Any]] = {}
        self._results: dict[int, asyncio.Future[Any]] = {}

    async def mean(self, step: int, rank: int, arrays: Arrays) -> Arrays:
        """Return the mean over all workers of the arrays that they bring for this step."""
        means: Arrays = await self._meet(step, rank, arrays, _mean)
        return means

    async def gather(self, step: int, rank: int, item: str) -> list[str]:
        """Return what all workers bring, in order of rank."""
        items: list[str] = await self._meet(step, rank, item, list)
        return items

    async def _meet(self, step: int, rank: int, item: Any, combine: Callable[[list[Any]], Any]) -> Any:
        future = self._results.setdefault(step, asyncio.get_running_loop().create_future())
        brought = self._brought.setdefault(step, {})
        brought[rank] = item
        if len(brought) == self._n_workers:
            # Combined in order of rank, whoever came first: the order of a float sum decides its last bit.
            future.set_result(combine([brought[worker] for worker in range(self._n_workers)]))
            # Those who wait hold the future themselves.
            del self._brought[step], self._results[step]
        return await future


def _mean(columns: list[Arrays]) -> Arrays:
    return [np.sum(arrays, axis=0) / np.float32(len(columns)) for arrays in zip(*columns, strict=True)]


class ActorAllReduce:
    """The worker's side of `AllReduceActor`; satisfies `emosense.training.cnn.AllReduce`."""

    def __init__(self, actor: Any, rank: int, n_workers: int) -> None:
        self._actor, self.rank, self.n_workers = actor, rank, n_workers
        self._step = 0

    def mean(self, arrays: Arrays) -> Arrays:
        """Return the mean over all workers; every worker calls this the same number of times."""
        import ray

        self._step += 1
        means: Arrays = ray.get(self._actor.mean.remote(self._step, self.rank, arrays))
        return means

    def gather(self, text: str) -> list[str]:
        """Return the texts of all workers, in order of rank."""
        import ray

        self._step += 1
        texts: list[str] = ray.get(self._actor.gather.remote(self._step, self.rank, text))
        return texts
