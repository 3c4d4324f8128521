"""What trainings tell, on its way from Ray tasks and workers to the driver: a mailbox, and a thread that reads it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any, Final

from emosense.training.cnn_settings import StepsConfig
from emosense.training.epochs import Epoch, EpochListener, EqualEpochs, Estimate
from emosense.training.gradient_descent.pace import share_done
from emosense.training.trained_network import EpochResult

_READ_EVERY_S: Final = 0.5
_ANSWER_S: Final = 10.0


class _Mailbox:
    """An actor that holds epochs and estimates until the driver collects them."""

    def __init__(self) -> None:
        self._kept: list[Epoch | Estimate] = []

    def put(self, news: Epoch | Estimate) -> None:
        self._kept.append(news)

    def wait(self) -> None:
        """Do nothing: whoever gets an answer knows that what was put before is kept."""

    def take(self) -> list[Epoch | Estimate]:
        taken, self._kept = self._kept, []
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
        For `Reporter`, in tasks and workers.
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
        taken = ray.get(mailbox.take.remote(), timeout=_ANSWER_S)
    except ray.exceptions.RayError:
        return
    for news in taken:
        if isinstance(news, Epoch):
            listener.epoch_done(news)
        else:
            listener.time_estimated(news)


class Reporter:
    """Reports how a training goes; it waits for the mailbox only at the end.

    Parameters
    ----------
    mailbox : ray.actor.ActorHandle
        What `listening` gave.
    network : str
        See `Epoch`.
    """

    def __init__(self, mailbox: Any, network: str) -> None:
        self._mailbox, self._network = mailbox, network

    def equal_epochs(self) -> EqualEpochs:
        """Return what reports a training that begins now and is not one of gradient steps.

        Returns
        -------
        EqualEpochs
        """
        return EqualEpochs(self._network, self._mailbox.put.remote, self._mailbox.put.remote)

    def wait(self) -> None:
        """Wait a few seconds at most until all is in the mailbox: the lines of a short training would be lost."""
        import ray

        with contextlib.suppress(ray.exceptions.RayError):
            ray.get(self._mailbox.wait.remote(), timeout=_ANSWER_S)

    def steps_done(self, config: StepsConfig, result: EpochResult) -> None:
        """Report an epoch of gradient steps.

        Parameters
        ----------
        config : CnnConfig or TuningConfig
            Settings of the training.
        result : EpochResult
            Its figures.
        """
        figures = {name: value for name, value in result.record().items() if name != "epoch"}
        share = share_done(config, result.epoch)
        self._mailbox.put.remote(Epoch(self._network, result.epoch, config.epochs, figures, share))

    def time_estimated(self, config: StepsConfig, training_s: float, share_left: float) -> None:
        """Report how long a training by gradient steps will take.

        Parameters
        ----------
        config : CnnConfig or TuningConfig
            Settings of the training.
        training_s, share_left : float
            See `Estimate`.
        """
        self._mailbox.put.remote(Estimate(self._network, config.epochs, training_s, share_left))
