"""How long a training takes, known from its first steps."""

from __future__ import annotations

import dataclasses
import functools
import itertools

import pytest

from emosense.training.gradient_descent.pace import Pace, share_done
from emosense.training.transfer_settings import TuningConfig

# Twelve epochs of examples of 100 frames.
EVEN = TuningConfig(epochs=12, crop_frames=100, first_crop_frames=0)


def said(config: TuningConfig, step_ends: list[float], *, first_epoch: int = 0, n_steps: int = 100) -> list[float]:
    """What is said of a training that begins at 0 s."""
    told: list[float] = []

    def say(seconds: float, share_left: float) -> None:
        assert share_left == 1 - share_done(config, first_epoch)
        told.append(seconds)

    pace = Pace(config, first_epoch, n_steps, say, clock=functools.partial(next, iter([0.0, *step_ends])))
    for _ in step_ends:
        pace.step_done()
    return told


def test_the_first_step_is_no_measure_of_the_others() -> None:
    # Ten seconds to build and trace, then half a second for each of 1,200 steps.
    assert said(EVEN, [10.0, 10.5, 11.0, 11.5, 12.0]) == [pytest.approx(10 + 1200 * 0.5)]


def test_nothing_is_said_of_too_few_steps_and_nothing_twice() -> None:
    quick = [1.0 + 0.01 * step for step in range(100)]
    assert said(EVEN, quick[:20]) == []
    assert said(EVEN, quick) == [pytest.approx(1 + 1200 * 0.01)]


def test_an_epoch_of_few_steps_is_enough_and_of_one_step_the_next() -> None:
    assert said(EVEN, [1.0, 1.1], n_steps=2) == [pytest.approx(1 + 24 * 0.1)]
    assert said(EVEN, [1.0, 1.1], n_steps=1) == [pytest.approx(1 + 12 * 0.1)]


def test_a_resumed_training_has_only_its_rest_before_it() -> None:
    assert said(EVEN, [1.0, 3.0], first_epoch=9) == [pytest.approx(1 + 300 * 2.0)]


def test_epochs_of_longer_examples_take_longer() -> None:
    growing = dataclasses.replace(EVEN, first_crop_frames=20)
    shares = [share_done(growing, n_epochs) for n_epochs in range(13)]
    assert shares[0] == 0
    assert shares[12] == 1
    steps = [later - earlier for earlier, later in itertools.pairwise(shares)]
    assert [round(step, 9) for step in steps] == sorted(round(step, 9) for step in steps)
    # The last three have five times as many frames as the first.
    assert steps[-3:] == pytest.approx([5 * steps[0]] * 3)
    whole = said(growing, [0.0, 2.0])[0]
    assert whole == pytest.approx(2 * 100 / steps[0])
