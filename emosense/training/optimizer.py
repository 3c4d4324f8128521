"""The CNN's optimizers and their learning-rate schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from emosense.training.transfer_settings import StepsConfig

if TYPE_CHECKING:
    import keras

# The share of the one-cycle schedule in which the learning rate rises.
_WARM_UP: Final = 0.15


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
