"""Temperature scaling: one number that makes the confidence of a model honest without changing its labels.

Takes and gives probabilities of shape (n, n_classes). The softmax forgets only an additive constant, so that the log of
a probability serves as its logit. Source: Guo et al. 2017, 'On Calibration of Modern Neural Networks', section 4.2.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emosense.evaluation.metrics import check_probabilities

MIN_TEMPERATURE: Final = 0.05
MAX_TEMPERATURE: Final = 20.0

# A float32 softmax underflows to 0 below this; its log, -87, is the lowest logit that such a model can express.
_SMALLEST: Final = float(np.finfo(np.float32).tiny)
_GOLDEN: Final = (5**0.5 - 1) / 2
_LOG_TOLERANCE: Final = 1e-7


def fit_temperature(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Return the temperature that minimises the negative log-likelihood of the labels.

    The loss has one minimum in the temperature (it is convex in 1 / T), found by golden-section search over log T. Fit
    on speakers who neither trained the model nor will test it.

    Parameters
    ----------
    probabilities : array, shape (n, n_classes)
        Of held-out rows, uncalibrated.
    labels : array, shape (n,), integers
        Their classes.

    Returns
    -------
    float
        In [0.05, 20]; above 1 where the model is too sure of itself, 1 where no temperature is better.

    Raises
    ------
    ValueError
        As in `emosense.evaluation.metrics.check_probabilities`.
    """
    truth, shares = check_probabilities(labels, probabilities)
    logits = _logits(shares)
    low, high = np.log(MIN_TEMPERATURE), np.log(MAX_TEMPERATURE)
    while high - low > _LOG_TOLERANCE:
        step = _GOLDEN * (high - low)
        if _loss(logits, truth, high - step) <= _loss(logits, truth, low + step):
            high = low + step
        else:
            low = high - step
    best = (low + high) / 2
    if _loss(logits, truth, 0.0) <= _loss(logits, truth, best) + 1e-12:
        return 1.0
    return float(np.clip(np.exp(best), MIN_TEMPERATURE, MAX_TEMPERATURE))


def apply_temperature(probabilities: ArrayLike, temperature: float) -> NDArray[np.float64]:
    """Return the probabilities at a temperature: flatter above 1, sharper below; the order of classes stays.

    Parameters
    ----------
    probabilities : array, shape (n, n_classes)
    temperature : float, above 0

    Returns
    -------
    ndarray, shape (n, n_classes), float64
        Rows sum to one.

    Raises
    ------
    ValueError
        If the temperature is not a positive number.
    """
    if not (np.isfinite(temperature) and temperature > 0):
        raise ValueError(f"a temperature must be a positive number, not {temperature}")
    scaled = _logits(np.asarray(probabilities, dtype=np.float64)) / temperature
    exponentials = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))


def _logits(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.log(np.maximum(probabilities, _SMALLEST))


def _loss(logits: NDArray[np.float64], truth: NDArray[np.int64], log_temperature: float) -> float:
    """Return the mean negative log-likelihood at a temperature."""
    scaled = logits / np.exp(log_temperature)
    scaled -= scaled.max(axis=1, keepdims=True)
    return float((np.log(np.exp(scaled).sum(axis=1)) - scaled[np.arange(len(truth)), truth]).mean())
