"""Training with Ray Train: workers, gradient averaging, checkpoints, resuming and restarts after failures.

Keras 3's `model.fit` fails under MultiWorkerMirroredStrategy (ray issue 47464), so an actor averages the gradients of
the workers. Every worker applies the same mean to the same weights, which therefore stay equal to the last bit. This is
checked after every epoch.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np

from emosense.errors import EmoSenseError
from emosense.storage.objects import filesystem
from emosense.storage.schemes import is_url
from emosense.training.cnn import EpochResult
from emosense.training.cnn_steps import TrainingState
from emosense.training.feature_table import FeatureTable
from emosense.training.fitting import FAMILIES, TrainedNetwork, epoch_record
from emosense.training.gradients_on_ray import ActorAllReduce, AllReduceActor
from emosense.training.settings import NetworkConfig

_STATE_FILE: Final = "state.npz"
_HISTORY_FILE: Final = "history.json"
_WEIGHTS_FILE: Final = "model.onnx"


@dataclasses.dataclass(frozen=True, slots=True)
class RayTraining:
    """How training workers are run.

    Parameters
    ----------
    storage : str
        Local folder or URL for checkpoints.
    n_workers : int
        Data-parallel workers, each on its slice of every batch.
    use_gpu : bool
        Whether each worker gets a GPU.
    resume : bool
        Whether to resume from the last checkpoint of the run with the same name.
    max_failures : int
        How often failed workers are restarted from their last checkpoint.
    """

    storage: str
    n_workers: int = 1
    use_gpu: bool = False
    resume: bool = False
    max_failures: int = 2


def fit_with_ray(
    table: FeatureTable,
    classes: tuple[str, ...],
    config: NetworkConfig,
    *,
    name: str,
    seed: int,
    validation: FeatureTable | None,
    training: RayTraining,
) -> TrainedNetwork:
    """Train a network on the Ray that this process is connected to.

    Parameters
    ----------
    table, classes, config
        See `emosense.training.fitting.fit`.
    name : str
        Name of the run in the storage folder.
    seed, validation
        See `emosense.training.fitting.fit`.
    training : RayTraining
        Workers and checkpoints.

    Returns
    -------
    TrainedNetwork
        Its curves have all epochs, those before a resume included.

    Raises
    ------
    EmoSenseError
        If the workers failed more often than the budget allows.
    """
    import ray
    import ray.train
    from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

    storage_filesystem, storage_path = _storage(training.storage)
    if not training.resume:
        _discard(training.storage, name)
    loop_config = {
        "data": ray.put((table, validation)),
        "classes": classes,
        "config": config,
        "seed": seed,
    }
    trainer = DataParallelTrainer(
        _train_loop,
        train_loop_config=loop_config,
        scaling_config=ray.train.ScalingConfig(
            num_workers=training.n_workers, use_gpu=training.use_gpu, resources_per_worker={"CPU": 1}
        ),
        run_config=ray.train.RunConfig(
            name=name,
            storage_path=storage_path,
            storage_filesystem=storage_filesystem,
            failure_config=ray.train.FailureConfig(max_failures=training.max_failures),
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
    import ray
    import ray.train

    table, validation = ray.get(loop_config["data"])
    context = ray.train.get_context()
    rank, n_workers = context.get_world_rank(), context.get_world_size()
    all_reduce = _connect(rank, n_workers) if n_workers > 1 else None
    state, history = _restore(ray.train.get_checkpoint())

    def on_epoch(result: EpochResult) -> None:
        nonlocal state
        state = snapshot = result.snapshot()
        record = epoch_record(result)
        if all_reduce is not None:
            digests = all_reduce.gather(_digest(snapshot))
            if len(set(digests)) > 1:
                raise RuntimeError(f"the workers' weights differ after epoch {result.epoch}: {digests}")
            record["weights_sha256"] = digests
        history.append(record)
        _report(rank, record, {_STATE_FILE: snapshot, _HISTORY_FILE: history})

    train: Any = FAMILIES.find(loop_config["config"].kind).train
    network = train(
        table,
        loop_config["classes"],
        loop_config["config"],
        seed=loop_config["seed"],
        validation=validation,
        state=state,
        on_epoch=on_epoch,
        all_reduce=all_reduce,
    )
    _report(rank, history[-1], {_WEIGHTS_FILE: network.weights, _STATE_FILE: state, _HISTORY_FILE: history})


def _connect(rank: int, n_workers: int) -> ActorAllReduce:
    """Create the actor on rank 0 and send it to all; a new one per start, so that no unfinished step is left in it."""
    import ray
    from ray.train.collective import broadcast_from_rank_zero

    actor = ray.remote(num_cpus=0)(AllReduceActor).remote(n_workers) if rank == 0 else None
    return ActorAllReduce(broadcast_from_rank_zero(actor), rank, n_workers)


def _digest(snapshot: TrainingState) -> str:
    digest = hashlib.sha256()
    for key in sorted(snapshot):
        digest.update(np.ascontiguousarray(snapshot[key]).tobytes())
    return digest.hexdigest()


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
