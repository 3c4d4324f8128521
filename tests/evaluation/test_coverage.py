"""Scores of the rows that remain above a confidence."""

from __future__ import annotations

import pytest
from made_predictions import predicted_rows, sure
from sklearn import metrics as oracle

from emosense.evaluation.coverage import coverage_curve


def test_coverage_curve_keeps_the_most_confident_rows():
    labels, probabilities = [0, 0, 1, 0], sure([0, 0, 0, 1], [0.9, 0.8, 0.7, 0.6])
    curve = coverage_curve(labels, probabilities, thresholds=[0.95, 0.8, 0.7, 0.0])
    assert [(p.coverage, p.n, p.n_classes, p.accuracy, p.uar) for p in curve] == [
        (0, 0, 0, None, None),
        (0.5, 2, 1, 1, 1),
        (0.75, 3, 2, pytest.approx(2 / 3), 0.5),
        (1, 4, 2, 0.5, pytest.approx(1 / 3)),
    ]


def test_coverage_curve_ends_at_the_score_of_all_rows_and_grows_in_coverage():
    labels, probabilities = predicted_rows()
    curve = coverage_curve(labels, probabilities)
    assert [point.coverage for point in curve] == pytest.approx([step / 20 for step in range(1, 21)])
    assert curve[-1].accuracy == pytest.approx(oracle.accuracy_score(labels, probabilities.argmax(axis=1)))


def test_rows_of_equal_confidence_are_kept_together():
    curve = coverage_curve([0, 1, 0], sure([0, 0, 0], [0.7, 0.7, 0.7]))
    assert {point.coverage for point in curve} == {1.0}
