"""Networks that an evaluation needs -> trained networks, each a Ray task on one CPU and, if asked, a share of a GPU."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emosense.features.config import FeatureConfig
from emosense.progress import Progress
from emosense.ray_session import ray_session
from emosense.training.ensemble import copies_of
from emosense.training.epoch_lines import EpochLines
from emosense.training.epochs import EpochListener
from emosense.training.epochs_on_ray import Reporter, listening
from emosense.training.families import fit
from emosense.training.features.extraction import Copy
from emosense.training.features.table import FeatureTable
from emosense.training.gradient_descent.training import GradientTraining, train_here
from emosense.training.gradient_descent.training_set import TrainingSet, Validation
from emosense.training.network_store import NetworkStore, row_digests, run_key
from emosense.training.settings import NetworkConfig
from emosense.training.trained_network import TrainedNetwork

# Without the numbers of threads, TensorFlow would use all cores, although the task has one.
_ENVIRONMENT: Final = {
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}


def task_options(gpu_share: float, max_retries: int) -> dict[str, Any]:
    """Return the options of a Ray task that trains a network.

    Parameters
    ----------
    gpu_share : float
        Share of a GPU, above 0 and at most 1; 0 for CPUs only: folds on GPUs differ from folds on CPUs in their last
        digits, so a GPU is used only where one is asked for.
    max_retries : int
        How often the task is run again whose worker was lost.

    Returns
    -------
    dict
        With one CPU.
    """
    # Ray hides GPUs from tasks that ask for none, but newer versions only do so on request, so the variable is set.
    # Networks that share a GPU must not take all of its memory, as TensorFlow does.
    on_gpu = {"TF_FORCE_GPU_ALLOW_GROWTH": "true"} if gpu_share else {"CUDA_VISIBLE_DEVICES": "-1"}
    return {
        "num_cpus": 1,
        "num_gpus": gpu_share,
        "max_retries": max_retries,
        "runtime_env": {"env_vars": _ENVIRONMENT | on_gpu},
    }


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class TrainingRun:
    """One network to train.

    Parameters
    ----------
    config : NetworkConfig
        Settings of the network.
    seed : int
        Seed of its training.
    train : ndarray, shape (n,), int64
        Rows of the feature table.
    validation : ndarray, shape (n,), int64, or None
        Rows that the learning curves are measured on; they change no weight.
    name : str
        Names the network to the user.
    """

    config: NetworkConfig
    seed: int
    train: NDArray[np.int64]
    validation: NDArray[np.int64] | None = None
    name: str = ""


class TrainingRuns:
    """Trains networks, each once, and keeps them.

    Parameters
    ----------
    tables : mapping of FeatureConfig to FeatureTable
        The same utterances in each.
    classes : tuple of str
        Emotions to tell apart.
    store : NetworkStore
        Has the networks that are already trained, and receives new ones.
    address, n_workers
        See `ray_session`.
    gpu_share : float
        See `task_options`.
    max_retries : int
        How often a network is trained again whose worker was lost.
    listener : EpochListener, optional
        Receives the epochs of all networks; without one, they are lines of `Progress`.
    """

    def __init__(
        self,
        tables: Mapping[FeatureConfig, FeatureTable],
        classes: tuple[str, ...],
        store: NetworkStore,
        address: str | None,
        n_workers: int | None,
        gpu_share: float = 0.0,
        max_retries: int = 1,
        listener: EpochListener | None = None,
    ) -> None:
        self._tables, self._classes, self._store = tables, classes, store
        self._address, self._n_workers, self._listener = address, n_workers, listener
        self._options = task_options(gpu_share, max_retries)
        self._digests: dict[tuple[FeatureConfig, tuple[Copy, ...]], list[str]] = {}

    def run(self, runs: Sequence[TrainingRun], progress: Progress) -> list[TrainedNetwork]:
        """Train the networks that are not in the store.

        Parameters
        ----------
        runs : sequence of TrainingRun
            Networks to train; equal ones are trained once.
        progress : Progress
            Receives the number of networks done.

        Returns
        -------
        list of TrainedNetwork
            In the order of `runs`.
        """
        keys = [self.key(run) for run in runs]
        networks = {key: network for key in dict.fromkeys(keys) if (network := self._store.find(key))}
        missing = {key: run for key, run in zip(keys, runs, strict=True) if key not in networks}
        progress.start(len(set(keys)))
        progress.advance(len(networks), 0)
        if networks:
            progress.message(f"{len(networks)} of {len(set(keys))} networks are already trained")
        if missing:
            listener = self._listener or EpochLines(progress, len(set(keys)))
            with ray_session(self._address, self._n_workers) as n_cpus, listening(listener) as mailbox:
                listener.stage_begins(len(runs) - len(missing), self._n_at_once(n_cpus))
                self._train(missing, networks, mailbox, progress)
        return [networks[key] for key in keys]

    def _n_at_once(self, n_cpus: int) -> int:
        """How many networks are trained at the same time."""
        import ray

        share = self._options["num_gpus"]
        n_on_gpus = int(ray.cluster_resources().get("GPU", 0) / share) if share else n_cpus
        return max(1, min(n_cpus, n_on_gpus))

    def _train(
        self, missing: dict[str, TrainingRun], networks: dict[str, TrainedNetwork], mailbox: Any, progress: Progress
    ) -> None:
        import ray

        task: Any = ray.remote(**self._options)(train_rows)
        shared = {config: ray.put(self._tables[config]) for config in {run.config.feature for run in missing.values()}}
        keys = {
            task.remote(shared[run.config.feature], self._classes, run, mailbox): key for key, run in missing.items()
        }
        waiting = list(keys)
        while waiting:
            ready, waiting = ray.wait(waiting, num_returns=1)
            try:
                network = ray.get(ready[0])
            except ray.exceptions.RayTaskError as err:
                raise err.cause from err
            networks[keys[ready[0]]] = network
            self._store.keep(keys[ready[0]], network)
            progress.advance(1, 0)

    def key(self, run: TrainingRun) -> str:
        """Return the key of a run in the store.

        Parameters
        ----------
        run : TrainingRun
            A network to train.

        Returns
        -------
        str
            Its `run_key`; rows are digested once for all networks that take the same features.
        """
        takes = (run.config.feature, copies_of(run.config))
        if takes not in self._digests:
            self._digests[takes] = row_digests(self._tables[run.config.feature], run.config)
        digests = self._digests[takes]
        train = [digests[row] for row in run.train]
        validation = [] if run.validation is None else [digests[row] for row in run.validation]
        return run_key(run.config, run.seed, self._classes, train, validation)


def train_rows(table: FeatureTable, classes: tuple[str, ...], run: TrainingRun, mailbox: Any) -> TrainedNetwork:
    """Train one network on its rows of a table.

    Parameters
    ----------
    table : FeatureTable
        Rows for training and validation.
    classes : tuple of str
        Emotions to tell apart.
    run : TrainingRun
        The network.
    mailbox : ray.actor.ActorHandle
        Receives its epochs; see `emosense.training.epochs_on_ray`.

    Returns
    -------
    TrainedNetwork
        Weights and learning curves.
    """
    measured = None if run.validation is None else table.select(run.validation)
    reporter = Reporter(mailbox, run.name)

    def train(training: GradientTraining, examples: TrainingSet, validation: Validation | None) -> TrainedNetwork:
        return train_here(
            training,
            examples,
            validation,
            on_epoch=lambda result, _: reporter.steps_done(training.config, result),
            on_pace=functools.partial(reporter.time_estimated, training.config),
        )

    network = fit(
        table.select(run.train),
        classes,
        run.config,
        seed=run.seed,
        validation=measured,
        run=train,
        on_epoch=reporter.equal_epochs(),
    )
    reporter.wait()
    return network
