"""What a training tells of its epochs while it runs, and who listens (`epoch_lines`, `epoch_logs`)."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from emosense.training.pace import FirstSteps


@dataclasses.dataclass(frozen=True, slots=True)
class Epoch:
    """One epoch of one network.

    Parameters
    ----------
    network : str
        Names the network among those that are trained together, such as ``lj5-1, seed 0``.
    number, n_epochs : int
        Number of epochs that are done, and of all.
    figures : mapping of str to float
        Such as ``train_loss`` and ``validation_uar``; see `emosense.training.trained_network.EpochResult`.
    share_done : float
        Share of the network's training that is done, in [0, 1]; later epochs may take longer than the first.
    """

    network: str
    number: int
    n_epochs: int
    figures: Mapping[str, float]
    share_done: float


@dataclasses.dataclass(frozen=True, slots=True)
class Estimate:
    """How long a network will take, said after its first steps.

    Parameters
    ----------
    network : str
        See `Epoch`.
    n_epochs : int
        Number of its epochs.
    training_s : float
        Seconds from the start of its training to the end.
    share_left : float
        The share of its training that this is, in (0, 1]; below 1 where it resumes.
    is_most : bool
        Whether it may stop before its last epoch.
    """

    network: str
    n_epochs: int
    training_s: float
    share_left: float = 1.0
    is_most: bool = False


# Receives the number of epochs that are done, the number of all, and the figures of the last one; see `Epoch`.
OnEpoch = Callable[[int, int, Mapping[str, float]], None]


class EpochListener(Protocol):
    """Receives the epochs of all networks of a job, in the order in which they end."""

    def stage_begins(self, n_kept: int, n_at_once: int) -> None:
        """Take note that networks are about to be trained.

        Parameters
        ----------
        n_kept : int
            How many of the job's networks need no training, as they are kept from before.
        n_at_once : int
            How many are trained at the same time.
        """
        ...

    def time_estimated(self, estimate: Estimate) -> None:
        """Take note of how long a network will take.

        Parameters
        ----------
        estimate : Estimate
            The network and its time.
        """
        ...

    def epoch_done(self, epoch: Epoch) -> None:
        """Take note of an epoch.

        Parameters
        ----------
        epoch : Epoch
            The epoch and its figures.
        """
        ...

    def close(self) -> None:
        """Write what is not yet written; no epoch follows."""
        ...


class EqualEpochs:
    """The epochs of a network that all take the same time and may end early, with an estimate after the first ones.

    Parameters
    ----------
    network : str
        See `Epoch`.
    epoch_done, time_estimated : callable
        Receive the epochs and the estimate, as an `EpochListener` does.
    clock : callable
        Returns seconds.
    """

    def __init__(
        self,
        network: str,
        epoch_done: Callable[[Epoch], None],
        time_estimated: Callable[[Estimate], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._network, self._epoch_done, self._time_estimated = network, epoch_done, time_estimated
        self._pace, self._n_epochs = FirstSteps(self._estimate, clock=clock), 0

    def __call__(self, number: int, n_epochs: int, figures: Mapping[str, float]) -> None:
        """Take note of an epoch: an `OnEpoch`.

        Parameters
        ----------
        number, n_epochs, figures
            See `Epoch`.
        """
        self._n_epochs = n_epochs
        self._epoch_done(Epoch(self._network, number, n_epochs, figures, number / n_epochs))
        self._pace.step_done()

    def _estimate(self, first_s: float, epoch_s: float) -> None:
        training_s = first_s + (self._n_epochs - 1) * epoch_s
        self._time_estimated(Estimate(self._network, self._n_epochs, training_s, is_most=True))


class Listeners(EpochListener):
    """Several listeners as one.

    Parameters
    ----------
    listeners : iterable of EpochListener
        Each receives every epoch.
    """

    def __init__(self, listeners: Iterable[EpochListener]) -> None:
        self._listeners = tuple(listeners)

    def stage_begins(self, n_kept: int, n_at_once: int) -> None:
        """Pass it on."""
        for listener in self._listeners:
            listener.stage_begins(n_kept, n_at_once)

    def time_estimated(self, estimate: Estimate) -> None:
        """Pass the estimate on."""
        for listener in self._listeners:
            listener.time_estimated(estimate)

    def epoch_done(self, epoch: Epoch) -> None:
        """Pass the epoch on."""
        for listener in self._listeners:
            listener.epoch_done(epoch)

    def close(self) -> None:
        """Close all."""
        for listener in self._listeners:
            listener.close()
