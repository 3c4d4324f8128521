"""TensorBoard and MLflow get the figures of every epoch."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from mlflow import MlflowClient
from tensorboardX.proto.event_pb2 import Event

from emosense.errors import UsageError
from emosense.training.epoch_logs import EpochLogs
from emosense.training.epochs import Epoch, Listeners

EPOCHS = [
    Epoch("lj5-1, seed 0", number, 2, {"train_loss": 1 / number, "validation_uar": number / 4}, number / 2)
    for number in (1, 2)
]


def log(logs: EpochLogs) -> None:
    listeners = Listeners(logs.open())
    for epoch in EPOCHS:
        listeners.epoch_done(epoch)
    listeners.close()


def scalars(path: Path) -> dict[tuple[str, int], float]:
    """The scalars of an event file: records of length, checksum, event, checksum."""
    found, data = {}, path.read_bytes()
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        event = Event.FromString(data[12 : 12 + length])
        found |= {(value.tag, event.step): value.simple_value for value in event.summary.value}
        data = data[16 + length :]
    return found


def test_tensorboard_gets_a_scalar_for_each_figure(tmp_path: Path) -> None:
    log(EpochLogs(tensorboard=str(tmp_path)))
    (file,) = tmp_path.glob("lj5-1-seed-0/events.out.tfevents.*")
    assert scalars(file) == {
        ("train_loss", 1): 1.0, ("train_loss", 2): 0.5, ("validation_uar", 1): 0.25, ("validation_uar", 2): 0.5,
    }  # fmt: skip


def test_mlflow_gets_a_run_for_each_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    address = tmp_path.as_uri()
    log(EpochLogs(mlflow=address))
    log(EpochLogs(mlflow=address))
    client = MlflowClient(tracking_uri=address)
    runs = client.search_runs([client.get_experiment_by_name("emosense").experiment_id])
    assert [(run.info.run_name, run.info.status) for run in runs] == [("lj5-1, seed 0", "FINISHED")] * 2
    history = client.get_metric_history(runs[0].info.run_id, "train_loss")
    assert [(point.step, point.value) for point in history] == [(1, 1.0), (2, 0.5)]


def test_event_files_are_local() -> None:
    with pytest.raises(UsageError, match="--tensorboard is a local folder, not s3://bucket/logs"):
        EpochLogs(tensorboard="s3://bucket/logs").check()


def test_an_address_that_mlflow_does_not_take_is_said_in_one_line() -> None:
    with pytest.raises(UsageError, match=r"--mlflow nosuch://x: .*unsupported URI") as caught:
        EpochLogs(mlflow="nosuch://x").open()
    assert "\n" not in str(caught.value)
