"""Networks that an evaluation needs -> trained networks, each a Ray task of one CPU.

Every fit is kept beside the result under a digest of all that it was made of, so that an evaluation that was stopped
goes on, and an ensemble takes its members from the evaluations of its networks.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emosense._version import __version__
from emosense.features.config import FeatureConfig
from emosense.progress import Progress
from emosense.ray_session import ray_session
from emosense.storage.files import exists, list_folder, make_folder, read_bytes, write_bytes
from emosense.storage.locations import join
from emosense.training.ensemble import copy_speeds, settings_of
from emosense.training.feature_table import FeatureTable
from emosense.training.fitting import TrainedNetwork, fit
from emosense.training.settings import NetworkConfig

# TensorFlow takes every core it sees; a task has one CPU.
_TASK_ENVIRONMENT: Final = {
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "-1",
}
# Settings of a network that its weights do not depend on.
_NOT_TRAINED: Final = frozenset({"name", "feature", "classes", "views"})


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class TrainingRun:
    """One network to train.

    Parameters
    ----------
    train : ndarray, shape (n,)
        Rows of the feature table.
    validation : ndarray or None
        Rows that the learning curves are measured on, and nothing else.
    """

    config: NetworkConfig
    seed: int
    train: NDArray[np.int64]
    validation: NDArray[np.int64] | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class NetworkStore:
    """Folders with finished fits: a new one goes to the first, all are looked through."""

    folders: tuple[str, ...]

    def find(self, key: str) -> TrainedNetwork | None:
        """Return a finished fit, or None. The history is written last, so that a broken write leaves no fit."""
        for folder in self.folders:
            if not exists(join(folder, f"{key}.json")):
                continue
            try:
                kept = json.loads(read_bytes(join(folder, f"{key}.json")))
                weights = read_bytes(join(folder, f"{key}.onnx"))
                if hashlib.sha256(weights).hexdigest() == kept["sha256"]:
                    return TrainedNetwork(weights, kept["history"])
            except (FileNotFoundError, ValueError, LookupError, TypeError):
                # Of a disk that was full, a copy that was broken off or another version: as good as none.
                continue
        return None

    def keep(self, key: str, fitted: TrainedNetwork) -> None:
        """Write a finished fit."""
        make_folder(self.folders[0])
        write_bytes(join(self.folders[0], f"{key}.onnx"), fitted.weights)
        kept = {"history": fitted.history, "sha256": hashlib.sha256(fitted.weights).hexdigest()}
        write_bytes(join(self.folders[0], f"{key}.json"), json.dumps(kept).encode())


def holds_networks(folder: str) -> bool:
    """Whether a folder, local or remote, has a finished fit."""
    try:
        return any(name.endswith(".json") for name in list_folder(folder))
    except NotADirectoryError:
        return False


class TrainingRuns:
    """Trains what is asked for, and each network once.

    Parameters
    ----------
    tables : mapping of FeatureConfig to FeatureTable
        The same utterances in each.
    address, n_workers
        See `ray_session`.
    """

    def __init__(
        self,
        tables: Mapping[FeatureConfig, FeatureTable],
        classes: tuple[str, ...],
        places: NetworkStore,
        address: str | None,
        n_workers: int | None,
    ) -> None:
        self._tables, self._classes, self._places = tables, classes, places
        self._address, self._n_workers = address, n_workers
        self._digests: dict[tuple[FeatureConfig, tuple[float, ...]], list[str]] = {}

    def run(self, wanted: Sequence[TrainingRun], progress: Progress) -> list[TrainedNetwork]:
        """Return the trained networks, in the order of `wanted`."""
        keys = [self._key(unit) for unit in wanted]
        found = {key: fitted for key in dict.fromkeys(keys) if (fitted := self._places.find(key))}
        missing = {key: unit for key, unit in zip(keys, wanted, strict=True) if key not in found}
        progress.start(len(set(keys)))
        progress.advance(len(found), 0)
        if found:
            progress.message(f"{len(found)} of {len(set(keys))} fits are done already")
        if missing:
            with ray_session(self._address, self._n_workers):
                self._train(missing, found, progress)
        return [found[key] for key in keys]

    def _train(self, missing: dict[str, TrainingRun], found: dict[str, TrainedNetwork], progress: Progress) -> None:
        import ray

        task: Any = ray.remote(num_cpus=1, max_retries=1, runtime_env={"env_vars": _TASK_ENVIRONMENT})(train_rows)
        shared = {
            config: ray.put(self._tables[config]) for config in {unit.config.feature for unit in missing.values()}
        }
        keys = {task.remote(shared[unit.config.feature], self._classes, unit): key for key, unit in missing.items()}
        waiting = list(keys)
        while waiting:
            ready, waiting = ray.wait(waiting, num_returns=1)
            try:
                fitted = ray.get(ready[0])
            except ray.exceptions.RayTaskError as err:
                raise err.cause from err
            found[keys[ready[0]]] = fitted
            self._places.keep(keys[ready[0]], fitted)
            progress.advance(1, 0)

    def _key(self, unit: TrainingRun) -> str:
        """Return the `run_key` of a fit; rows are digested once for all fits that hear the same."""
        heard = (unit.config.feature, copy_speeds(unit.config))
        if heard not in self._digests:
            self._digests[heard] = row_digests(self._tables[unit.config.feature], unit.config)
        digests = self._digests[heard]
        train = [digests[row] for row in unit.train]
        validation = [] if unit.validation is None else [digests[row] for row in unit.validation]
        return run_key(unit.config, unit.seed, self._classes, train, validation)


def train_rows(table: FeatureTable, classes: tuple[str, ...], unit: TrainingRun) -> TrainedNetwork:
    """Train one network on its rows of the table."""
    validation = None if unit.validation is None else table.select(unit.validation)
    return fit(table.select(unit.train), classes, unit.config, seed=unit.seed, validation=validation)


def run_key(
    config: NetworkConfig, seed: int, classes: tuple[str, ...], train: Sequence[str], validation: Sequence[str]
) -> str:
    """Digest of what decides a network's weights and curves: the values of the features stand for their settings.

    Parameters
    ----------
    train, validation : sequence of str
        `row_digests` of the rows.
    """
    settings = settings_of(config, _NOT_TRAINED)
    identity = repr((__version__, settings, classes, seed, [list(train), list(validation)]))
    return hashlib.sha256(identity.encode()).hexdigest()[:24]


def row_digests(table: FeatureTable, config: NetworkConfig) -> list[str]:
    """One digest a row, of its label and its features at all speeds that a network trains on."""
    heard = [table.features, *(table.copies[speed] for speed in copy_speeds(config))]
    digests = []
    for row, emotion in enumerate(table.emotions):
        digest = hashlib.sha256(emotion.encode())
        for features in heard:
            digest.update(features[row].tobytes())
        digests.append(digest.hexdigest())
    return digests
