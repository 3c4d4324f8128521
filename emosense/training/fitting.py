"""One interface over both model families: a feature table in, ONNX weights and learning curves out.

Held-out predictions are always made with the exported ONNX graph, one recording a call, as labelling does with
recordings of up to a model's window: what is measured is what is shipped.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emosense.errors import UsageError
from emosense.models.model import input_names
from emosense.onnx_session import open_session
from emosense.training import cnn, cnn_presets, ensemble, mlp
from emosense.training.ensemble import ModelConfig, NetworkConfig
from emosense.training.feature_table import FeatureTable
from emosense.training.graphs import PROBABILITIES

Float64 = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, slots=True)
class TrainedNetwork:
    """A trained network.

    Parameters
    ----------
    weights : bytes
        ONNX graph: ``features`` in, ``probabilities`` out; `ensemble.assemble` makes a model of it.
    history : list of dict
        One record an epoch: ``epoch``, ``train_loss`` and what else is known.
    """

    weights: bytes
    history: list[dict[str, Any]]


def preset(kind: str, name: str) -> ModelConfig:
    """Return a preset of a model family.

    Raises
    ------
    UsageError
        If there is none of that name.
    """
    presets: dict[str, dict[str, Any]] = {
        "mlp": mlp.PRESETS,
        "cnn": cnn_presets.PRESETS,
        "ensemble": ensemble.PRESETS,
    }
    if kind not in presets:
        raise UsageError(f"unknown model kind {kind!r}: choose one of {', '.join(presets)}")
    if name not in presets[kind]:
        raise UsageError(f"unknown preset {name!r} of {kind}: choose one of {', '.join(presets[kind])}")
    config: ModelConfig = presets[kind][name]
    return config


def fit(
    table: FeatureTable,
    classes: tuple[str, ...],
    config: NetworkConfig,
    *,
    seed: int,
    validation: FeatureTable | None = None,
    state: cnn.TrainingState | None = None,
    on_epoch: Callable[[cnn.EpochResult], None] | None = None,
    all_reduce: cnn.AllReduce | None = None,
) -> TrainedNetwork:
    """Train a network.

    Parameters
    ----------
    table, validation : FeatureTable
        Utterances of the emotions in `classes`, the first with the copies that the configuration asks for; the second
        is only looked at.
    state, on_epoch, all_reduce
        See `emosense.training.cnn.fit`; the MLP has no use for them.
    """
    labels = table.labels(classes)
    if isinstance(config, mlp.MlpConfig):
        heard = [table.features, *(table.copies[speed] for speed in ensemble.copy_speeds(config))]
        rows = np.stack([features for copy in heard for features in copy])
        repeated = np.tile(labels, len(heard))
        pipeline = mlp.fit(rows, repeated, dataclasses.replace(config, classes=classes), seed=seed)
        losses = pipeline[-1].loss_curve_
        history = [{"epoch": number, "train_loss": float(loss)} for number, loss in enumerate(losses, start=1)]
        return TrainedNetwork(mlp.to_onnx(pipeline, len(table.features[0])), history)
    history = []

    def record(result: cnn.EpochResult) -> None:
        history.append(epoch_record(result))
        if on_epoch:
            on_epoch(result)

    held_out = None if validation is None else (validation.features, validation.labels(classes))
    model = cnn.fit(
        table.features,
        labels,
        config,
        n_classes=len(classes),
        seed=seed,
        validation=held_out,
        state=state,
        on_epoch=record,
        all_reduce=all_reduce,
    )
    return TrainedNetwork(cnn.to_onnx(model, config, table.features[0].shape[-1]), history)


def epoch_record(result: cnn.EpochResult) -> dict[str, Any]:
    """Return what the learning curves keep of an epoch."""
    values = {field.name: getattr(result, field.name) for field in dataclasses.fields(result)}
    return {name: value for name, value in values.items() if isinstance(value, int | float)}


def predict(weights: bytes, tables: Sequence[FeatureTable], n_classes: int) -> Float64:
    """Return the probabilities of the classes for each utterance, shape (n, n_classes).

    Parameters
    ----------
    weights : bytes
        Graph of a model.
    tables : sequence of FeatureTable
        The same utterances in each; one for every feature set that the model hears, in the order of its inputs.
    """
    session = open_session(weights)
    names = input_names(len(tables))
    found = []
    for heard in zip(*(table.features for table in tables), strict=True):
        feeds = {name: features[np.newaxis] for name, features in zip(names, heard, strict=True)}
        found.append(session.run([PROBABILITIES], feeds)[0][0])
    return np.array(found, np.float64).reshape(len(tables[0]), n_classes)
