"""The networks of a model, and their graphs joined to one.

A single network counts as an ensemble of one, so evaluation and training treat all models alike.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any, Final

from emosense.features.config import FeatureConfig
from emosense.training.cnn_settings import CnnConfig
from emosense.training.features.extraction import Copy, Speed
from emosense.training.features.waveform_augmentation import RandomCopy
from emosense.training.graphs import Part, combine
from emosense.training.mlp_settings import PASSES_WITHOUT_COPIES, MlpConfig
from emosense.training.settings import EnsembleConfig, Member, ModelConfig, NetworkConfig
from emosense.training.transfer_settings import TransferConfig

# The name does not change a network's output; features and classes are compared separately.
_BESIDE_SETTINGS: Final = frozenset({"name", "feature", "classes"})


def members_of(config: ModelConfig, seed: int) -> tuple[Member, ...]:
    """Return the networks of a model, each with its own seed.

    Ensembles of different seeds share no network: the first uses seeds 0 to 2 of the CNN and 0 of the MLP, the second
    seeds 3 to 5 and 1. An evaluation of the CNN with nine seeds has therefore trained the CNNs of three ensembles.

    Parameters
    ----------
    config : NetworkConfig or EnsembleConfig
        Settings of the model.
    seed : int
        Seed of the model.

    Returns
    -------
    tuple of Member
        One for each network.
    """
    if not isinstance(config, EnsembleConfig):
        return (Member(config, seed),)
    n_alike = Counter(type(member.config) for member in config.members)
    return tuple(Member(member.config, seed * n_alike[type(member.config)] + member.seed) for member in config.members)


def copies_of(config: NetworkConfig) -> tuple[Copy, ...]:
    """Return the copies that a network is trained on, in addition to the recordings themselves.

    What a teacher takes of the recordings counts as one.

    Parameters
    ----------
    config : NetworkConfig
        Settings of the network.

    Returns
    -------
    tuple of Copy
        In the order of training.
    """
    if isinstance(config, MlpConfig):
        return tuple(Copy(config.feature, Speed(speed)) for speed in config.speeds if speed != 1.0)
    if isinstance(config, CnnConfig) and config.teacher and config.teacher.embedding:
        return (Copy(config.teacher.embedding, None),)
    if isinstance(config, TransferConfig) and config.embedding and config.copies:
        variants = (None, *(RandomCopy(number) for number in range(config.copies)))
        return tuple(Copy(config.embedding, variant) for variant in variants)
    return ()


def features_of(config: ModelConfig) -> dict[FeatureConfig, tuple[Copy, ...]]:
    """Return the features that a model takes, with all copies to train on.

    Parameters
    ----------
    config : NetworkConfig or EnsembleConfig
        Settings of the model.

    Returns
    -------
    dict of FeatureConfig to tuple of Copy
        In the order of the inputs of the model's graph.
    """
    copies: dict[FeatureConfig, tuple[Copy, ...]] = {}
    for member in members_of(config, 0):
        known = copies.get(member.config.feature, ())
        copies[member.config.feature] = tuple(dict.fromkeys((*known, *copies_of(member.config))))
    return copies


def without_copies(config: ModelConfig) -> ModelConfig:
    """Return the settings for training without copies: an MLP then needs more passes.

    Parameters
    ----------
    config : NetworkConfig or EnsembleConfig
        Settings of the model.

    Returns
    -------
    NetworkConfig or EnsembleConfig
        Unchanged where no network uses copies.
    """
    if isinstance(config, EnsembleConfig):
        members = tuple(Member(_without_copies(member.config), member.seed) for member in config.members)
        return dataclasses.replace(config, members=members)
    return _without_copies(config)


def _without_copies(config: NetworkConfig) -> NetworkConfig:
    if isinstance(config, TransferConfig):
        return dataclasses.replace(config, copies=0)
    if isinstance(config, CnnConfig):
        return dataclasses.replace(config, teacher=None, teacher_share=0.0)
    if not isinstance(config, MlpConfig) or not copies_of(config):
        return config
    return dataclasses.replace(config, speeds=(1.0,), max_iter=PASSES_WITHOUT_COPIES)


def settings_sha256(config: ModelConfig) -> str:
    """Return a digest of everything that decides a model's output, except its features, classes and data.

    Parameters
    ----------
    config : NetworkConfig or EnsembleConfig
        Settings of the model.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    members = [(member.seed, settings_of(member.config, _BESIDE_SETTINGS)) for member in members_of(config, 0)]
    return hashlib.sha256(repr(members).encode()).hexdigest()


def settings_of(config: NetworkConfig, left_out: Collection[str]) -> list[tuple[str, Any]]:
    """Return the settings of a network, except some.

    Parameters
    ----------
    config : NetworkConfig
        Settings of the network.
    left_out : collection of str
        Names of the settings to leave out.

    Returns
    -------
    list of (str, object)
        Names and values, in the order of the fields.
    """
    names = [field.name for field in dataclasses.fields(config) if field.name not in left_out]
    return [(name, getattr(config, name)) for name in names]


def assemble(config: ModelConfig, weights: Sequence[bytes]) -> bytes:
    """Join the graphs of a model's networks, each with its views of a recording.

    Parameters
    ----------
    config : NetworkConfig or EnsembleConfig
        Settings of the model.
    weights : sequence of bytes
        ONNX graphs of the networks, in the order of `members_of`.

    Returns
    -------
    bytes
        ONNX graph of the model.
    """
    features, parts = list(features_of(config)), []
    for member, network in zip(members_of(config, 0), weights, strict=True):
        views = member.config.views if isinstance(member.config, CnnConfig) else (1.0,)
        parts += [Part(network, features.index(member.config.feature), tempo) for tempo in views]
    return weights[0] if len(parts) == 1 and parts[0].tempo == 1.0 else combine(parts)
