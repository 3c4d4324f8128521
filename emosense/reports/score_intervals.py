"""Rows of an evaluation -> 95 % intervals of the scores that a page shows beside the UAR of all.

They resample speakers, as `emosense.evaluation.intervals` does; the score of a single speaker resamples recordings.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from emosense.evaluation.intervals import bootstrap_interval
from emosense.evaluation.metrics import accuracy, uar
from emosense.reports.number_text import percent

Interval = tuple[float, float] | None


def share_interval(is_right: NDArray[np.bool_], speakers: NDArray[np.str_]) -> Interval:
    """Return the interval of a share of right rows, such as the recall of an emotion.

    Parameters
    ----------
    is_right : ndarray, shape (n,)
        Whether each row is right.
    speakers : ndarray of str, shape (n,)
        Speaker of each row.

    Returns
    -------
    tuple of (float, float), or None
        In [0, 1]; None without rows or for a single speaker.
    """
    if not len(is_right):
        return None
    return bootstrap_interval(np.ones(len(is_right), np.int64), is_right.astype(np.int64), speakers.tolist(), accuracy)


def recall_intervals(
    labels: NDArray[np.int64], predicted: NDArray[np.int64], speakers: Sequence[str], n_classes: int
) -> list[Interval]:
    """Return the interval of the recall of each class.

    Parameters
    ----------
    labels, predicted : ndarray, shape (n,)
        Class indices.
    speakers : sequence of str, length n
        Speaker of each row.
    n_classes : int
        Number of classes.

    Returns
    -------
    list of (tuple of (float, float), or None)
        One interval per class.
    """
    of_row = np.array(speakers, np.str_)
    return [
        share_interval(predicted[rows] == labels[rows], of_row[rows])
        for rows in (labels == place for place in range(n_classes))
    ]


def uar_interval(labels: NDArray[np.int64], predicted: NDArray[np.int64], units: Sequence[str]) -> Interval:
    """Return the interval of a UAR.

    Parameters
    ----------
    labels, predicted : ndarray, shape (n,)
        Class indices.
    units : sequence of str, length n
        What is resampled: the speaker of each row, or the recording of each row of a single speaker.

    Returns
    -------
    tuple of (float, float), or None
        In [0, 1]; None for a single unit.
    """
    return bootstrap_interval(labels, predicted, units, uar)


def interval_text(interval: Interval) -> str:
    """Write an interval of shares in percent, without the sign, for a table; a dash for None.

    Parameters
    ----------
    interval : tuple of (float, float), or None
        In [0, 1].

    Returns
    -------
    str
        Such as ``65.2 to 77.0``.
    """
    # A cell keeps it on one line; narrow screens have room for it, and narrower ones scroll.
    nbsp = "\N{NO-BREAK SPACE}"
    return percent(None) if interval is None else f"{100 * interval[0]:.1f}{nbsp}to{nbsp}{100 * interval[1]:.1f}"
