"""Temperature scaling: one number that calibrates the confidence of a model without changing its labels.

Takes and returns probabilities of shape (n, n_classes). The softmax ignores an additive constant, so the log of a
probability serves as its logit. Sources: Guo et al. 2017, 'On Calibration of Modern Neural Networks', section 4.2; and
for what is fitted, the confidence and not the whole row, Gupta and Ramdas 2022, 'Top-label calibration' (arXiv
2107.08353).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emosense.evaluation.input_checks import check_probabilities

MIN_TEMPERATURE: Final = 0.05
MAX_TEMPERATURE: Final = 20.0

# Temperatures that are tried first, evenly on a logarithmic scale: the loss may have several minima.
_N_TRIED: Final = 61
# A float32 softmax underflows to 0 below this; its log, -87, is the lowest logit that such a model can express.
_SMALLEST: Final = float(np.finfo(np.float32).tiny)
_LOG_TOLERANCE: Final = 1e-7


def fit_temperature(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Return the temperature at which the confidence says best how often the most probable class is the label.

    It minimises the mean logarithmic loss of the confidence, as a probability that the label is right. Rows in which
    the model is sure of a wrong class count no more than that, as they would in the likelihood of all labels: on
    recordings from elsewhere, these made all confidence too low. Fit on speakers who neither trained the model nor will
    test it.

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
    logits, rows, answers = _logits(shares), np.arange(len(shares)), shares.argmax(axis=1)
    # Of the other classes, relative to the most probable one.
    others = logits - logits[rows, answers][:, np.newaxis]
    others[rows, answers] = -np.inf
    is_right = answers == truth

    def loss(log_temperature: float) -> float:
        odds = np.logaddexp.reduce(others / np.exp(log_temperature), axis=1)
        return float((np.logaddexp(0, odds) - np.where(is_right, 0, odds)).mean())

    tried = np.linspace(np.log(MIN_TEMPERATURE), np.log(MAX_TEMPERATURE), _N_TRIED)
    best = int(np.argmin([loss(value) for value in tried]))
    bounds = tried[max(best - 1, 0)], tried[min(best + 1, _N_TRIED - 1)]
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": _LOG_TOLERANCE})
    return 1.0 if loss(0.0) <= found.fun + 1e-12 else float(np.exp(found.x))


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
