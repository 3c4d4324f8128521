"""One interface over both model families: a feature table in, ONNX weights and learning curves out.

Held-out predictions are always made with the exported ONNX graph, one recording a call, as labelling does: what is
measured is what is shipped.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emosense.errors import UsageError
from emosense.feature_table import FeatureTable
from emosense.training import cnn, cnn_presets, mlp
from emosense.training.cnn_presets import CnnConfig

Float64 = NDArray[np.float64]
Config = mlp.MlpConfig | CnnConfig

# A third of the rows needs more passes; chosen with the preset (docs/results.md).
_PASSES_WITHOUT_COPIES: Final = 20


@dataclasses.dataclass(frozen=True, slots=True)
class Fitted:
    """A trained model.

    Parameters
    ----------
    weights : bytes
        ONNX graph: ``features`` in, ``probabilities`` out.
    history : list of dict
        One record an epoch: ``epoch``, ``train_loss`` and what else is known.
    """

    weights: bytes
    history: list[dict[str, Any]]


def preset(kind: str, name: str) -> Config:
    """Return a preset of a model family.

    Raises
    ------
    UsageError
        If there is none of that name.
    """
    presets: dict[str, dict[str, Any]] = {"mlp": mlp.PRESETS, "cnn": cnn_presets.PRESETS}
    if kind not in presets:
        raise UsageError(f"unknown model kind {kind!r}: choose one of {', '.join(presets)}")
    if name not in presets[kind]:
        raise UsageError(f"unknown preset {name!r} of {kind}: choose one of {', '.join(presets[kind])}")
    config: Config = presets[kind][name]
    return config


def copy_speeds(config: Config) -> tuple[float, ...]:
    """Speeds of the copies that a configuration trains on besides the recordings themselves."""
    return tuple(speed for speed in config.speeds if speed != 1.0) if isinstance(config, mlp.MlpConfig) else ()


def fit(
    table: FeatureTable,
    classes: tuple[str, ...],
    config: Config,
    *,
    seed: int,
    validation: FeatureTable | None = None,
    state: cnn.TrainingState | None = None,
    on_epoch: Callable[[cnn.EpochResult], None] | None = None,
    exchange: cnn.Exchange | None = None,
) -> Fitted:
    """Train a model.

    Parameters
    ----------
    table, validation : FeatureTable
        Utterances of the emotions in `classes`; the second is only looked at.
    state, on_epoch, exchange
        See `emosense.training.cnn.fit`; the MLP has no use for them.
    """
    labels = table.labels(classes)
    if isinstance(config, mlp.MlpConfig):
        if copy_speeds(config) and not table.copies:
            config = dataclasses.replace(config, speeds=(1.0,), max_iter=_PASSES_WITHOUT_COPIES)
        rows = np.stack([features for copy in (table.features, *table.copies) for features in copy])
        repeated = np.tile(labels, 1 + len(table.copies))
        pipeline = mlp.fit(rows, repeated, dataclasses.replace(config, classes=classes), seed=seed)
        losses = pipeline[-1].loss_curve_
        history = [{"epoch": number, "train_loss": float(loss)} for number, loss in enumerate(losses, start=1)]
        return Fitted(mlp.to_onnx(pipeline, len(table.features[0])), history)
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
        exchange=exchange,
    )
    return Fitted(cnn.to_onnx(model, config, table.features[0].shape[-1]), history)


def epoch_record(result: cnn.EpochResult) -> dict[str, Any]:
    """Return what the learning curves keep of an epoch."""
    values = {field.name: getattr(result, field.name) for field in dataclasses.fields(result)}
    return {name: value for name, value in values.items() if isinstance(value, int | float)}


def predict(weights: bytes, table: FeatureTable, n_classes: int) -> Float64:
    """Return the probabilities of the classes for each utterance, shape (n, n_classes)."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    found = [session.run(["probabilities"], {name: features[np.newaxis]})[0][0] for features in table.features]
    return np.array(found, np.float64).reshape(len(table), n_classes)


def with_temperature(weights: bytes, temperature: float) -> bytes:
    """Put temperature scaling into an ONNX graph.

    The softmax of ``logits / T`` is ``p ** (1 / T)``, normalised (Guo et al. 2017, arXiv 1706.04599), so that no logits
    are needed.
    """
    if temperature == 1.0:
        return weights
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load_from_string(weights)
    graph = model.graph
    for node in graph.node:
        node.output[:] = ["uncalibrated" if name == "probabilities" else name for name in node.output]
        node.input[:] = ["uncalibrated" if name == "probabilities" else name for name in node.input]
    graph.initializer.append(numpy_helper.from_array(np.array(1 / temperature, np.float32), "inverse_temperature"))
    graph.initializer.append(numpy_helper.from_array(np.array([1], np.int64), "class_axis"))
    graph.node.extend(
        [
            helper.make_node("Pow", ["uncalibrated", "inverse_temperature"], ["sharpened"]),
            helper.make_node("ReduceSum", ["sharpened", "class_axis"], ["sharpened_sum"], keepdims=1),
            helper.make_node("Div", ["sharpened", "sharpened_sum"], ["probabilities"]),
        ]
    )
    onnx.checker.check_model(model)
    result: bytes = model.SerializeToString()
    return result
