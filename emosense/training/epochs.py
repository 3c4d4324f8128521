"""What a training tells of its epochs while it runs, and who listens: lines with the time left, TensorBoard, MLflow."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from emosense.progress import Progress, duration_text, plural


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
        Such as ``train_loss`` and ``validation_uar``; see `emosense.training.gradient_training.EpochResult`.
    """

    network: str
    number: int
    n_epochs: int
    figures: Mapping[str, float]


class EpochListener(Protocol):
    """Receives the epochs of all networks of a job, in the order in which they end."""

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


class EpochLines(EpochListener):
    """A line for each epoch, with the time that is left for all networks.

    Parameters
    ----------
    progress : Progress
        Receives the lines.
    n_networks : int
        Number of networks that are trained.
    clock : callable
        Returns seconds.
    """

    def __init__(self, progress: Progress, n_networks: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._progress, self._n_networks, self._clock = progress, n_networks, clock
        self._left: dict[str, int] = {}
        self._n_timed, self._start_s = 0, 0.0
        self._is_announced = False

    def epoch_done(self, epoch: Epoch) -> None:
        """Print the line; once it is known how long an epoch takes, say first how long all will take."""
        is_first = epoch.network not in self._left
        self._left[epoch.network] = epoch.n_epochs - epoch.number
        left_s = self._time_left(epoch, is_first)
        if left_s is not None and not self._is_announced:
            self._is_announced = True
            self._progress.message(f"about {duration_text(left_s)} for {plural(self._n_networks, 'network')}")
        left = "" if left_s is None else f", {duration_text(left_s)} left"
        figures = figures_text(epoch.figures)
        self._progress.message(f"{epoch.network}: epoch {epoch.number} of {epoch.n_epochs}: {figures}{left}")

    def _time_left(self, epoch: Epoch, is_first: bool) -> float | None:
        now_s = self._clock()
        if is_first and not self._n_timed:
            # The first epoch traces functions, so it says nothing about the others.
            self._start_s = now_s
            return None
        self._n_timed += 1
        n_left = sum(self._left.values()) + (self._n_networks - len(self._left)) * epoch.n_epochs
        return n_left * (now_s - self._start_s) / self._n_timed

    def close(self) -> None:
        """Do nothing: every line is printed at once."""


class Listeners(EpochListener):
    """Several listeners as one.

    Parameters
    ----------
    listeners : iterable of EpochListener
        Each receives every epoch.
    """

    def __init__(self, listeners: Iterable[EpochListener]) -> None:
        self._listeners = tuple(listeners)

    def epoch_done(self, epoch: Epoch) -> None:
        """Pass the epoch on."""
        for listener in self._listeners:
            listener.epoch_done(epoch)

    def close(self) -> None:
        """Close all."""
        for listener in self._listeners:
            listener.close()


def figures_text(figures: Mapping[str, float]) -> str:
    """Format the figures of an epoch.

    Parameters
    ----------
    figures : mapping of str to float
        See `Epoch`.

    Returns
    -------
    str
        Such as ``loss 1.203, accuracy 55.1 %, UAR on other speakers 48.9 %``.
    """
    parts = [f"loss {figures['train_loss']:.3f}"]
    if "train_accuracy" in figures:
        parts.append(f"accuracy {figures['train_accuracy']:.1%}".replace("%", " %"))
    if "validation_uar" in figures:
        parts.append(f"UAR on other speakers {figures['validation_uar']:.1%}".replace("%", " %"))
    return ", ".join(parts)
