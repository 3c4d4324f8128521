"""Accuracy and UAR of the rows that remain if rows of low confidence are set aside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from emosense.evaluation.input_checks import check_probabilities
from emosense.evaluation.metrics import accuracy, confusion_matrix, uar

_COVERAGES: Final = tuple(percent / 100 for percent in range(5, 101, 5))


@dataclass(frozen=True, slots=True)
class CoveragePoint:
    """The rows that remain, and their scores, if rows below a confidence are set aside.

    Attributes
    ----------
    threshold : float
        Rows with at least this confidence are kept.
    coverage : float
        Share of the rows that is kept, in [0, 1].
    n, n_classes : int
        Number of rows kept, and of classes among their labels; the UAR is over these classes only.
    accuracy, uar : float or None
        Scores of the rows kept; None if there are none.
    """

    threshold: float
    coverage: float
    n: int
    n_classes: int
    accuracy: float | None
    uar: float | None


def coverage_curve(
    labels: ArrayLike, probabilities: ArrayLike, thresholds: Sequence[float] | None = None
) -> list[CoveragePoint]:
    """Return accuracy and UAR of the rows at or above each confidence threshold.

    Parameters
    ----------
    labels : array, shape (n,), integers
        Class indices.
    probabilities : array, shape (n, n_classes)
        Rows sum to one.
    thresholds : sequence of float in [0, 1], optional
        Confidences. By default those that keep 5 %, 10 %, ... 100 % of the rows. Rows of equal confidence are
        kept or set aside together, so a point may keep more than its share.

    Returns
    -------
    list of CoveragePoint
        One point per threshold.

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
