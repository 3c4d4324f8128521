"""Scores of each corpus, with expected values by hand."""

from __future__ import annotations

import numpy as np
import pytest

from emosense.evaluation.by_corpus import as_written, corpus_scores, mean_corpus_scores

EMOTIONS = ("neutral", "calm", "happy")


def rows(*shares: tuple[float, float, float]) -> np.ndarray:
    return np.array(shares, np.float64)


def test_calm_counts_as_neutral_in_a_corpus_without_calm() -> None:
    labels = np.array([0, 0, 2, 0, 1, 2])
    shares = rows((0.1, 0.8, 0.1), (0.6, 0.3, 0.1), (0.1, 0.1, 0.8), (0.1, 0.8, 0.1), (0.1, 0.8, 0.1), (0.1, 0.1, 0.8))
    taught = {"nemo": EMOTIONS, "ravdess": EMOTIONS}
    corpora = ["nemo"] * 3 + ["ravdess"] * 3
    nemo, ravdess = corpus_scores(labels, shares, corpora, ["s"] * 6, EMOTIONS, taught)
    assert (nemo["corpus"], nemo["n"], nemo["emotions"]) == ("nemo", 3, ["neutral", "happy"])
    assert nemo["none"]["uar"] == 1
    # The confidence is that of the label as it was written: 0.8, 0.6 and 0.8, all right.
    assert nemo["none"]["ece"] == pytest.approx((0.2 + 0.4 + 0.2) / 3)
    assert ravdess["none"]["uar"] == pytest.approx(2 / 3)


def test_calm_and_neutral_change_places_wherever_calm_is_written_for_neutral() -> None:
    labels = np.array([0, 0, 2, 0, 1])
    shares = rows((0.1, 0.8, 0.1), (0.6, 0.3, 0.1), (0.1, 0.8, 0.1), (0.1, 0.8, 0.1), (0.1, 0.8, 0.1))
    corpora = ["nemo"] * 3 + ["ravdess"] * 2
    written = shares[:, [1, 0, 2]]
    np.testing.assert_array_equal(
        as_written(shares, labels, corpora, EMOTIONS), [written[0], shares[1], written[2], shares[3], shares[4]]
    )
    without_calm = ("neutral", "fearful", "happy")
    np.testing.assert_array_equal(as_written(shares, labels, corpora, without_calm), shares)


def test_emotions_that_the_corpus_lacks_or_training_did_not_teach_are_left_out_of_the_answer() -> None:
    labels = np.array([0, 2, 1, 0])
    shares = rows((0.3, 0.6, 0.1), (0.2, 0.5, 0.3), (0.3, 0.3, 0.4), (0.1, 0.2, 0.7))
    (found,) = corpus_scores(labels, shares, ["a"] * 4, ["s"] * 4, EMOTIONS, {"a": ("neutral", "happy")})
    assert found["emotions"] == list(EMOTIONS)
    assert found["among"] == ["neutral", "happy"]
    # Neutral: one of two is right; happy: 0.3 against 0.2. The calm recording is not asked.
    assert found["none"]["uar_among"] == pytest.approx((1 / 2 + 1) / 2)
    confidences, right = np.array([0.75, 0.6, 7 / 8]), np.array([1, 1, 0])
    assert found["none"]["ece_among"] == pytest.approx(np.abs(confidences - right).sum() / 3)


def test_one_emotion_alone_is_no_question() -> None:
    (found,) = corpus_scores(np.array([0, 0]), rows((1, 0, 0), (0, 0, 1)), ["a"] * 2, ["s"] * 2, EMOTIONS,
                             {"a": EMOTIONS})  # fmt: skip
    assert found["none"]["uar_among"] is None
    assert mean_corpus_scores([[found]])[0]["none"]["uar_among"] == {"mean": None, "sd": None}


def test_adaptation_by_speaker_removes_a_speaker_s_bias_and_by_folder_that_of_the_corpus() -> None:
    rng = np.random.default_rng(0)
    labels = np.tile([0, 2], 40)
    speakers = np.repeat(["s1", "s2"], 40)
    logits = np.zeros((80, 3))
    logits[np.arange(80), labels] += 1 + rng.normal(0, 0.2, 80)
    # One speaker seems always happy, the other never: in the whole folder the biases cancel each other.
    logits[:, 2] += np.where(speakers == "s1", 3, -3)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    (found,) = corpus_scores(labels, shares, ["a"] * 80, speakers.tolist(), EMOTIONS, {"a": EMOTIONS})
    assert found["none"]["uar_among"] == 0.5
    assert found["speaker"]["uar_among"] > 0.9
    assert found["folder"]["uar_among"] < 0.6
    # With the same bias in all recordings, the folder is enough.
    shifted = logits.copy()
    shifted[:, 2] += np.where(speakers == "s1", 0, 6)
    shares = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)
    (found,) = corpus_scores(labels, shares, ["a"] * 80, speakers.tolist(), EMOTIONS, {"a": EMOTIONS})
    assert found["folder"]["uar_among"] > 0.9


def test_scores_are_averaged_over_seeds() -> None:
    tables = [
        corpus_scores(np.array([0, 2]), shares, ["a"] * 2, ["s"] * 2, EMOTIONS, {"a": EMOTIONS})
        for shares in (rows((1, 0, 0), (0, 0, 1)), rows((1, 0, 0), (1, 0, 0)))
    ]
    (found,) = mean_corpus_scores(tables)
    assert found["none"]["uar"]["mean"] == pytest.approx(0.75)
    assert found["none"]["uar"]["sd"] == pytest.approx(np.std([1, 0.5], ddof=1))
