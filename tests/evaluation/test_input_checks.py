"""Input that cannot be scored."""

from __future__ import annotations

import numpy as np
import pytest

from emosense.evaluation.confidence import brier, confidence_auroc, ece, log_loss, reliability
from emosense.evaluation.coverage import coverage_curve
from emosense.evaluation.groups import by_group
from emosense.evaluation.metrics import accuracy, confusion_matrix, macro_f1, uar


@pytest.mark.parametrize("score", [ece, reliability, confidence_auroc, coverage_curve, brier, log_loss])
@pytest.mark.parametrize(
    ("labels", "probabilities", "message"),
    [
        ([], np.zeros((0, 8)), "no rows to evaluate"),
        ([0, 1], np.array([[0.5, 0.5], [np.nan, 1.0]]), "1 rows of probabilities hold NaN"),
        ([0], np.array([[0.5, 0.6]]), "sum to 1"),
        ([0], np.array([[1.5, -0.5]]), r"lie in \[0, 1\]"),
        ([2], np.array([[0.5, 0.5]]), "from 0 to 1, not 2"),
        ([0.0], np.array([[0.5, 0.5]]), "whole numbers"),
        ([0, 1], np.array([[0.5, 0.5]]), "2 labels do not fit 1 rows"),
        ([0], np.array([0.5, 0.5]), r"shape \(rows, classes\)"),
    ],
)
def test_unusable_input_is_refused_with_a_sentence(score, labels, probabilities, message):
    with pytest.raises(ValueError, match=message):
        score(np.asarray(labels, dtype=None if labels else np.int64), probabilities)


def test_confusions_of_no_rows_or_unequal_length_are_refused():
    with pytest.raises(ValueError, match="no rows to evaluate"):
        confusion_matrix(np.array([], dtype=int), np.array([], dtype=int), 2)
    with pytest.raises(ValueError, match="2 labels do not fit 1 predictions"):
        confusion_matrix([0, 1], [0], 2)
    for score in (uar, accuracy, macro_f1):
        with pytest.raises(ValueError, match="without rows"):
            score(np.zeros((2, 2), dtype=np.int64))
    with pytest.raises(ValueError, match="1 groups do not fit 2 rows"):
        by_group([0, 1], np.eye(2), ["a"])
    with pytest.raises(ValueError, match="at least 1 bin"):
        reliability([0], np.eye(2)[:1], n_bins=0)
