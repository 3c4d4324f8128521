"""The quality of the probabilities: calibration, separation of right from wrong, and accuracy at a threshold.

Takes labels of shape (n,) and probabilities of shape (n, n_classes). The confidence of a row is its highest
probability, and the prediction is the class of that probability; the first class wins a tie.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emosense.evaluation.input_checks import check_probabilities

N_BINS: Final = 15


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """The rows whose confidence is in (`low`, `high`].

    Attributes
    ----------
    low, high : float
        Edges of the bin; the first bin includes 0.
    n : int
        Number of rows.
    mean_confidence, accuracy : float or None
        In [0, 1]; None in an empty bin.
    """

    low: float
    high: float
    n: int
    mean_confidence: float | None
    accuracy: float | None


def reliability(labels: ArrayLike, probabilities: ArrayLike, n_bins: int = N_BINS) -> list[ReliabilityBin]:
    """Return the reliability diagram as a table with bins of equal width.

    Source: Guo et al. 2017, 'On Calibration of Modern Neural Networks', section 2.

    Parameters
    ----------
    labels : array, shape (n,), integers
        Class indices.
    probabilities : array, shape (n, n_classes)
        Rows sum to one.
    n_bins : int
        Number of bins.

    Returns
    -------
    list of ReliabilityBin
        By rising confidence, with empty bins.

    Raises
    ------
    ValueError
        As in `check_probabilities`, or if `n_bins` is below 1.
    """
    if n_bins < 1:
        raise ValueError(f"a reliability table needs at least 1 bin, not {n_bins}")
    is_right, confidence = _is_right_and_confidence(labels, probabilities)
    edges = np.linspace(0, 1, n_bins + 1)
    bin_of_row = np.digitize(confidence, edges[1:-1], right=True)
    table = []
    for index in range(n_bins):
        rows = bin_of_row == index
        n = int(rows.sum())
        mean_confidence = float(confidence[rows].mean()) if n else None
        share_right = float(is_right[rows].mean()) if n else None
        table.append(ReliabilityBin(float(edges[index]), float(edges[index + 1]), n, mean_confidence, share_right))
    return table


def ece(labels: ArrayLike, probabilities: ArrayLike, n_bins: int = N_BINS) -> float:
    """Return the expected calibration error: the gap between confidence and accuracy, averaged over rows, in [0, 1].

    Source: Guo et al. 2017, equation 3. It depends on the number of bins and is biased upwards on few rows.

    Parameters
    ----------
    labels : array, shape (n,), integers
        Class indices.
    probabilities : array, shape (n, n_classes)
        Rows sum to one.
    n_bins : int
        Number of bins.

    Returns
    -------
    float
        0 is perfect.

    Raises
    ------
    ValueError
        As in `reliability`.
    """
    table = reliability(labels, probabilities, n_bins)
    gaps = [
        row.n * abs(row.accuracy - row.mean_confidence)
        for row in table
        if row.accuracy is not None and row.mean_confidence is not None
    ]
    return sum(gaps) / sum(row.n for row in table)


def confidence_auroc(labels: ArrayLike, probabilities: ArrayLike) -> float | None:
    """Return the probability that a right row is more confident than a wrong one; ties count half.

    0.5 is chance; at 1 a threshold separates right from wrong. Source: Mann-Whitney statistic, Hanley & McNeil 1982.

    Parameters
    ----------
    labels : array, shape (n,), integers
        Class indices.
    probabilities : array, shape (n, n_classes)
        Rows sum to one.

    Returns
    -------
    float or None
        In [0, 1]; None if all rows are right or all are wrong.

    Raises
    ------
    ValueError
        As in `check_probabilities`.
    """
    is_right, confidence = _is_right_and_confidence(labels, probabilities)
    n_right = int(is_right.sum())
    n_wrong = len(is_right) - n_right
    if not n_right or not n_wrong:
        return None
    _, value_of_row, counts = np.unique(confidence, return_inverse=True, return_counts=True)
    mid_rank = np.cumsum(counts) - (counts - 1) / 2
    rank_sum = float(mid_rank[value_of_row][is_right].sum())
    return (rank_sum - n_right * (n_right + 1) / 2) / (n_right * n_wrong)


def brier(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Return the mean squared distance of the probabilities from the truth, summed over classes, in [0, 2].

    Source: Brier 1950, in its original form for several classes; 0 is perfect.

    Parameters
    ----------
    labels : array, shape (n,), integers
        Class indices.
    probabilities : array, shape (n, n_classes)
        Rows sum to one.

    Returns
    -------
    float
        0 is perfect.

    Raises
    ------
    ValueError
        As in `check_probabilities`.
    """
    truth, shares = check_probabilities(labels, probabilities)
    return float(((shares - np.eye(shares.shape[1])[truth]) ** 2).sum(axis=1).mean())


def log_loss(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Return the mean negative log-likelihood of the truth, in nats; 0 is perfect, ln(n_classes) is chance.

    A probability of zero counts as 2.2e-16 (float64 epsilon), so that a single error does not make the mean infinite.

    Parameters
    ----------
    labels : array, shape (n,), integers
        Class indices.
    probabilities : array, shape (n, n_classes)
        Rows sum to one.

    Returns
    -------
    float
        At least 0.

    Raises
    ------
    ValueError
        As in `check_probabilities`.
    """
    truth, shares = check_probabilities(labels, probabilities)
    of_truth = shares[np.arange(len(truth)), truth]
    return float(-np.log(np.maximum(of_truth, np.finfo(np.float64).eps)).mean())


def _is_right_and_confidence(
    labels: ArrayLike, probabilities: ArrayLike
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return whether each row is right, and its confidence."""
    truth, shares = check_probabilities(labels, probabilities)
    return shares.argmax(axis=1) == truth, shares.max(axis=1)
