"""The CNN's optimizers and their learning-rate schedule."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Final

import numpy as np

from emosense.training.cnn_settings import StepsConfig

if TYPE_CHECKING:
    import keras

# The share of the one-cycle schedule in which the learning rate rises.
_WARM_UP: Final = 0.15


def for_workers(config: StepsConfig, n_workers: int) -> StepsConfig:
    """Return the settings for a batch that grows with the workers.

    The learning rate of an adaptive optimizer grows with the square root of the batch (Malladi et al. 2022, arXiv
    2205.10287). Weight decay grows with it, so that an epoch decays the weights as before, and the moving average keeps
    its length in epochs (Busbridge et al. 2023, arXiv 2307.13813). Every worker normalises its own batch, whose size
    does not change.

    Parameters
    ----------
    config : CnnConfig or TuningConfig
        Settings for one worker.
    n_workers : int
        Number of workers, each with batches of ``config.batch_size``.

    Returns
    -------
    CnnConfig or TuningConfig
        The same for one worker.
    """
    return dataclasses.replace(
        config,
        learning_rate=config.learning_rate * math.sqrt(n_workers),
        weight_decay=config.weight_decay * math.sqrt(n_workers),
        average=config.average**n_workers,
    )


def make_optimizer(config: StepsConfig) -> keras.Optimizer:
    """Return an optimizer; AdamW applies no weight decay to biases and normalisation.

    Parameters
    ----------
    config : CnnConfig or TuningConfig
        Has the optimizer's name and settings.

    Returns
    -------
    keras.Optimizer
        Not built yet.
    """
    import keras

    if config.optimizer == "rmsprop":
        return keras.optimizers.RMSprop(config.learning_rate)
    optimizer = keras.optimizers.AdamW(config.learning_rate, config.weight_decay, beta_2=0.99)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def one_cycle(done: float) -> float:
    """Return the learning rate of the one-cycle schedule: a linear rise, then half a cosine (Smith & Topin 2019).

    Parameters
    ----------
    done : float
        Share of the steps that are done, in [0, 1].

    Returns
    -------
    float
        Relative to the peak, in [0, 1].
    """
    if done < _WARM_UP:
        return done / _WARM_UP
    return float(0.5 * (1 + np.cos(np.pi * (done - _WARM_UP) / (1 - _WARM_UP))))
