"""A trained model -> the content of its ``model.json``."""

from __future__ import annotations

import dataclasses
import datetime
import importlib.metadata
from collections import Counter
from typing import Any, Final

from emosense._version import __version__
from emosense.inputs.known_corpora import corpus_licence, corpus_title, joined_licence
from emosense.training.ensemble import features_of, members_of
from emosense.training.families import FAMILIES
from emosense.training.features.table import FeatureTable
from emosense.training.held_out_score import HeldOutScore
from emosense.training.settings import EnsembleConfig, ModelConfig
from emosense.training.transfer_settings import TransferConfig

WINDOW_S: Final = 10.0
_ENCODER_LICENCE: Final = (
    " The first layers are those of a Whisper encoder: OpenAI's are under the MIT licence, Copyright (c) 2022 OpenAI."
)


def describe(
    name: str,
    preset: str,
    seed: int,
    config: ModelConfig,
    classes: tuple[str, ...],
    table: FeatureTable,
    n_epochs: int,
    held_out_score: HeldOutScore | None,
) -> dict[str, Any]:
    """Return the content of ``model.json``, except the digest of the weights, which `write_model` adds.

    Parameters
    ----------
    name : str
        The model's own name.
    preset : str
        Name of the preset in its family.
    seed : int
        Seed of the training.
    config : NetworkConfig or EnsembleConfig
        Settings of the model.
    classes : tuple of str
        Emotions, in the order of the model's output.
    table : FeatureTable
        Training data, with the first of the features that the model takes.
    n_epochs : int
        Epochs (of an MLP: passes) of the training; 0 for several networks together.
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
        "name": name,
        "version": __version__,
        "kind": config.kind,
        "classes": list(classes),
        "features": [feature.to_dict() for feature in features_of(config)],
        "window_s": WINDOW_S,
        "calibration": {
            "method": "temperature" if held_out_score else "none",
            "temperature": held_out_score.temperature if held_out_score else 1.0,
            "in_graph": True,
        },
        "trained_on": {
            "corpora": corpora_of(table),
            "n_recordings": len(table),
            "speakers": sorted(set(table.speakers)),
            "emotions": dict(Counter(table.emotions)),
            "preset": preset,
            "epochs": n_epochs,
            "seed": seed,
            "settings": _settings(config),
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        },
        "scores": [held_out_score.score] if held_out_score else [],
        "licence": joined_licence(table.corpora) + (_ENCODER_LICENCE if TransferConfig.kind in kinds else ""),
        "versions": {"emosense": __version__} | {name: importlib.metadata.version(name) for name in packages},
    }


def corpora_of(table: FeatureTable) -> list[dict[str, Any]]:
    """Describe the corpora of a table.

    Parameters
    ----------
    table : FeatureTable
        Recordings of one or more corpora.

    Returns
    -------
    list of dict
        One per corpus, by name: ``name``, ``title``, ``licence``, ``languages`` (those that the table gives),
        ``n_recordings``, ``n_speakers`` and ``emotions`` with their counts.
    """
    found = []
    for name in sorted(set(table.corpora)):
        part = table.select([row for row, corpus in enumerate(table.corpora) if corpus == name])
        found.append({
            "name": name,
            "title": corpus_title(name),
            "licence": corpus_licence(name),
            "languages": sorted(set(part.languages) - {""}),
            "n_recordings": len(part),
            "n_speakers": len(set(part.speakers)),
            "emotions": dict(Counter(part.emotions)),
        })  # fmt: skip
    return found


def _settings(config: ModelConfig) -> dict[str, Any]:
    """Return the settings without features and classes, which ``model.json`` has as entries of their own.

    The file of an encoder lies on this machine only.
    """
    if isinstance(config, EnsembleConfig):
        members = members_of(config, 0)
        return {"members": [{"seed": member.seed} | _settings(member.config) for member in members]}
    settings = dataclasses.asdict(config)
    for network in (settings, settings.get("teacher") or {}):
        if network.get("embedding"):
            network["embedding"]["encoder"].pop("file")
    return {name: value for name, value in settings.items() if name not in ("feature", "classes")}
