"""Epochs for a person: lines with figures and the time that is left."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping

from emosense.progress import Progress, duration_text, plural
from emosense.training.epochs import Epoch, EpochListener, Estimate


class EpochLines(EpochListener):
    """A line that says how long all networks will take, and one for each epoch, with the time that is left.

    Parameters
    ----------
    progress : Progress
        Receives the lines.
    n_networks : int
        Number of networks of the job.
    clock : callable
        Returns seconds.
    """

    def __init__(self, progress: Progress, n_networks: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._progress, self._n_networks, self._clock = progress, n_networks, clock
        self._n_at_once = 1
        self._done: dict[str, float] = {}
        # When the first epochs ended, and how much was done then; whether a second epoch has ended since; seconds that
        # a whole network was first estimated to take.
        self._start: tuple[float, float] | None = None
        self._has_pace = False
        self._training_s: float | None = None

    def stage_begins(self, n_kept: int, n_at_once: int) -> None:
        """Leave out the networks that are kept.

        Parameters
        ----------
        n_kept, n_at_once : int
            See `EpochListener.stage_begins`.
        """
        self._n_networks -= n_kept
        self._n_at_once = n_at_once

    def time_estimated(self, estimate: Estimate) -> None:
        """Say how long all will take, once.

        Parameters
        ----------
        estimate : Estimate
            See `EpochListener.time_estimated`.
        """
        if self._training_s is not None:
            return
        self._training_s = estimate.training_s / estimate.share_left
        n_rounds = math.ceil((self._n_networks - sum(self._done.values())) / self._n_at_once)
        all_s = duration_text(estimate.training_s + (n_rounds - 1) * self._training_s)
        networks = f"{plural(self._n_networks, 'network')} of {plural(estimate.n_epochs, 'epoch')}"
        at_once = f", {self._n_at_once} at a time" if min(self._n_at_once, self._n_networks) > 1 else ""
        most = " at most" if estimate.is_most else ""
        self._progress.message(f"about {all_s}{most}: {networks}{at_once}")

    def epoch_done(self, epoch: Epoch) -> None:
        """Print the line.

        Parameters
        ----------
        epoch : Epoch
            The epoch that is done.
        """
        is_first = epoch.network not in self._done
        self._done[epoch.network] = epoch.share_done
        left_s = self._time_left(is_first=is_first)
        left = "" if left_s is None else f", {duration_text(left_s)} left"
        figures = figures_text(epoch.figures)
        self._progress.message(f"{epoch.network}: epoch {epoch.number} of {epoch.n_epochs}: {figures}{left}")

    def _time_left(self, *, is_first: bool) -> float | None:
        """Seconds, from the pace since the first epochs; until there is one, from the first estimate."""
        now_s, n_done = self._clock(), sum(self._done.values())
        n_left = self._n_networks - n_done
        if self._start is None or (is_first and not self._has_pace):
            # Networks that began together end their first epochs together: the time between them says nothing.
            self._start = now_s, n_done
            return None if self._training_s is None else n_left * self._training_s / self._n_at_once
        self._has_pace = True
        start_s, n_before = self._start
        if n_done <= n_before:
            # A network whose worker was lost tells of its first epochs again.
            return None
        return n_left * (now_s - start_s) / (n_done - n_before)

    def close(self) -> None:
        """Do nothing: every line is printed at once."""


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
