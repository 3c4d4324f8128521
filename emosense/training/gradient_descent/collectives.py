"""Sums over the workers of a data-parallel training, by TensorFlow's own all-reduce: NCCL on GPUs, rings on CPUs.

`MultiWorkerMirroredStrategy` connects the workers, which find each other in the variable TF_CONFIG. Only the collective
operations are the strategy's: each worker has a model of its own, whose weights stay equal to the last bit because
every worker applies the same sum to them. Keras 3's `model.fit` fails under this strategy (ray issue 47464).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from emosense.arrays import Float32

# The other workers wait while the first measures its validation recordings, and when one is lost.
_TIMEOUT_S: Final = 900.0


class Alone:
    """The only worker: every sum is its own."""

    rank, n_workers = 0, 1

    def sum(self, values: Sequence[Any]) -> list[Any]:
        """Return the values.

        Parameters
        ----------
        values : sequence of tensor
            Anything.

        Returns
        -------
        list of tensor
            The same.
        """
        return list(values)

    def gather(self, text: str) -> list[str]:
        """Return the text.

        Parameters
        ----------
        text : str
            Anything.

        Returns
        -------
        list of str
            The text alone.
        """
        return [text]


class Workers:
    """One of several workers; connects to the others when it is made."""

    def __init__(self) -> None:
        import tensorflow as tf

        self._options = tf.distribute.experimental.CommunicationOptions(timeout_seconds=_TIMEOUT_S)
        self._strategy = tf.distribute.MultiWorkerMirroredStrategy(communication_options=self._options)
        self.rank: int = self._strategy.cluster_resolver.task_id
        self.n_workers: int = self._strategy.num_replicas_in_sync
        self._gather = tf.function(self._gathered, input_signature=[tf.TensorSpec((1, None), tf.int32)])

    def sum(self, values: Sequence[Any]) -> list[Any]:
        """Return the sums over all workers; every worker must call this the same number of times, in a `tf.function`.

        Parameters
        ----------
        values : sequence of tensor
            The same shapes on all workers.

        Returns
        -------
        list of tensor
            Equal to the last bit on all workers.
        """
        import tensorflow as tf

        def run(*parts: Any) -> Any:
            # The copies lie on the worker's own device, which the strategy asks for.
            return tf.distribute.get_replica_context().all_reduce("SUM", [*map(tf.identity, parts)], self._options)

        return list(self._strategy.run(run, args=tuple(values)))

    def gather(self, text: str) -> list[str]:
        """Return the texts of all workers; every worker must call this the same number of times.

        Parameters
        ----------
        text : str
            ASCII, of the same length on all workers.

        Returns
        -------
        list of str
            In order of rank.
        """
        # As int32: TensorFlow gathers no bytes.
        rows = self._gather(np.array([[*text.encode("ascii")]], np.int32)).numpy()
        return [bytes(row.tolist()).decode("ascii") for row in rows]

    def _gathered(self, row: Any) -> Any:
        import tensorflow as tf

        def run(part: Any) -> Any:
            return tf.distribute.get_replica_context().all_gather(tf.identity(part), 0, self._options)

        return self._strategy.run(run, args=(row,))


def digest(arrays: Sequence[Float32]) -> str:
    """Return a digest of weights, to compare those of several workers.

    Parameters
    ----------
    arrays : sequence of ndarray
        In the same order on all workers.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    found = hashlib.sha256()
    for array in arrays:
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()
