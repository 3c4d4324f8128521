"""The head is the optimum of a weighted, masked softmax regression."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from emosense.training.transfer.head_training import TrainingRows, train_head

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 3, 300)
EMBEDDINGS = (RNG.normal(0, 1, (300, 6)) + np.eye(6)[LABELS] + 5).astype(np.float32)
WEIGHTS = RNG.uniform(0.5, 2, 300).astype(np.float32)
ALL = np.ones((300, 3), np.bool_)


def test_the_head_is_that_of_scikit_learn() -> None:
    l2 = 0.02
    head, loss = train_head(TrainingRows(EMBEDDINGS, LABELS, WEIGHTS, ALL), l2)
    standardised = (EMBEDDINGS - EMBEDDINGS.mean(axis=0)) / EMBEDDINGS.std(axis=0)
    reference = LogisticRegression(C=1 / (l2 * WEIGHTS.sum()), tol=1e-8, max_iter=1000)
    reference.fit(standardised.astype(np.float64), LABELS, WEIGHTS)
    expected = reference.predict_proba(standardised)
    np.testing.assert_allclose(head.probabilities(EMBEDDINGS), expected, atol=2e-3)
    right = expected[np.arange(300), LABELS]
    assert loss == pytest.approx(-np.average(np.log(right), weights=WEIGHTS), abs=1e-3)


def test_a_class_that_a_corpus_lacks_is_no_evidence_against_it() -> None:
    # Of a corpus without class 2, rows of class 0 lie where class 2 lies in the other corpus.
    rng = np.random.default_rng(1)
    labels = np.repeat([0, 1, 2, 0, 1], 60)
    centres = np.array([[0, 0], [3, 0], [0, 3], [0, 3], [3, 3]])[np.repeat(range(5), 60)]
    embeddings = (centres + rng.normal(0, 0.3, (300, 2))).astype(np.float32)
    masked = np.ones((300, 3), np.bool_)
    masked[180:, 2] = False
    ones = np.ones(300, np.float32)
    of_third = embeddings[120:180]
    with_mask, without = (
        train_head(TrainingRows(embeddings, labels, ones, allowed), 1e-3)[0].probabilities(of_third)[:, 2].mean()
        for allowed in (masked, np.ones((300, 3), np.bool_))
    )
    assert with_mask > 0.9
    assert without < 0.7


def test_a_value_that_never_changes_does_no_harm() -> None:
    embeddings = EMBEDDINGS.copy()
    embeddings[:, 3] = 1.0
    head, _ = train_head(TrainingRows(embeddings, LABELS, WEIGHTS, ALL), 0.02)
    assert np.isfinite(head.probabilities(embeddings)).all()
