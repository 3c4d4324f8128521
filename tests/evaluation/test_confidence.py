"""Scores of probabilities, against scikit-learn and theory."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_predictions import predicted_rows, sure
from sklearn import metrics as oracle

from emosense.evaluation.confidence import brier, confidence_auroc, ece, log_loss, reliability


def test_probability_scores_agree_with_scikit_learn():
    labels, probabilities = predicted_rows()
    assert log_loss(labels, probabilities) == pytest.approx(oracle.log_loss(labels, probabilities, labels=range(8)))
    assert brier(labels, probabilities) == pytest.approx(
        oracle.brier_score_loss(labels, probabilities, labels=range(8), scale_by_half=False)
    )
    is_right = probabilities.argmax(axis=1) == labels
    assert confidence_auroc(labels, probabilities) == pytest.approx(
        oracle.roc_auc_score(is_right, probabilities.max(axis=1))
    )


@given(rows=st.lists(st.tuples(st.booleans(), st.sampled_from([0.6, 0.7, 0.8, 0.9])), min_size=2, max_size=40))
@settings(max_examples=60, deadline=None)
def test_auroc_with_ties_agrees_with_scikit_learn(rows):
    is_right, confidences = (list(column) for column in zip(*rows, strict=True))
    area = confidence_auroc([0 if right else 1 for right in is_right], sure([0] * len(rows), confidences))
    if len(set(is_right)) == 1:
        assert area is None
    else:
        assert area == pytest.approx(oracle.roc_auc_score(is_right, confidences))


def test_scores_at_chance_are_those_of_theory():
    labels, uniform = np.arange(8), np.full((8, 8), 1 / 8)
    assert log_loss(labels, uniform) == pytest.approx(math.log(8))
    # (7/8) squared for the truth and (1/8) squared for each of the seven others.
    assert brier(labels, uniform) == pytest.approx(49 / 64 + 7 / 64)


def test_certain_predictions_have_brier_zero_or_two_and_a_finite_log_loss():
    sure_rows = np.eye(2)[[0, 0]]
    assert (brier([0, 0], sure_rows), log_loss([0, 0], sure_rows)) == (0, 0)
    assert brier([1, 1], sure_rows) == 2
    assert log_loss([1, 1], sure_rows) == pytest.approx(-math.log(np.finfo(float).eps))


def test_ece_is_zero_where_confidence_equals_accuracy():
    # Ten rows of confidence 0.8, eight of them right; ten of 0.6, six right.
    labels = [0] * 8 + [1] * 2 + [0] * 6 + [1] * 4
    assert ece(labels, sure([0] * 20, [0.8] * 10 + [0.6] * 10)) == pytest.approx(0)


def test_ece_weights_the_gap_of_each_bin_by_its_rows():
    # Three quarters of the rows: confidence 0.9, all wrong. One quarter: confidence 0.6, all right.
    labels = [1, 1, 1, 0]
    expected = 0.75 * 0.9 + 0.25 * 0.4
    assert ece(labels, sure([0, 0, 0, 0], [0.9, 0.9, 0.9, 0.6])) == pytest.approx(expected)


def test_gaps_of_opposite_sign_cancel_within_a_bin_only():
    # 0.74 and 0.68 lie on either side of an edge of 15 bins, 0.7333, and in one bin of two.
    labels, probabilities = [0, 1], sure([0, 0], [0.74, 0.68])
    assert ece(labels, probabilities) == pytest.approx((0.26 + 0.68) / 2)
    assert ece(labels, probabilities, n_bins=2) == pytest.approx(0.71 - 0.5)


def test_a_confidence_on_an_edge_belongs_to_the_bin_below():
    table = reliability([0, 0], sure([0, 0], [0.8, 1.0]), n_bins=5)
    assert [row.n for row in table] == [0, 0, 0, 1, 1]


def test_reliability_lists_every_bin_and_leaves_empty_ones_without_values():
    labels, probabilities = predicted_rows()
    table = reliability(labels, probabilities)
    assert len(table) == 15
    assert sum(row.n for row in table) == 400
    assert table[0] == type(table[0])(low=0.0, high=pytest.approx(1 / 15), n=0, mean_confidence=None, accuracy=None)
    for row in table:
        assert row.mean_confidence is None or row.low < row.mean_confidence <= row.high
