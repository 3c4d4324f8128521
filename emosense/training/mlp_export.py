"""A trained MLP -> its ONNX graph, with the scaling of features and the softmax in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from emosense.arrays import Float64
from emosense.training.graph_builder import FEATURES, PROBABILITIES, GraphBuilder

if TYPE_CHECKING:
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import Pipeline

# A logit whose exponential is 0 in float32.
_NO_PROBABILITY: Final = -1e4


def _layers(network: MLPClassifier, n_classes: int) -> list[tuple[Float64, Float64]]:
    """Coefficients and intercepts of each layer, the last for a softmax over all classes.

    The single logistic output of two classes becomes two outputs; classes that were not trained get no probability.
    """
    layers = list(zip(network.coefs_, network.intercepts_, strict=True))
    if len(network.classes_) == 2:
        coefficients, intercepts = layers[-1]
        layers[-1] = np.pad(coefficients, ((0, 0), (1, 0))), np.pad(intercepts, (1, 0))
    coefficients, intercepts = layers[-1]
    of_all = np.zeros((len(coefficients), n_classes)), np.full(n_classes, _NO_PROBABILITY)
    of_all[0][:, network.classes_], of_all[1][network.classes_] = coefficients, intercepts
    layers[-1] = of_all
    return layers


def to_onnx(pipeline: Pipeline, n_values: int, n_classes: int) -> bytes:
    """Convert a trained MLP.

    Parameters
    ----------
    pipeline : sklearn.pipeline.Pipeline
        What `emosense.training.mlp.fit_pipeline` returned.
    n_values : int
        Length of a feature vector.
    n_classes : int
        Number of classes; those without a recording in training have the probability 0.

    Returns
    -------
    bytes
        A graph from ``features``, float32 (batch, n_values), to ``probabilities``, float32 (batch, n_classes).
    """
    from onnx import TensorProto

    scaler, network = pipeline.named_steps.get("standardise"), pipeline.named_steps["mlp"]
    # Mel power spans ten decades: unscaled, float32 sums move probabilities by 5e-5; scaled, by 4e-7.
    dtype, element = (np.float64, TensorProto.DOUBLE) if scaler is None else (np.float32, TensorProto.FLOAT)
    graph = GraphBuilder()

    def add(kind: str, x: str, *operands: NDArray[Any]) -> str:
        return graph.node(kind, [x, *(graph.tensor(values.astype(dtype)) for values in operands)])

    if scaler is None:
        x = graph.node("Cast", [FEATURES], to=element)
    else:
        x = add("Div", add("Sub", FEATURES, scaler.mean_), scaler.scale_)
    for number, (coefficients, intercepts) in enumerate(_layers(network, n_classes)):
        x = add("Gemm", add("Relu", x) if number else x, coefficients, intercepts)
    x = graph.node("Softmax", [x], axis=1)
    graph.node("Cast", [x], PROBABILITIES, to=TensorProto.FLOAT)
    return graph.to_onnx("mlp", ["batch", n_values], {PROBABILITIES: n_classes})
