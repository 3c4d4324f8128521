"""Trained networks, stored under a digest of everything that decides their weights.

An evaluation that was stopped resumes with the networks that it has, and an ensemble takes its members from
evaluations of the single networks.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from typing import Final

from emosense.storage.folders import exists, list_folder, make_folder
from emosense.storage.locations import join
from emosense.storage.reading import read_bytes
from emosense.storage.writing import write_bytes
from emosense.training.cnn_settings import CnnConfig
from emosense.training.ensemble import copies_of, settings_of
from emosense.training.families import FAMILIES
from emosense.training.features.table import FeatureTable
from emosense.training.settings import NetworkConfig
from emosense.training.source_digest import source_digest
from emosense.training.trained_network import TrainedNetwork
from emosense.training.transfer_settings import TransferConfig

# Settings of a network that its weights do not depend on.
_NOT_TRAINED: Final = frozenset({"name", "feature", "classes", "views"})


@dataclasses.dataclass(frozen=True, slots=True)
class NetworkStore:
    """Folders with trained networks.

    Parameters
    ----------
    folders : tuple of str
        All are searched; new networks are written to the first.
    """

    folders: tuple[str, ...]

    def find(self, key: str) -> TrainedNetwork | None:
        """Return a stored network.

        Parameters
        ----------
        key : str
            Its `run_key`.

        Returns
        -------
        TrainedNetwork or None
            None where there is none, or its files are incomplete.
        """
        for folder in self.folders:
            if not exists(join(folder, f"{key}.json")):
                continue
            try:
                kept = json.loads(read_bytes(join(folder, f"{key}.json")))
                weights = read_bytes(join(folder, f"{key}.onnx"))
                if hashlib.sha256(weights).hexdigest() == kept["sha256"]:
                    return TrainedNetwork(weights, kept["history"])
            except (FileNotFoundError, ValueError, LookupError, TypeError):
                # A disk was full, a copy was interrupted, or another version wrote it: train again.
                continue
        return None

    def keep(self, key: str, network: TrainedNetwork) -> None:
        """Write a network; its history is written last, so an interrupted write leaves no network.

        Parameters
        ----------
        key : str
            Its `run_key`.
        network : TrainedNetwork
            The trained network.
        """
        make_folder(self.folders[0])
        write_bytes(join(self.folders[0], f"{key}.onnx"), network.weights)
        kept = {"history": network.history, "sha256": hashlib.sha256(network.weights).hexdigest()}
        write_bytes(join(self.folders[0], f"{key}.json"), json.dumps(kept).encode())


def holds_networks(folder: str) -> bool:
    """Whether a folder has a trained network.

    Parameters
    ----------
    folder : str
        Local path or URL.

    Returns
    -------
    bool
        False also where there is no such folder.
    """
    try:
        return any(name.endswith(".json") for name in list_folder(folder))
    except NotADirectoryError:
        return False


def run_key(
    config: NetworkConfig, seed: int, classes: tuple[str, ...], train: Sequence[str], validation: Sequence[str]
) -> str:
    """Return a digest of what decides a network's weights and curves: code, settings, seed and the values of the rows.

    Parameters
    ----------
    config : NetworkConfig
        Settings of the network.
    seed : int
        Seed of its training.
    classes : tuple of str
        Emotions to tell apart.
    train, validation : sequence of str
        `row_digests` of the rows.

    Returns
    -------
    str
        24 hexadecimal digits.
    """
    code = source_digest(*FAMILIES.find(config.kind).modules)
    settings = settings_of(config, _NOT_TRAINED)
    identity = repr((code, settings, classes, seed, [list(train), list(validation)]))
    return hashlib.sha256(identity.encode()).hexdigest()[:24]


def row_digests(table: FeatureTable, config: NetworkConfig) -> list[str]:
    """Return a digest of each row: of its label, its features, and the copies of them that a network is trained on.

    Parameters
    ----------
    table : FeatureTable
        Rows, with the copies that the network needs.
    config : NetworkConfig
        Settings of the network.

    Returns
    -------
    list of str
        One digest per row.
    """
    variants = [table.features, *(table.copies[copy] for copy in copies_of(config))]
    # Only the speaker head of a transfer model, and what a teacher says, depend on who speaks.
    is_by_speaker = isinstance(config, TransferConfig) or (isinstance(config, CnnConfig) and config.teacher)
    speakers = [table.speakers] if is_by_speaker else []
    digests = []
    for row, label in enumerate(zip(table.emotions, table.corpora, *speakers, strict=True)):
        digest = hashlib.sha256(repr(label).encode())
        for features in variants:
            digest.update(features[row].tobytes())
        digests.append(digest.hexdigest())
    return digests
