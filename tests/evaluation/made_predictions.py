"""Made labels and predictions."""

from __future__ import annotations

import numpy as np


def softmax(logits: np.ndarray) -> np.ndarray:
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def predicted_rows(n: int = 400, n_classes: int = 8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities that are right about half the time."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, n_classes, size=n)
    return labels, softmax(rng.normal(size=(n, n_classes)) + 2 * np.eye(n_classes)[labels])


def sure(predictions: list[int], confidences: list[float]) -> np.ndarray:
    """Probabilities of two classes with the given prediction and confidence, above one half."""
    rows = [[c, 1 - c] if p == 0 else [1 - c, c] for p, c in zip(predictions, confidences, strict=True)]
    return np.array(rows)


def clustered(rates: np.ndarray, n_rows: int, seed: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Two classes, `n_rows` rows a speaker, each right at the speaker's own rate."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, size=len(rates) * n_rows)
    is_right = rng.random(len(labels)) < np.repeat(rates, n_rows)
    return (
        labels,
        np.where(is_right, labels, 1 - labels),
        [f"{i:02d}" for i in range(len(rates)) for _ in range(n_rows)],
    )
