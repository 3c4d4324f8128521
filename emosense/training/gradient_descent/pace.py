"""How long a training will take, from its first steps, and which share of it is done after an epoch."""

from __future__ import annotations

import time
from collections.abc import Callable

from emosense.training.cnn_settings import StepsConfig
from emosense.training.gradient_descent.batches import crop_length
from emosense.training.pace import FirstSteps


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


class Pace(FirstSteps):
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
        share_of_step, share_left = (share_done(config, first_epoch + 1) - before) / n_steps, 1 - before
        n_left = share_left / share_of_step if share_of_step else 0.0
        super().__init__(lambda first_s, step_s: say(first_s + n_left * step_s, share_left), n_steps, clock)
