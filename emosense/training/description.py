"""A trained model -> the content of its ``model.json``."""

from __future__ import annotations

import dataclasses
import datetime
import importlib.metadata
from collections import Counter
from typing import Any, Final

from emosense._version import __version__
from emosense.models.statistics import FeatureStatistics
from emosense.training.ensemble import features_of, members_of
from emosense.training.feature_table import FeatureTable
from emosense.training.fitting import FAMILIES
from emosense.training.held_out_score import HeldOutScore
from emosense.training.presets import model_name
from emosense.training.settings import EnsembleConfig, ModelConfig

WINDOW_S: Final = 10.0
_RAVDESS_LICENCE: Final = (
    "Trained on RAVDESS (Livingstone & Russo 2018), CC BY-NC-SA 4.0: free for research and other non-commercial use "
    "with attribution; for commercial use of a model trained on it ask the authors of the dataset."
)
_OTHER_LICENCE: Final = "See the licence of the training data."


def describe(
    kind: str,
    preset: str,
    seed: int,
    config: ModelConfig,
    classes: tuple[str, ...],
    table: FeatureTable,
    held_out_score: HeldOutScore | None,
) -> dict[str, Any]:
    """Return the content of ``model.json``, except the digest of the weights, which `write_model` adds.

    Parameters
    ----------
    kind, preset : str
        Names of the preset.
    seed : int
        Seed of the training.
    config : NetworkConfig or EnsembleConfig
        Settings of the model.
    classes : tuple of str
        Emotions, in the order of the model's output.
    table : FeatureTable
        Training data, with the first of the features that the model takes.
    held_out_score : HeldOutScore or None
        Score and temperature; None where none was measured.

    Returns
    -------
    dict
        Can be written as JSON.
    """
    kinds = sorted({member.config.kind for member in members_of(config, 0)}, reverse=True)
    packages = ("numpy", "onnxruntime", *(package for name in kinds for package in FAMILIES[name].packages))
    return {
        "name": model_name(kind, preset),
        "version": __version__,
        "kind": kind,
        "classes": list(classes),
        "features": [feature.to_dict() for feature in features_of(config)],
        "window_s": WINDOW_S,
        "calibration": {
            "method": "temperature" if held_out_score else "none",
            "temperature": held_out_score.temperature if held_out_score else 1.0,
            "in_graph": True,
        },
        "feature_statistics": dataclasses.asdict(FeatureStatistics.of(table.features)),
        "trained_on": {
            "corpus": table.corpus,
            "n_recordings": len(table),
            "speakers": sorted(set(table.speakers)),
            "emotions": dict(Counter(table.emotions)),
            "preset": preset,
            "seed": seed,
            "settings": _settings(config),
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        },
        "scores": [held_out_score.score] if held_out_score else [],
        "licence": _RAVDESS_LICENCE if table.corpus == "ravdess" else _OTHER_LICENCE,
        "versions": {"emosense": __version__} | {name: importlib.metadata.version(name) for name in packages},
    }


def _settings(config: ModelConfig) -> dict[str, Any]:
    """Return the settings without features and classes, which ``model.json`` has as entries of their own."""
    if isinstance(config, EnsembleConfig):
        members = members_of(config, 0)
        return {"members": [{"seed": member.seed} | _settings(member.config) for member in members]}
    settings = dataclasses.asdict(config)
    return {name: value for name, value in settings.items() if name not in ("feature", "classes")}
