"""More training workers than a batch has recordings: refused at once."""

from __future__ import annotations

import dataclasses

import pytest

from emosense.errors import UsageError
from emosense.training.cnn_settings import CnnConfig
from emosense.training.job import TrainJob, check_job, check_workers
from emosense.training.presets import preset


@pytest.mark.parametrize(("kind", "name"), [("cnn", "default"), ("transfer", "fine-tuned"), ("ensemble", "default")])
def test_more_workers_than_recordings_in_a_batch_are_refused_before_anything_is_read(kind: str, name: str) -> None:
    job = TrainJob(kind, "nowhere", "out", preset=name, n_workers=17)
    with pytest.raises(UsageError, match="--train-workers 17 would share batches of 16 recordings: use 16 at most"):
        check_job(job, preset(kind, name))
    check_workers(dataclasses.replace(job, n_workers=16), preset(kind, name))


def test_a_corpus_that_is_smaller_than_a_batch_has_fewer_workers() -> None:
    config = preset("cnn", "default")
    assert isinstance(config, CnnConfig)
    check_workers(TrainJob("cnn", "data", "out", n_workers=5), config, 5)
    with pytest.raises(UsageError, match="batches of 5 recordings: use 5 at most"):
        check_workers(TrainJob("cnn", "data", "out", n_workers=6), config, 5)
