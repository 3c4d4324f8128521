"""Temperature scaling."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_predictions import predicted_rows, softmax, sure

from emosense.evaluation.calibration import apply_temperature, fit_temperature
from emosense.evaluation.confidence import ece, log_loss
from emosense.evaluation.summary import scaled_by_fold


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_calibration_recovers_the_temperature_that_distorted_the_probabilities(temperature):
    rng = np.random.default_rng(10)
    logits = rng.normal(scale=2, size=(20_000, 8))
    labels = np.array([rng.choice(8, p=row) for row in softmax(logits)])
    overconfident = softmax(logits * temperature)
    fitted = fit_temperature(overconfident, labels)
    assert fitted == pytest.approx(temperature, rel=0.04)
    assert ece(labels, apply_temperature(overconfident, fitted)) < 0.015


def test_a_fold_is_scaled_by_the_temperature_of_the_others():
    rng = np.random.default_rng(11)
    logits = rng.normal(scale=2, size=(6000, 8))
    labels = np.array([rng.choice(8, p=row) for row in softmax(logits)])
    folds = np.repeat(["a", "b", "c"], 2000)
    overconfident = softmax(logits * 2.5)
    assert ece(labels, overconfident) > 0.15
    assert ece(labels, scaled_by_fold(labels, overconfident, folds)) < 0.03
    # Only one fold is overconfident: its own temperature would calibrate it, that of the others leaves it as it is.
    mixed = np.where((folds == "a")[:, np.newaxis], overconfident, softmax(logits))
    ones = folds == "a"
    overconfident_ece = ece(
        labels[ones], apply_temperature(overconfident[ones], fit_temperature(mixed[~ones], labels[~ones]))
    )
    assert overconfident_ece > 0.15
    expected = mixed.copy()
    for fold in "abc":
        here = folds == fold
        expected[here] = apply_temperature(mixed[here], fit_temperature(mixed[~here], labels[~here]))
    assert ece(labels, scaled_by_fold(labels, mixed, folds)) == pytest.approx(ece(labels, expected))
    assert scaled_by_fold(labels, overconfident, ["a"] * 6000) is None


def loss_of_confidence(labels, probabilities):
    """The logarithmic loss of the confidence as a probability that the label is right."""
    confidence = probabilities.max(axis=1)
    is_right = probabilities.argmax(axis=1) == labels
    return log_loss(is_right.astype(int), np.stack([1 - confidence, confidence], axis=1))


@given(seed=st.integers(0, 500), scale=st.floats(0.1, 10))
@settings(max_examples=30, deadline=None)
def test_calibration_never_worsens_the_loss_it_minimises_nor_changes_a_label(seed, scale):
    labels, probabilities = predicted_rows(60, 4, seed)
    probabilities = softmax(np.log(probabilities) * scale)
    temperature = fit_temperature(probabilities, labels)
    calibrated = apply_temperature(probabilities, temperature)
    loss = loss_of_confidence(labels, calibrated)
    assert loss <= loss_of_confidence(labels, probabilities) + 1e-9
    assert (calibrated.argmax(axis=1) == probabilities.argmax(axis=1)).all()
    for other in (temperature * 1.1, temperature / 1.1):
        if 0.05 <= other <= 20:
            assert loss <= loss_of_confidence(labels, apply_temperature(probabilities, other)) + 1e-9


def test_temperature_acts_on_logits():
    logits = np.array([[1.0, 2.0, -3.0]])
    np.testing.assert_allclose(apply_temperature(softmax(logits), 2.0), softmax(logits / 2))
    np.testing.assert_allclose(apply_temperature(softmax(logits), 1.0), softmax(logits))


def test_temperature_stays_in_its_bounds_and_is_one_if_none_is_better():
    labels, probabilities = np.array([0, 1]), sure([0, 1], [0.6, 0.6])
    assert fit_temperature(probabilities, labels) == pytest.approx(0.05, rel=1e-5)
    assert fit_temperature(probabilities, 1 - labels) == pytest.approx(20, rel=1e-5)
    assert fit_temperature(np.full((3, 4), 0.25), np.array([0, 1, 2])) == 1.0


def test_probabilities_of_exactly_zero_are_calibrated_without_infinities():
    temperature = fit_temperature(np.eye(3)[[0, 1, 2, 0]], np.array([0, 1, 2, 1]))
    calibrated = apply_temperature(np.eye(3), temperature)
    assert 1 < temperature <= 20
    assert (calibrated > 0).all()
    np.testing.assert_allclose(calibrated.sum(axis=1), 1)


def test_calibration_refuses_nan_no_rows_and_a_temperature_of_zero():
    with pytest.raises(ValueError, match="hold NaN"):
        fit_temperature([[math.nan, 1.0]], [0])
    with pytest.raises(ValueError, match="no rows to evaluate"):
        fit_temperature(np.zeros((0, 2)), np.array([], dtype=int))
    for temperature in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="positive number"):
            apply_temperature(np.eye(2), temperature)
