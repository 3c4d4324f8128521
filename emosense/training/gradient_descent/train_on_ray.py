"""Training by gradient steps with Ray Train: workers, their shards of the data, checkpoints, resuming, restarts.

The workers' gradients are summed by TensorFlow's own all-reduce (`emosense.training.gradient_descent.collectives`);
that their weights are equal to the last bit is checked after every epoch.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from emosense.errors import EmoSenseError
from emosense.storage.objects import filesystem
from emosense.storage.schemes import is_url
from emosense.training.epochs import EpochListener, Listeners
from emosense.training.epochs_on_ray import Reporter, listening
from emosense.training.gradient_descent.collectives import Alone, Workers, digest
from emosense.training.gradient_descent.shards import blocks, read_shard, validation_of, validation_set
from emosense.training.gradient_descent.steps import TrainingState
from emosense.training.gradient_descent.training import GradientTraining, train_here
from emosense.training.gradient_descent.training_set import TrainingSet, Validation
from emosense.training.trained_network import EpochResult, TrainedNetwork

_STATE_FILE: Final = "state.npz"
_HISTORY_FILE: Final = "history.json"
_WEIGHTS_FILE: Final = "weights"
_BATCH_ROWS: Final = 64


@dataclasses.dataclass(frozen=True, slots=True)
class RayTraining:
    """How training workers are run.

    Parameters
    ----------
    storage : str
        Local folder or URL for checkpoints.
    n_workers : int
        Data-parallel workers, each with its shard of the recordings and batches of its own.
    use_gpu : bool
        Whether each worker gets a GPU.
    mixed_precision : bool
        Whether layers compute in bfloat16; weights stay float32.
    resume : bool
        Whether to resume from the last checkpoint of the run with the same name.
    max_failures : int
        How often failed workers are restarted from their last checkpoint.
    """

    storage: str
    n_workers: int = 1
    use_gpu: bool = False
    mixed_precision: bool = False
    resume: bool = False
    max_failures: int = 2


def train_with_ray(
    training: GradientTraining,
    examples: TrainingSet,
    validation: Validation | None,
    *,
    name: str,
    options: RayTraining,
    listener: EpochListener | None = None,
) -> TrainedNetwork:
    """Train a network on the Ray that this process is connected to.

    Parameters
    ----------
    training, examples, validation
        See `emosense.training.gradient_descent.training.train_here`.
    name : str
        Name of the run in the storage folder.
    options : RayTraining
        Workers and checkpoints.
    listener : EpochListener, optional
        Receives the epochs while they are trained, under the first word of the name.

    Returns
    -------
    TrainedNetwork
        Its curves have all epochs, those before a resume included.

    Raises
    ------
    EmoSenseError
        If the workers failed more often than the budget allows.
    """
    import ray.train
    from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

    from emosense.training.gradient_descent.worker_addresses_on_ray import TensorFlowBackend

    storage_filesystem, storage_path = _storage(options.storage)
    if not options.resume:
        _discard(options.storage, name)
    data = {"train": _data_set(examples)}
    if validation is not None:
        data["validation"] = _data_set(validation_set(validation))
    loop_config = {
        "training": training,
        "network": name.partition("-")[0],
        "mixed_precision": options.mixed_precision,
    }
    with listening(listener or Listeners(())) as mailbox:
        trainer = DataParallelTrainer(
            _train_loop,
            train_loop_config=loop_config | {"mailbox": mailbox},
            datasets=data,
            dataset_config=ray.train.DataConfig(datasets_to_split=["train"], execution_options=_in_order()),
            backend_config=TensorFlowBackend(),
            scaling_config=ray.train.ScalingConfig(
                num_workers=options.n_workers, use_gpu=options.use_gpu, resources_per_worker={"CPU": 1}
            ),
            run_config=ray.train.RunConfig(
                name=name,
                storage_path=storage_path,
                storage_filesystem=storage_filesystem,
                failure_config=ray.train.FailureConfig(max_failures=options.max_failures),
                checkpoint_config=ray.train.CheckpointConfig(num_to_keep=2),
            ),
        )
        try:
            result = trainer.fit()
        except ray.train.TrainingFailedError as err:
            raise EmoSenseError(f"training failed more often than --max-failures allows: {err}") from err
    with result.checkpoint.as_directory() as folder:
        weights = Path(folder, _WEIGHTS_FILE).read_bytes()
        return TrainedNetwork(weights, json.loads(Path(folder, _HISTORY_FILE).read_text()))


def _data_set(examples: TrainingSet) -> Any:
    """Put the recordings into Ray's object store, block by block, as Ray Data."""
    import ray.data

    return ray.data.from_arrow_refs([ray.put(block) for block in blocks(examples)])


def _in_order() -> Any:
    """Return options with which a worker gets the same shard again after a restart."""
    import ray.data

    options = ray.data.ExecutionOptions()
    options.preserve_order = True
    return options


def _storage(location: str) -> tuple[Any, str]:
    """Return file system and path in the form that Ray Train takes."""
    if not is_url(location):
        return None, os.path.abspath(location)
    from pyarrow.fs import FSSpecHandler, PyFileSystem

    fs, path = filesystem(location)
    return PyFileSystem(FSSpecHandler(fs)), path


def _discard(location: str, name: str) -> None:
    """Remove an earlier run of the same name, which Ray Train would resume without a message."""
    from emosense.storage.folders import remove
    from emosense.storage.locations import join

    remove(join(location, name))


def _train_loop(loop_config: dict[str, Any]) -> None:
    """Train on one worker."""
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
        _report(workers.rank, record, {_STATE_FILE: snapshot, _HISTORY_FILE: history})

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
    _report(workers.rank, history[-1], {_WEIGHTS_FILE: network.weights, _STATE_FILE: snapshot, _HISTORY_FILE: history})


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
        history = json.loads(Path(folder, _HISTORY_FILE).read_text())
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
            elif name == _HISTORY_FILE:
                path.write_text(json.dumps(content))
            else:
                path.write_bytes(content)
        ray.train.report(figures, checkpoint=ray.train.Checkpoint.from_directory(folder))
