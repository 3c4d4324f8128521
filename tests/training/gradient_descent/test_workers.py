"""More training workers than recordings: refused; a batch that grows with the workers."""

from __future__ import annotations

import pytest

from emosense.errors import UsageError
from emosense.training.gradient_descent.optimizer import for_workers
from emosense.training.job import TrainJob, check_workers
from emosense.training.presets import preset


def test_more_workers_than_recordings_are_refused() -> None:
    check_workers(TrainJob("cnn", "data", "out", n_workers=5), 5)
    with pytest.raises(UsageError, match="--train-workers 6 would share 5 recordings: use 5 at most"):
        check_workers(TrainJob("cnn", "data", "out", n_workers=6), 5)


def test_an_epoch_decays_and_averages_as_much_with_any_number_of_workers() -> None:
    config = preset("cnn", "default")
    four = for_workers(config, 4)
    assert for_workers(config, 1) == config
    assert four.learning_rate == pytest.approx(2 * config.learning_rate)
    # A quarter of the steps, each of which decays by learning rate times weight decay.
    assert four.learning_rate * four.weight_decay / 4 == pytest.approx(config.learning_rate * config.weight_decay)
    assert four.average == pytest.approx(config.average**4)
