"""A trained MLP -> its ONNX graph, with the scaling of features and the softmax in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from emosense.arrays import Float64

if TYPE_CHECKING:
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import Pipeline

# As in the CNN's export (tf2onnx): networks of one graph must use the same operator set.
_OPSET: Final = 17
_IR_VERSION: Final = 8
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
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    scaler, network = pipeline.named_steps.get("standardise"), pipeline.named_steps["mlp"]
    # Mel power spans ten decades: unscaled, float32 sums move probabilities by 5e-5; scaled, by 4e-7.
    dtype, element = (np.float64, TensorProto.DOUBLE) if scaler is None else (np.float32, TensorProto.FLOAT)
    nodes: list[Any] = []
    tensors: list[Any] = []
    last = "features"

    def add(kind: str, *operands: NDArray[Any], **attributes: Any) -> None:
        nonlocal last
        names = [f"tensor_{len(tensors) + i}" for i in range(len(operands))]
        tensors.extend(numpy_helper.from_array(x.astype(dtype), name) for x, name in zip(operands, names, strict=True))
        output = f"value_{len(nodes)}"
        nodes.append(helper.make_node(kind, [last, *names], [output], **attributes))
        last = output

    if scaler is None:
        add("Cast", to=element)
    else:
        add("Sub", scaler.mean_)
        add("Div", scaler.scale_)
    for number, (coefficients, intercepts) in enumerate(_layers(network, n_classes)):
        if number:
            add("Relu")
        add("Gemm", coefficients, intercepts)
    add("Softmax", axis=1)
    nodes.append(helper.make_node("Cast", [last], ["probabilities"], to=TensorProto.FLOAT))
    graph = helper.make_graph(
        nodes,
        "mlp",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", n_values])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", n_classes])],
        tensors,
    )
    opsets = [helper.make_opsetid("", _OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="emosense")
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
