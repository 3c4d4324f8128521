"""A head is fitted to few rows, from a head of other data; without evidence it keeps to the base."""

from __future__ import annotations

import numpy as np
import pytest
from made_heads import made_head

from emosense.models.head import Head
from emosense.training.adaptation.head_fit import fit_head

RNG = np.random.default_rng(0)
CENTRES = RNG.normal(0, 2, (3, 5))


def rows(n_per_class: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    labels = np.repeat(np.arange(3), n_per_class)
    noise = np.random.default_rng(seed).normal(0, 0.5, (len(labels), 5))
    return (CENTRES[labels] + noise).astype(np.float32), labels


def accuracy(head: Head, embeddings: np.ndarray, labels: np.ndarray) -> float:
    return float((head.probabilities(embeddings).argmax(axis=1) == labels).mean())


def test_a_few_rows_are_enough_for_classes_that_the_base_does_not_know() -> None:
    head = fit_head(made_head(), (None, None, None), *rows(5, 1))
    assert accuracy(head, *rows(50, 2)) > 0.95


def test_it_is_the_solution_of_scikit_learn() -> None:
    """For a prior around zero; the C of scikit-learn is the inverse of the precision."""
    from sklearn.linear_model import LogisticRegression

    base = made_head()
    zero = Head(base.mean, base.scale, np.zeros_like(base.weight), np.zeros_like(base.bias))
    embeddings, labels = rows(6, 3)
    oracle = LogisticRegression(C=0.1, tol=1e-8, max_iter=1000).fit((embeddings - base.mean) / base.scale, labels)
    expected = oracle.predict_proba((embeddings - base.mean) / base.scale)
    found = fit_head(zero, (0, 1, 2), embeddings, labels).probabilities(embeddings)
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_every_class_weighs_the_same_however_many_rows_it_has() -> None:
    embeddings, labels = rows(4, 1)
    repeated = np.concatenate([embeddings, *[embeddings[labels == 0]] * 3])
    counts = np.concatenate([labels, *[labels[labels == 0]] * 3])
    head = fit_head(made_head(), (0, 1, 2), repeated, counts)
    shares = [head.probabilities(embeddings)[labels == place, place].mean() for place in range(3)]
    assert min(shares) > 0.8 * max(shares)


def test_a_class_without_rows_keeps_a_column() -> None:
    embeddings, labels = rows(4, 1)
    head = fit_head(made_head(), (0, 1, None), embeddings[labels < 2], labels[labels < 2])
    assert head.weight.shape == (5, 3)
    assert head.probabilities(embeddings)[:, 2].max() < 0.5


@pytest.mark.parametrize("positions", [(2, 0), (1, 2)])
def test_classes_take_the_columns_of_the_base_head(positions: tuple[int, int]) -> None:
    """One row per class in the middle says nothing, so the base head is what is left."""
    base = made_head()
    embeddings = np.tile(base.mean, (2, 1))
    head = fit_head(base, positions, embeddings, np.array([0, 1]))
    np.testing.assert_allclose(head.weight, base.weight[:, list(positions)], atol=1e-4)
