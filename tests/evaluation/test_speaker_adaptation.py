"""Speaker adaptation: what it removes, what it leaves unchanged, and how little a single recording changes."""

from __future__ import annotations

import numpy as np
import pytest

from emosense.evaluation.adapted import GROUPINGS, adaptation_scores
from emosense.evaluation.speaker_adaptation import SHRINKAGE, ScoreNormalisation, log_probabilities
from emosense.evaluation.speaker_predictions import adapted_together


def softmax(logs: np.ndarray) -> np.ndarray:
    shares = np.exp(logs - logs.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def made(n_speakers: int = 6, n_each: int = 10, bias: float = 3.0, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Predictions that are right except for a bias of each speaker, with labels and speakers."""
    rng = np.random.default_rng(seed)
    labels = np.tile(np.repeat(np.arange(8), n_each), n_speakers)
    speakers = np.repeat([f"s{i}" for i in range(n_speakers)], 8 * n_each)
    logs = 2.0 * np.eye(8)[labels] + rng.normal(0, 0.3, (len(labels), 8))
    for speaker in np.unique(speakers):
        logs[speakers == speaker] += rng.normal(0, bias, 8)
    return labels, softmax(logs), speakers


def test_a_bias_of_the_voice_is_removed() -> None:
    labels, probabilities, speakers = made()
    scores = adaptation_scores(labels, probabilities, list(speakers))
    assert list(scores) == list(GROUPINGS)
    assert scores["none"]["uar"] < 0.5
    assert scores["all"]["uar"] > 0.95
    assert scores["none"]["uar"] < scores["ten"]["uar"] < scores["all"]["uar"]


def test_a_single_recording_keeps_the_order_of_its_emotions() -> None:
    _, probabilities, _ = made(1, 4)
    for row in probabilities:
        adapted = adapted_together(row[np.newaxis])[0]
        np.testing.assert_array_equal(np.argsort(adapted), np.argsort(row))
        # Its own log-probabilities, less the share 1 / (1 + SHRINKAGE) of themselves, over equal spreads.
        expected = softmax(log_probabilities(row[np.newaxis]) * SHRINKAGE / (1 + SHRINKAGE))[0]
        np.testing.assert_allclose(adapted, expected, atol=1e-12)


def test_without_bias_and_with_equal_spreads_only_rounding_changes() -> None:
    # Every emotion as often the most probable, by the same margin: mean and spread are equal over the emotions.
    probabilities = softmax(2.0 * np.eye(8))
    adapted = adapted_together(probabilities)
    np.testing.assert_allclose(adapted, probabilities, atol=1e-12)


def test_recordings_of_one_emotion_are_the_worst_case_and_shrinkage_bounds_it() -> None:
    labels, probabilities, speakers = made(bias=0.0)
    scores = adaptation_scores(labels, probabilities, list(speakers))
    assert scores["same"]["uar"] < scores["none"]["uar"]
    assert scores["one"] == pytest.approx(scores["none"] | {"ece": scores["one"]["ece"]})


def test_sums_of_parts_are_the_sums_of_the_whole() -> None:
    _, probabilities, _ = made(1, 5)
    by, alone = ScoreNormalisation(), probabilities[:, np.newaxis]
    whole, parts = by.sums(alone), by.sums(alone[:13]) + by.sums(alone[13:])
    assert parts[0] == len(probabilities)
    np.testing.assert_allclose(parts, whole, atol=1e-9)
    np.testing.assert_allclose(by.adapt(alone, parts), by.adapt(alone, whole), atol=1e-12)


def test_certain_predictions_stay_finite() -> None:
    certain = np.eye(8)[[0, 0, 1]]
    adapted = adapted_together(certain)
    assert np.isfinite(adapted).all()
    np.testing.assert_allclose(adapted.sum(axis=1), 1)
