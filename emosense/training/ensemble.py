"""Which networks make up a model, and how their graphs become one.

A single network counts as an ensemble of one: evaluation and training treat every model as its members.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any, Final

from emosense.features.config import FeatureConfig
from emosense.training.cnn_settings import CnnConfig
from emosense.training.graphs import Part, combine
from emosense.training.mlp_settings import PASSES_WITHOUT_COPIES, MlpConfig
from emosense.training.settings import EnsembleConfig, Member, ModelConfig, NetworkConfig

# What a network answers does not depend on its name; features and classes are stated beside its settings.
_BESIDE_SETTINGS: Final = frozenset({"name", "feature", "classes"})


def members_of(config: ModelConfig, seed: int) -> tuple[Member, ...]:
    """Return the networks of a model that is trained with `seed`, with the seeds that they are trained with.

    Two ensembles share no network: where one takes the first three seeds of the CNN and the first of the MLP, the next
    takes the three and the one that follow. An evaluation of the CNN with nine seeds thus trained those of three.
    """
    if not isinstance(config, EnsembleConfig):
        return (Member(config, seed),)
    n_alike = Counter(type(member.config) for member in config.members)
    return tuple(Member(member.config, seed * n_alike[type(member.config)] + member.seed) for member in config.members)


def copy_speeds(config: NetworkConfig) -> tuple[float, ...]:
    """Speeds of the copies that a network trains on besides the recordings themselves."""
    return tuple(speed for speed in config.speeds if speed != 1.0) if isinstance(config, MlpConfig) else ()


def features_of(config: ModelConfig) -> dict[FeatureConfig, tuple[float, ...]]:
    """Return what a model hears, in the order of its graph's inputs, with the speeds of all copies to train on."""
    speeds: dict[FeatureConfig, tuple[float, ...]] = {}
    for member in members_of(config, 0):
        known = speeds.get(member.config.feature, ())
        speeds[member.config.feature] = tuple(dict.fromkeys((*known, *copy_speeds(member.config))))
    return speeds


def without_copies(config: ModelConfig) -> ModelConfig:
    """Return the settings for features that have no copies at other speeds: an MLP then takes more passes."""
    if isinstance(config, EnsembleConfig):
        members = tuple(Member(_without_copies(member.config), member.seed) for member in config.members)
        return dataclasses.replace(config, members=members)
    return _without_copies(config)


def _without_copies(config: NetworkConfig) -> NetworkConfig:
    if not isinstance(config, MlpConfig) or not copy_speeds(config):
        return config
    return dataclasses.replace(config, speeds=(1.0,), max_iter=PASSES_WITHOUT_COPIES)


def settings_sha256(config: ModelConfig) -> str:
    """Digest of all that decides what a model answers but its features, its classes and its data."""
    members = [(member.seed, settings_of(member.config, _BESIDE_SETTINGS)) for member in members_of(config, 0)]
    return hashlib.sha256(repr(members).encode()).hexdigest()


def settings_of(config: NetworkConfig, left_out: Collection[str]) -> list[tuple[str, Any]]:
    """Return the settings of a network but some, by name."""
    names = [field.name for field in dataclasses.fields(config) if field.name not in left_out]
    return [(name, getattr(config, name)) for name in names]


def assemble(config: ModelConfig, weights: Sequence[bytes]) -> bytes:
    """Join the graphs of a model's networks, in the order of `members_of`, each with its views of a recording."""
    heard, parts = list(features_of(config)), []
    for member, network in zip(members_of(config, 0), weights, strict=True):
        views = member.config.views if isinstance(member.config, CnnConfig) else (1.0,)
        parts += [Part(network, heard.index(member.config.feature), tempo) for tempo in views]
    return weights[0] if len(parts) == 1 and parts[0].tempo == 1.0 else combine(parts)
