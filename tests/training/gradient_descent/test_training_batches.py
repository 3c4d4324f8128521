"""Batches of a training: which recordings they have, and that they are the same in every run."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from emosense.training.gradient_descent.batches import Batches
from emosense.training.gradient_descent.training_set import TrainingSet, make_training_set
from emosense.training.transfer_settings import TuningConfig

CONFIG = TuningConfig(batch_size=8, augment=None, mixup=0.0, crop_frames=3, first_crop_frames=0)


def examples() -> TrainingSet:
    """Eight recordings of one class and 72 of another; each consists of its own number."""
    features = [np.full((3, 2), number, np.float32) for number in range(80)]
    labels = np.array([0] * 8 + [1] * 72)
    return make_training_set(features, labels, ["made"] * 80, CONFIG, 2)[0]


def drawn(config: TuningConfig, n_epochs: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the recordings of some epochs, and their targets."""
    batches = Batches(examples(), config, 0, 0)
    found = [batch for epoch in range(n_epochs) for batch in batches.of_epoch(epoch)]
    return np.concatenate([x[:, 0, 0] for x, _ in found]), np.concatenate([target for _, target in found])


def test_recordings_of_a_rare_class_are_drawn_as_often_as_others_and_count_the_same() -> None:
    numbers, targets = drawn(CONFIG, 20)
    assert len(numbers) == 1_600
    assert np.mean(numbers < 8) == pytest.approx(0.5, abs=0.04)
    assert (targets[:, -1] == 1).all()
    assert ((numbers < 8) == (targets[:, 0] > 0.5)).all()
    again, _ = drawn(CONFIG, 20)
    np.testing.assert_array_equal(again, numbers)


def test_without_balance_each_recording_is_taken_once_an_epoch() -> None:
    numbers, _ = drawn(dataclasses.replace(CONFIG, balance=False), 1)
    assert sorted(numbers) == list(range(80))


def test_a_recording_that_is_drawn_twice_is_augmented_in_two_ways() -> None:
    config = dataclasses.replace(CONFIG, crop_frames=1)
    rows = [np.arange(200, dtype=np.float32).reshape(100, 2) for _ in range(2)]
    made, _ = make_training_set(rows, np.array([0, 1]), ["made"] * 2, config, 2)
    ((first, _),) = Batches(made, dataclasses.replace(config, batch_size=2), 0, 0).of_epoch(0)
    assert first.shape == (2, 1, 2)
    many = [Batches(made, dataclasses.replace(config, batch_size=2), seed, 0) for seed in range(20)]
    pairs = [next(iter(batches.of_epoch(0)))[0][:, 0, 0] for batches in many]
    assert all(a != b for a, b in pairs)
