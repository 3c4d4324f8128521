"""Training by gradient steps with Ray Train, seen from the driver: the data, the workers, their storage and restarts.

What each worker does is `emosense.training.gradient_descent.worker_on_ray`.
"""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

from emosense.errors import EmoSenseError
from emosense.storage.objects import filesystem
from emosense.storage.schemes import is_url
from emosense.training.epochs import EpochListener, Listeners
from emosense.training.epochs_on_ray import listening
from emosense.training.gradient_descent.shards import blocks, validation_set
from emosense.training.gradient_descent.training import GradientTraining
from emosense.training.gradient_descent.training_set import TrainingSet, Validation
from emosense.training.gradient_descent.worker_on_ray import HISTORY_FILE, WEIGHTS_FILE, train_loop
from emosense.training.trained_network import TrainedNetwork


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
            train_loop,
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
        weights = Path(folder, WEIGHTS_FILE).read_bytes()
        return TrainedNetwork(weights, json.loads(Path(folder, HISTORY_FILE).read_text()))


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
