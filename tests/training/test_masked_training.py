"""An emotion that a corpus does not have is no evidence against it: shown on two made-up corpora.

One corpus has three classes. The other is recorded elsewhere (a value of its own, 'the room') and has two of them. A
recording of the third class in the room of the second corpus is what no corpus has, and what a user has.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import onnxruntime
import pytest
from made_tables import CLASSES
from sklearn.exceptions import ConvergenceWarning

from emosense.onnx_session import open_session
from emosense.training import cnn, mlp, mlp_export
from emosense.training.cnn_settings import CnnConfig
from emosense.training.features.table import FeatureTable
from emosense.training.masked_mlp import MaskedMLPClassifier
from emosense.training.mlp_settings import MlpConfig
from emosense.training.presets import preset

N = 100


def made_rows(seed: int = 0) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Values, labels and corpora: the class is a direction, the room of the second corpus another one."""
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.repeat([0, 1, 2], N), np.repeat([0, 1], 2 * N)])
    corpora = ["studio"] * (3 * N) + ["room"] * (4 * N)
    values = rng.normal(0, 0.6, (len(labels), 6))
    values[np.arange(len(labels)), labels] += 1.2
    values[3 * N :, 4] += 3
    return values, labels, corpora


def third_class_in_the_room() -> np.ndarray:
    values = np.random.default_rng(1).normal(0, 0.6, (200, 6))
    values[:, 2] += 1.2
    values[:, 4] += 3
    return values


MLP = MlpConfig(
    "made", preset("mlp", "default").feature, hidden_units=8, alpha=1.0, max_iter=100, batch_size=32,
    learning_rate_init=1e-2, balance=True, classes=CLASSES,
)  # fmt: skip


@pytest.mark.parametrize("is_masked", [False, True])
def test_an_mlp_tells_the_loss_of_every_pass(is_masked: bool) -> None:
    values, labels, corpora = made_rows()
    told: list[tuple[int, float]] = []
    config = dataclasses.replace(MLP, max_iter=3)
    known = corpora if is_masked else ["one"] * len(labels)
    found = mlp.fit_pipeline(
        values, labels, config, seed=0, corpora=known, on_pass=lambda *figures: told.append(figures)
    )
    assert told == [(number, pytest.approx(loss)) for number, loss in enumerate(found[-1].loss_curve_, start=1)]
    assert len(told) == 3


@pytest.mark.parametrize("hidden_units", [0, 8])
def test_an_mlp_finds_an_emotion_in_the_room_of_a_corpus_that_lacks_it(hidden_units: int) -> None:
    config = dataclasses.replace(MLP, hidden_units=hidden_units)
    values, labels, corpora = made_rows()
    recall = {}
    for name, known in (("masked", corpora), ("not masked", ["one"] * len(labels))):
        found = mlp.fit_pipeline(values, labels, config, seed=0, corpora=known).predict(third_class_in_the_room())
        recall[name] = float((found == 2).mean())
    assert recall["masked"] > 0.6
    assert recall["masked"] > recall["not masked"] + 0.3


def test_a_cnn_finds_an_emotion_in_the_room_of_a_corpus_that_lacks_it() -> None:
    values, labels, corpora = made_rows()
    config = CnnConfig(
        "made", preset("cnn", "reference").feature, architecture="reference", epochs=15, batch_size=25,
        learning_rate=1e-3, optimizer="rmsprop", balance=True,
    )  # fmt: skip
    # The network takes sequences of frames: the same values in every frame.
    sequences = [np.tile(row, (20, 1)).astype(np.float32) for row in values]
    asked = np.stack([np.tile(row, (20, 1)).astype(np.float32) for row in third_class_in_the_room()])
    recall = {}
    for name, known in (("masked", corpora), ("not masked", ())):
        emotions, paths = tuple(CLASSES[label] for label in labels), ("",) * len(labels)
        table = FeatureTable(config.feature, paths, emotions, paths, paths, sequences, corpora=tuple(known))
        session = open_session(cnn.fit(table, CLASSES, config, seed=0).weights)
        recall[name] = float((session.run(None, {"features": asked})[0].argmax(axis=1) == 2).mean())
    assert recall["masked"] > 0.6
    assert recall["masked"] > recall["not masked"] + 0.3


def test_a_mask_of_all_classes_changes_nothing() -> None:
    values, labels, _ = made_rows()
    options = {"hidden_layer_sizes": (), "solver": "lbfgs", "alpha": 1.0, "max_iter": 1000, "tol": 1e-8}
    mask = np.ones((len(labels), 3), np.bool_)
    masked = MaskedMLPClassifier(**options).fit_masked(values, labels, mask)
    plain = MaskedMLPClassifier(**options).fit(values, labels)
    np.testing.assert_allclose(masked.predict_proba(values), plain.predict_proba(values), atol=1e-3)


def test_the_masked_loss_is_the_cross_entropy_among_the_classes_of_the_row() -> None:
    values, labels, _ = made_rows()
    mask = np.ones((len(labels), 3), np.bool_)
    mask[3 * N :, 2] = False
    with pytest.warns(ConvergenceWarning):
        network = MaskedMLPClassifier((), solver="lbfgs", alpha=0.0, max_iter=3).fit_masked(values, labels, mask)
    logits = values @ network.coefs_[0] + network.intercepts_[0]
    among = np.where(mask, logits, -np.inf)
    losses = np.log(np.exp(among).sum(axis=1)) - logits[np.arange(len(labels)), labels]
    assert network.loss_ == pytest.approx(losses.mean(), rel=1e-6)


@pytest.mark.parametrize("known", [(0, 1), (0, 2)])
def test_an_emotion_that_no_corpus_has_gets_no_probability(known: tuple[int, ...]) -> None:
    values, labels, corpora = made_rows()
    rows = np.isin(labels, known)
    pipeline = mlp.fit_pipeline(
        values[rows], labels[rows], MLP, seed=0, corpora=[c for c, kept in zip(corpora, rows, strict=True) if kept]
    )
    session = onnxruntime.InferenceSession(mlp_export.to_onnx(pipeline, 6, 3))
    (found,) = session.run(["probabilities"], {"features": values.astype(np.float32)})
    missing = ({0, 1, 2} - set(known)).pop()
    assert found.shape == (len(values), 3)
    assert not found[:, missing].any()
    np.testing.assert_allclose(found[:, known], pipeline.predict_proba(values), atol=1e-5)
