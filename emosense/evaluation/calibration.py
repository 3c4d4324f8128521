"""Temperature scaling: one number that calibrates the confidence of a model without changing its labels.

Takes and returns probabilities of shape (n, n_classes). The softmax ignores an additive constant, so the log of a
probability serves as its logit. Source: Guo et al. 2017, 'On Calibration of Modern Neural Networks', section 4.2.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emosense.evaluation.input_checks import check_probabilities

MIN_TEMPERATURE: Final = 0.05
MAX_TEMPERATURE: Final = 20.0

# A float32 softmax underflows to 0 below this; its log, -87, is the lowest logit that such a model can express.
_SMALLEST: Final = float(np.finfo(np.float32).tiny)
_LOG_TOLERANCE: Final = 1e-7


def fit_temperature(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Return the temperature that minimises the negative log-likelihood of the labels.

    The loss has one minimum in the temperature (it is convex in 1 / T); a bounded search over log T finds it. Fit on
    speakers who neither trained the model nor will test it.

    Parameters
    ----------
    probabilities : array, shape (n, n_classes)
        Uncalibrated probabilities of held-out rows.
    labels : array, shape (n,), integers
        Class index of each row.

    Returns
    -------
    float
        In [0.05, 20]: above 1 if the model is overconfident, 1 if no temperature is better.

    Raises
    ------
    ValueError
        As in `emosense.evaluation.input_checks.check_probabilities`.
    """
    from scipy.optimize import minimize_scalar

    truth, shares = check_probabilities(labels, probabilities)
    logits = _logits(shares)
    bounds = np.log([MIN_TEMPERATURE, MAX_TEMPERATURE])
    found = minimize_scalar(
        lambda value: _loss(logits, truth, value), bounds=bounds, method="bounded", options={"xatol": _LOG_TOLERANCE}
    )
    if _loss(logits, truth, 0.0) <= found.fun + 1e-12:
        return 1.0
    return float(np.exp(found.x))


def apply_temperature(probabilities: ArrayLike, temperature: float) -> NDArray[np.float64]:
    """Return the probabilities at a temperature: flatter above 1, sharper below 1, classes in the same order.

    Parameters
    ----------
    probabilities : array, shape (n, n_classes)
        Rows sum to one.
    temperature : float
        Above 0.

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
