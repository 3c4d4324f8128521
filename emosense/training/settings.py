"""What every model family's settings have, and the settings of several networks together.

The modules of settings load neither NumPy nor a framework, so that listing the presets is fast.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from emosense.emotions import EMOTIONS
from emosense.features.config import FeatureConfig


@dataclasses.dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Settings of one network; each model family has a subclass, whose `kind` is the family's name.

    Parameters
    ----------
    name : str
        Name of the preset.
    feature : FeatureConfig
        The features that the network takes.
    classes : tuple of str
        The emotions that it tells apart.
    """

    kind: ClassVar[str]

    name: str
    feature: FeatureConfig
    classes: tuple[str, ...] = dataclasses.field(default=EMOTIONS, kw_only=True)


@dataclasses.dataclass(frozen=True, slots=True)
class Member:
    """One network of a model.

    Parameters
    ----------
    config : NetworkConfig
        How it is trained.
    seed : int
        Added to the model's seed.
    """

    config: NetworkConfig
    seed: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class EnsembleConfig:
    """Networks whose probabilities are combined by their geometric mean.

    Parameters
    ----------
    name : str
        Name of the preset.
    members : tuple of Member
        The networks.
    classes : tuple of str
        The emotions that each of them tells apart.
    """

    kind: ClassVar[str] = "ensemble"

    name: str
    members: tuple[Member, ...]
    classes: tuple[str, ...] = EMOTIONS


ModelConfig = NetworkConfig | EnsembleConfig
