"""How far the probabilities can be trusted: calibration, separation of right from wrong, and what a threshold buys.

Takes labels of shape (n,) and probabilities of shape (n, n_classes). The confidence of a row is its highest
probability, the prediction its class; of equal probabilities the first class wins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emosense.evaluation.metrics import accuracy, check_probabilities, confusion_matrix, uar

N_BINS: Final = 15
_COVERAGES: Final = tuple(percent / 100 for percent in range(5, 101, 5))


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """The rows whose confidence lies in (`low`, `high`].

    Attributes
    ----------
    low, high : float
        Edges of the bin; the first bin holds 0 as well.
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


@dataclass(frozen=True, slots=True)
class CoveragePoint:
    """What is left, and how good it is, where rows below a confidence are set aside.

    Attributes
    ----------
    threshold : float
        Rows with at least this confidence are kept.
    coverage : float
        Share of the rows that is kept, in [0, 1].
    n, n_classes : int
        Rows kept, and classes in their truth; the UAR is over these classes, so compare it where they are all there.
    accuracy, uar : float or None
        Of the rows kept; None where there are none.
    """

    threshold: float
    coverage: float
    n: int
    n_classes: int
    accuracy: float | None
    uar: float | None


def reliability(labels: ArrayLike, probabilities: ArrayLike, n_bins: int = N_BINS) -> list[ReliabilityBin]:
    """Return the reliability diagram as a table: bins of equal width over the confidence, empty ones included.

    Source: Guo et al. 2017, 'On Calibration of Modern Neural Networks', section 2.

    Raises
    ------
    ValueError
        As in `check_probabilities`, or if there is no bin.
    """
    if n_bins < 1:
        raise ValueError(f"a reliability table needs at least 1 bin, not {n_bins}")
    is_right, confidence = _judged(labels, probabilities)
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
    """Return the chance that a right row is more confident than a wrong one, ties counted half.

    0.5 means that the confidence says nothing, 1 that a threshold separates right from wrong. None where all rows are
    right or all are wrong. Source: the Mann-Whitney statistic, Hanley & McNeil 1982.

    Raises
    ------
    ValueError
        As in `check_probabilities`.
    """
    is_right, confidence = _judged(labels, probabilities)
    n_right = int(is_right.sum())
    n_wrong = len(is_right) - n_right
    if not n_right or not n_wrong:
        return None
    _, value_of_row, counts = np.unique(confidence, return_inverse=True, return_counts=True)
    mid_rank = np.cumsum(counts) - (counts - 1) / 2
    rank_sum = float(mid_rank[value_of_row][is_right].sum())
    return (rank_sum - n_right * (n_right + 1) / 2) / (n_right * n_wrong)


def coverage_curve(
    labels: ArrayLike, probabilities: ArrayLike, thresholds: Sequence[float] | None = None
) -> list[CoveragePoint]:
    """Return accuracy and UAR of the rows at or above each confidence threshold.

    Parameters
    ----------
    labels : array, shape (n,), integers
    probabilities : array, shape (n, n_classes)
    thresholds : sequence of float in [0, 1], optional
        Left out, they are the confidences that keep 5 %, 10 %, ... 100 % of the rows. Rows of equal confidence are kept
        or set aside together, so that a point may keep more than its share.

    Raises
    ------
    ValueError
        As in `check_probabilities`.
    """
    truth, shares = check_probabilities(labels, probabilities)
    n_rows, n_classes = shares.shape
    predictions, confidence = shares.argmax(axis=1), shares.max(axis=1)
    if thresholds is None:
        falling = np.sort(confidence)[::-1]
        thresholds = [float(falling[max(int(np.ceil(share * n_rows - 1e-9)), 1) - 1]) for share in _COVERAGES]
    curve = []
    for threshold in thresholds:
        kept = confidence >= threshold
        n = int(kept.sum())
        n_present = len(np.unique(truth[kept]))
        matrix = confusion_matrix(truth[kept], predictions[kept], n_classes) if n else None
        share_right, recall = (None, None) if matrix is None else (float(accuracy(matrix)), float(uar(matrix)))
        curve.append(CoveragePoint(float(threshold), n / n_rows, n, n_present, share_right, recall))
    return curve


def brier(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Return the mean squared distance of the probabilities from the truth, summed over classes, in [0, 2].

    Source: Brier 1950, in its original form for several classes; 0 is perfect.

    Raises
    ------
    ValueError
        As in `check_probabilities`.
    """
    truth, shares = check_probabilities(labels, probabilities)
    return float(((shares - np.eye(shares.shape[1])[truth]) ** 2).sum(axis=1).mean())


def log_loss(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Return the mean negative log-likelihood of the truth, in nats; 0 is perfect, ln(n_classes) is guessing.

    A probability of zero counts as 2.2e-16 (float64 epsilon), so that one sure error does not make the mean infinite.

    Raises
    ------
    ValueError
        As in `check_probabilities`.
    """
    truth, shares = check_probabilities(labels, probabilities)
    of_truth = shares[np.arange(len(truth)), truth]
    return float(-np.log(np.maximum(of_truth, np.finfo(np.float64).eps)).mean())


def _judged(labels: ArrayLike, probabilities: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return of each row whether it is right, and its confidence."""
    truth, shares = check_probabilities(labels, probabilities)
    return shares.argmax(axis=1) == truth, shares.max(axis=1)
