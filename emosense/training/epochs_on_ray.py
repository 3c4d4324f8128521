"""Epochs on their way from Ray tasks and workers to the driver: a mailbox, and a thread that reads it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

from emosense.training.epochs import Epoch, EpochListener
from emosense.training.gradient_training import EpochResult

_READ_EVERY_S: Final = 0.5
_ANSWER_S: Final = 10.0


class _Mailbox:
    """An actor that keeps epochs until the driver takes them."""

    def __init__(self) -> None:
        self._epochs: list[Epoch] = []

    def put(self, epoch: Epoch) -> None:
        self._epochs.append(epoch)

    def take(self) -> list[Epoch]:
        taken, self._epochs = self._epochs, []
        return taken


@contextlib.contextmanager
def listening(listener: EpochListener) -> Iterator[Any]:
    """Pass the epochs that tasks and workers report to a listener, in a thread of its own.

    Parameters
    ----------
    listener : EpochListener
        Is called in one thread at a time.

    Yields
    ------
    ray.actor.ActorHandle
        For `reporter`, in tasks and workers.
    """
    import ray

    mailbox = ray.remote(num_cpus=0)(_Mailbox).remote()
    is_over = threading.Event()

    def read() -> None:
        while not is_over.wait(_READ_EVERY_S):
            _deliver(mailbox, listener)

    thread = threading.Thread(target=read, name="epochs", daemon=True)
    thread.start()
    try:
        yield mailbox
    finally:
        is_over.set()
        thread.join(_ANSWER_S + 1)
        _deliver(mailbox, listener)
        ray.kill(mailbox)


def _deliver(mailbox: Any, listener: EpochListener) -> None:
    """Pass on what the mailbox has; a mailbox that does not answer costs lines, not the training."""
    import ray

    try:
        epochs = ray.get(mailbox.take.remote(), timeout=_ANSWER_S)
    except ray.exceptions.RayError:
        return
    for epoch in epochs:
        listener.epoch_done(epoch)


def reporter(mailbox: Any, network: str, n_epochs: int) -> Callable[[EpochResult], None]:
    """Return what reports the epochs of a network; it does not wait for the mailbox.

    Parameters
    ----------
    mailbox : ray.actor.ActorHandle
        What `listening` gave.
    network : str
        See `Epoch`.
    n_epochs : int
        Number of epochs of the training.

    Returns
    -------
    callable
        Takes the `EpochResult` of each epoch.
    """

    def report(result: EpochResult) -> None:
        figures = {name: value for name, value in result.record().items() if name != "epoch"}
        mailbox.put.remote(Epoch(network, result.epoch, n_epochs, figures))

    return report
