"""Feature vectors and labels -> a scikit-learn MLP with one hidden layer, and its ONNX form.

Features are (n, n_values), labels are indices into the configuration's classes, which are the model's output columns in
that order. Scaling is the pipeline's first step and part of the ONNX graph, which is the whole model.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from emosense.arrays import Float64
from emosense.errors import UsageError
from emosense.training.balance import balanced_weights, class_mask
from emosense.training.mlp_settings import MlpConfig

if TYPE_CHECKING:
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import Pipeline


# As in the CNN's export (tf2onnx): networks of one graph must use the same operator set.
_OPSET: Final = 17
_IR_VERSION: Final = 8
# A logit whose exponential is 0 in float32.
_NO_PROBABILITY: Final = -1e4


def fit(
    features: NDArray[Any],
    labels: NDArray[np.int64],
    config: MlpConfig,
    *,
    seed: int,
    corpora: Sequence[str] | None = None,
    on_pass: Callable[[int, float], None] | None = None,
) -> Pipeline:
    """Train an MLP.

    Parameters
    ----------
    features : ndarray, shape (n, n_values)
        Finite; copies at other speeds are further rows.
    labels : ndarray, shape (n,), int64
        Indices into ``config.classes``, of at least two of them.
    config : MlpConfig
        Settings of the network.
    seed : int
        Decides the initial weights and the order of the rows.
    corpora : sequence of str, length n, optional
        Corpus of each row; without it, all are of one corpus. The loss of a row is taken among the emotions that its
        corpus has.
    on_pass : callable, optional
        Receives the number of passes over the rows that are done, from 1, and the mean loss of the last one. Without a
        hidden layer there are none.

    Returns
    -------
    sklearn.pipeline.Pipeline
        Its `predict_proba` has a column for each class that occurs in `labels`.

    Raises
    ------
    UsageError
        If there are recordings of fewer than two classes, or a label is not the index of a class.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    from emosense.training.masked_mlp import MaskedMLPClassifier

    present = np.unique(labels)
    if len(present) < 2 or not 0 <= present[0] <= present[-1] < len(config.classes):
        raise UsageError("training needs recordings of at least two of the classes, and of no other")
    # Without a hidden layer the loss is convex, and L-BFGS finds its minimum.
    hidden, solver = ((config.hidden_units,), "adam") if config.hidden_units else ((), "lbfgs")
    network = MaskedMLPClassifier(
        hidden, solver=solver, alpha=config.alpha, batch_size=min(config.batch_size, len(labels)),
        learning_rate=config.learning_rate, learning_rate_init=config.learning_rate_init, epsilon=config.epsilon,
        max_iter=config.max_iter, random_state=seed,
    )  # fmt: skip
    network.on_pass = on_pass
    values, steps = features.astype(np.float64), []
    if config.standardise:
        scaler = StandardScaler().fit(values)
        values = scaler.transform(values)
        steps.append(("standardise", scaler))
    transform = None if config.whitening is None else _whitening(values, labels, config.whitening)
    values = values if transform is None else values @ transform
    corpora = corpora or [""] * len(labels)
    weight = balanced_weights(corpora, labels) if config.balance else None
    mask = class_mask(corpora, labels, len(config.classes))[:, present]
    with warnings.catch_warnings():
        # The number of passes is a setting: more passes only fit the training speakers better.
        warnings.simplefilter("ignore", ConvergenceWarning)
        # Two classes have a single logistic output, and a corpus with one of them says nothing about either.
        if mask.all() or len(present) == 2:
            network.fit(values, labels, sample_weight=weight)
        else:
            network.fit_masked(values, labels, mask, sample_weight=weight)
    if solver == "lbfgs":
        # scikit-learn keeps only the last loss.
        network.loss_curve_ = [network.loss_]
    network.on_pass = None
    if transform is not None:
        network.coefs_[0] = transform @ network.coefs_[0]
    return Pipeline([*steps, ("mlp", network)])


def _whitening(values: Float64, labels: NDArray[np.int64], shrinkage: float) -> Float64:
    """Return the matrix that whitens the shrunk covariance within classes; its result has variance 1 over all."""
    present, class_of_row = np.unique(labels, return_inverse=True)
    centres = np.stack([values[labels == label].mean(axis=0) for label in present])
    residual = values - centres[class_of_row]
    variance, axes = np.linalg.eigh(residual.T @ residual / len(residual))
    transform = axes / np.sqrt((1 - shrinkage) * np.maximum(variance, 0) + shrinkage)
    return np.asarray(transform / (values @ transform).std())


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
        What `fit` returned.
    n_values : int
        Length of a feature vector.
    n_classes : int
        Number of classes; those that `fit` saw no recording of have the probability 0.

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
