"""Scores by group of rows: actors, sexes or folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from emosense.evaluation.input_checks import check_probabilities
from emosense.evaluation.metrics import (
    accuracy,
    confusion_matrix,
    uar,
)


@dataclass(frozen=True, slots=True)
class GroupScore:
    """The scores of the rows of one group, such as an actor, a sex or a fold.

    Attributes
    ----------
    group : str
        Name of the group, which has `n` rows.
    uar, accuracy : float
        In [0, 1]; the UAR is over the classes that the group has.
    mean_confidence : float
        Mean of the highest probability; above the accuracy if the model is overconfident.
    """

    group: str
    n: int
    uar: float
    accuracy: float
    mean_confidence: float


def by_group(labels: ArrayLike, probabilities: ArrayLike, groups: Sequence[str]) -> list[GroupScore]:
    """Return the scores of each group of rows, ordered by the group's name.

    Parameters
    ----------
    labels : array, shape (n,), integers
        Class indices.
    probabilities : array, shape (n, n_classes)
        Rows sum to one.
    groups : sequence of str, length n
        The group of each row: its actor, sex or fold.

    Returns
    -------
    list of GroupScore
        One per group.

    Raises
    ------
    ValueError
        If the lengths differ, or as in `check_probabilities`.
    """
    truth, shares = check_probabilities(labels, probabilities)
    if len(groups) != len(truth):
        raise ValueError(f"{len(groups)} groups do not fit {len(truth)} rows")
    of_row = np.asarray(groups, dtype=np.str_)
    table = []
    for group in np.unique(of_row):
        rows = of_row == group
        matrix = confusion_matrix(truth[rows], shares[rows].argmax(axis=1), shares.shape[1])
        mean_confidence = float(shares[rows].max(axis=1).mean())
        n = int(rows.sum())
        table.append(GroupScore(str(group), n, float(uar(matrix)), float(accuracy(matrix)), mean_confidence))
    return table
