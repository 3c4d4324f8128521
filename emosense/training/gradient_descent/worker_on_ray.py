"""One worker of Ray Train: its shard of the recordings, its epochs, and the checkpoints that the first worker writes.

The workers' gradients are summed by TensorFlow's own all-reduce (`emosense.training.gradient_descent.collectives`);
that their weights are equal to the last bit is checked after every epoch.
"""

from __future__ import annotations

import functools
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from emosense.training.epochs_on_ray import Reporter
from emosense.training.gradient_descent.collectives import Alone, Workers, digest
from emosense.training.gradient_descent.shards import read_shard, validation_of
from emosense.training.gradient_descent.steps import TrainingState
from emosense.training.gradient_descent.training import GradientTraining, train_here
from emosense.training.gradient_descent.training_set import TrainingSet
from emosense.training.trained_network import EpochResult

HISTORY_FILE: Final = "history.json"
WEIGHTS_FILE: Final = "weights"
_STATE_FILE: Final = "state.npz"
_BATCH_ROWS: Final = 64


def train_loop(loop_config: dict[str, Any]) -> None:
    """Train on one worker.

    Parameters
    ----------
    loop_config : dict
        ``training`` (`GradientTraining`), ``network`` (its name for the user), ``mixed_precision`` (bool), and
        ``mailbox``, which receives the epochs.

    Raises
    ------
    RuntimeError
        If the weights of the workers differ after an epoch.
    """
    import ray.train

    context = ray.train.get_context()
    workers = Workers() if context.get_world_size() > 1 else Alone()
    validation = None
    if workers.rank == 0 and (whole := _shard("validation")) is not None:
        validation = validation_of(whole)
    state, history = _restore(ray.train.get_checkpoint())
    snapshot = state

    def on_epoch(result: EpochResult, take: Callable[[], TrainingState]) -> None:
        nonlocal snapshot
        snapshot, record = take(), result.record()
        digests = workers.gather(digest([snapshot[key] for key in sorted(snapshot)]))
        if len(set(digests)) > 1:
            raise RuntimeError(f"the workers' weights differ after epoch {result.epoch}: {digests}")
        history.append(record | {"weights_sha256": digests})
        if workers.rank == 0:
            reporter.steps_done(training.config, result)
        _report(workers.rank, record, {_STATE_FILE: snapshot, HISTORY_FILE: history})

    training: GradientTraining = loop_config["training"]
    reporter = Reporter(loop_config["mailbox"], loop_config["network"])
    if loop_config["mixed_precision"]:
        training = training.in_mixed_precision()
    examples = _shard("train")
    assert examples is not None
    on_pace = functools.partial(reporter.time_estimated, training.config) if workers.rank == 0 else None
    network = train_here(
        training, examples, validation, state=state, on_epoch=on_epoch, on_pace=on_pace, workers=workers
    )
    _report(workers.rank, history[-1], {WEIGHTS_FILE: network.weights, _STATE_FILE: snapshot, HISTORY_FILE: history})


def _shard(name: str) -> TrainingSet | None:
    """Read this worker's recordings of a data set; None if there is no such set."""
    import ray.train

    try:
        shard = ray.train.get_dataset_shard(name)
    except KeyError:
        return None
    return read_shard(shard.iter_batches(batch_size=_BATCH_ROWS, batch_format="pyarrow"))


def _restore(checkpoint: Any) -> tuple[TrainingState | None, list[dict[str, Any]]]:
    if checkpoint is None:
        return None, []
    with checkpoint.as_directory() as folder:
        history = json.loads(Path(folder, HISTORY_FILE).read_text())
        with np.load(Path(folder, _STATE_FILE), allow_pickle=False) as arrays:
            return dict(arrays), history


def _report(rank: int, metrics: dict[str, Any], files: dict[str, Any]) -> None:
    """Report an epoch to Ray Train; rank 0 adds the checkpoint."""
    import ray.train

    figures = {key: value for key, value in metrics.items() if isinstance(value, int | float)}
    if rank != 0:
        ray.train.report(figures)
        return
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            path = Path(folder, name)
            if name == _STATE_FILE:
                np.savez(path, **content)
            elif name == HISTORY_FILE:
                path.write_text(json.dumps(content))
            else:
                path.write_bytes(content)
        ray.train.report(figures, checkpoint=ray.train.Checkpoint.from_directory(folder))
