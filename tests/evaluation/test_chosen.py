"""Calibration among some of the emotions."""

from __future__ import annotations

import numpy as np
import pytest

from emosense.emotions import EMOTIONS
from emosense.evaluation.chosen import chosen_scores


def drawn(n: int, temperature: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Labels drawn from probabilities, and these probabilities made sharper or flatter."""
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.full(8, 0.4), n)
    labels = (rng.random(n)[:, None] > shares.cumsum(axis=1)).sum(axis=1)
    scaled = shares ** (1 / temperature)
    return labels, scaled / scaled.sum(axis=1, keepdims=True)


def test_probabilities_that_are_true_are_calibrated_for_every_choice() -> None:
    scores = chosen_scores(*drawn(20_000), EMOTIONS)
    assert scores is not None
    # Choices of 2 to 7 of 8 emotions: 2**8 less none, all, and 8 single ones.
    assert scores["n_choices"] == 2**8 - 2 - 8
    assert scores["max"] < 0.03
    assert scores["calibrated"] == scores["attainable"] == 1


def test_probabilities_that_are_too_sharp_are_not() -> None:
    scores = chosen_scores(*drawn(4000, temperature=0.3), EMOTIONS)
    assert scores is not None
    assert scores["calibrated"] < 0.2
    assert scores["mean"] > 0.05
    assert scores["attainable"] > 0.9


def test_few_rows_miss_the_limit_by_chance_even_if_probabilities_are_true() -> None:
    scores = chosen_scores(*drawn(160), EMOTIONS)
    assert scores is not None
    assert scores["attainable"] < 0.3
    assert scores["calibrated"] == pytest.approx(scores["attainable"], abs=0.15)


@pytest.mark.parametrize("emotions", [EMOTIONS[:2], EMOTIONS[3:5]])
def test_two_emotions_leave_nothing_to_choose(emotions: tuple[str, ...]) -> None:
    assert chosen_scores(np.array([0, 1]), np.array([[0.5, 0.5], [0.2, 0.8]]), emotions) is None
