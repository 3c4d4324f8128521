"""How long a training will take, from its first steps, and which share of it is done after an epoch."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from emosense.training.cnn_settings import StepsConfig
from emosense.training.gradient_descent.batches import crop_length

# The first step traces functions and says nothing about the others; the mean of this many is good to a tenth.
_TIMED_STEPS: Final = 20
_TIMED_S: Final = 1.5


def share_done(config: StepsConfig, n_epochs: int) -> float:
    """Return which share of its time a training has taken: the epochs get longer where the examples grow.

    Parameters
    ----------
    config : CnnConfig or TuningConfig
        Settings of the steps.
    n_epochs : int
        Number of epochs that are done.

    Returns
    -------
    float
        In [0, 1].
    """
    lengths = [max(1, crop_length(config, epoch)) for epoch in range(config.epochs)]
    return sum(lengths[:n_epochs]) / sum(lengths)


class Pace:
    """Times the first steps of a training, and says once how long the rest will take.

    Parameters
    ----------
    config : CnnConfig or TuningConfig
        Settings of the steps.
    first_epoch : int
        The epoch that the training begins with; above 0 where it resumes.
    n_steps : int
        Number of steps in an epoch.
    say : callable
        Receives the seconds from the start of this training to its end, and the share of the whole that they are.
    clock : callable
        Returns seconds.
    """

    def __init__(
        self,
        config: StepsConfig,
        first_epoch: int,
        n_steps: int,
        say: Callable[[float, float], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        before = share_done(config, first_epoch)
        share_of_step = (share_done(config, first_epoch + 1) - before) / n_steps
        self._share_left = 1 - before
        self._n_left = self._share_left / share_of_step if share_of_step else 0.0
        self._n_last = min(n_steps, _TIMED_STEPS + 1)
        self._say, self._clock = say, clock
        self._begin_s, self._first_s, self._n_done, self._is_said = clock(), 0.0, 0, False

    def step_done(self) -> None:
        """Count a step."""
        if self._is_said:
            return
        self._n_done += 1
        now_s = self._clock()
        if self._n_done == 1:
            self._first_s = now_s
            return
        timed_s = now_s - self._first_s
        if self._n_done >= self._n_last or timed_s >= _TIMED_S:
            self._is_said = True
            left_s = self._first_s - self._begin_s + timed_s / (self._n_done - 1) * self._n_left
            self._say(left_s, self._share_left)
