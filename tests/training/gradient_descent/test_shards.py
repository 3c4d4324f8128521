"""A worker's shard: the recordings as they were, in a file, whatever their number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from conftest import own_bytes

from emosense.training.gradient_descent.shards import blocks, read_shard, validation_of, validation_set
from emosense.training.gradient_descent.training_set import TrainingSet, Validation


def made_set(n: int, n_frames: int = 20) -> TrainingSet:
    rng = np.random.default_rng(0)
    features = [rng.standard_normal((n_frames + row % 3, 8), np.float32) for row in range(n)]
    return TrainingSet(features, rng.random((n, 4), np.float32), np.arange(n))


def test_a_shard_has_the_recordings_as_they_were_in_their_order() -> None:
    whole = made_set(150)
    parts = [*blocks(whole)]
    found = read_shard(iter(parts[::-1]))
    assert len(parts) == 3
    np.testing.assert_array_equal(found.numbers, whole.numbers)
    np.testing.assert_array_equal(found.targets, whole.targets)
    for there, here in zip(found.features, whole.features, strict=True):
        np.testing.assert_array_equal(there, here)


def test_recordings_of_the_learning_curves_keep_their_labels() -> None:
    whole = made_set(70)
    labels = np.arange(70) % 8
    found = validation_of(read_shard(blocks(validation_set(Validation(whole.features, labels)))))
    np.testing.assert_array_equal(found.labels, labels)
    np.testing.assert_array_equal(found.features[69], whole.features[69])


def test_the_memory_of_a_worker_does_not_grow_with_its_shard() -> None:
    whole = made_set(64, n_frames=3000)
    size = sum(values.nbytes for values in whole.features)

    def batches() -> Iterator[Any]:
        for _ in range(40):
            yield from blocks(whole)

    before = own_bytes()
    found = read_shard(batches())
    assert sum(float(values[0, 0]) for values in found.features) != 0
    assert len(found) == 40 * 64
    # 250 MB of features; what grows is their list.
    assert own_bytes() - before < 4 * size
