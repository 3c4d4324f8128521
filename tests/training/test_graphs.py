"""Joining ONNX graphs: members, views, shared tensors, and what a model of several feature sets takes."""

from __future__ import annotations

import dataclasses

import numpy as np
import onnx
import pytest
from conftest import tiny_description, tiny_graph
from made_heads import vector_graph
from onnx import numpy_helper

from emosense.emotions import EMOTIONS
from emosense.features.config import default_config
from emosense.models.model import Model
from emosense.models.model_files import read_model, write_model
from emosense.training.augmentation import change_tempo
from emosense.training.cnn_settings import CnnConfig
from emosense.training.ensemble import (
    assemble,
    features_of,
    members_of,
    settings_sha256,
    without_copies,
)
from emosense.training.features.extraction import Copy, Speed
from emosense.training.graphs import Part, combine
from emosense.training.mlp_settings import PASSES_WITHOUT_COPIES, MlpConfig
from emosense.training.presets import preset
from emosense.training.settings import EnsembleConfig, Member


def run(weights: bytes, *features: np.ndarray) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(weights, providers=["CPUExecutionProvider"])
    names = sorted(node.name for node in session.get_inputs())
    return session.run(None, {name: values[np.newaxis] for name, values in zip(names, features, strict=True)})[0][0]


def geometric_mean(*probabilities: np.ndarray) -> np.ndarray:
    product = np.prod(probabilities, axis=0) ** (1 / len(probabilities))
    return product / product.sum()


@pytest.mark.parametrize("n_frames", [1, 2, 7, 150])
def test_views_are_the_geometric_mean_over_tempos(n_frames: int) -> None:
    log_mel = np.random.default_rng(n_frames).uniform(-80, 0, (n_frames, 128)).astype(np.float32)
    graph = tiny_graph(seed=3)
    found = run(combine([Part(graph), Part(graph, tempo=1.1)]), log_mel)
    expected = geometric_mean(run(graph, log_mel), run(graph, change_tempo(log_mel, 1.1).astype(np.float32)))
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_members_of_different_features_have_inputs_of_their_own() -> None:
    rng = np.random.default_rng(0)
    log_mel, values = rng.uniform(-80, 0, (30, 128)).astype(np.float32), rng.standard_normal(12).astype(np.float32)
    first, second, third = tiny_graph(seed=1), vector_graph(12, 2), tiny_graph(seed=3)
    found = run(combine([Part(first), Part(second, 1), Part(third)]), log_mel, values)
    np.testing.assert_allclose(
        found, geometric_mean(run(first, log_mel), run(second, values), run(third, log_mel)), atol=1e-6
    )


def test_views_share_their_tensors_and_members_keep_theirs() -> None:
    first, second = tiny_graph(seed=1), tiny_graph(seed=2)

    def n_weights(weights: bytes) -> int:
        return sum(numpy_helper.to_array(t).size == 128 * 8 for t in onnx.load_from_string(weights).graph.initializer)

    assert n_weights(combine([Part(first), Part(first, tempo=1.1), Part(first, tempo=0.9)])) == 1
    assert n_weights(combine([Part(first), Part(second)])) == 2


def test_a_member_that_rules_an_emotion_out_leaves_the_result_finite() -> None:
    values = np.full(12, 400, np.float32)
    found = run(combine([Part(vector_graph(12, 0)), Part(vector_graph(12, 1))]), values)
    assert np.isfinite(found).all()
    assert found.sum() == pytest.approx(1, abs=1e-5)


def test_combined_graphs_can_be_combined_again() -> None:
    log_mel = np.random.default_rng(1).uniform(-80, 0, (20, 128)).astype(np.float32)
    graphs = [tiny_graph(seed=seed) for seed in range(4)]
    nested = combine([Part(combine([Part(graphs[0]), Part(graphs[1])])), Part(combine([Part(g) for g in graphs[2:]]))])
    np.testing.assert_allclose(run(nested, log_mel), run(combine([Part(g) for g in graphs]), log_mel), atol=1e-6)


def test_a_model_of_two_feature_sets_is_read_and_applied(tmp_path: object) -> None:
    configs = [default_config("logmel"), default_config("functionals")]
    weights = combine([Part(tiny_graph(seed=1)), Part(vector_graph(600, 2), 1)])
    description = tiny_description(kind="ensemble", features=[config.to_dict() for config in configs])
    write_model(str(tmp_path), description, weights)
    model = Model(read_model(str(tmp_path)))
    rng = np.random.default_rng(0)
    features = [
        rng.uniform(-80, 0, (40, 128)).astype(np.float32),
        rng.standard_normal(600).astype(np.float32),
    ]
    np.testing.assert_allclose(model.probabilities(features), run(weights, *features), atol=1e-7)
    assert model.features == tuple(configs)


def test_a_single_network_is_an_ensemble_of_one() -> None:
    config = preset("cnn", "reference")
    assert members_of(config, 5) == (Member(config, 5),)
    assert features_of(config) == {config.feature: ()}
    assert assemble(config, [b"graph"]) == b"graph"


def test_members_of_one_feature_set_are_given_the_copies_of_all_of_them() -> None:
    first, second = (
        dataclasses.replace(preset("mlp", "default"), speeds=speeds) for speeds in ((0.9, 1.0), (1.0, 0.9, 1.2))
    )
    config = EnsembleConfig("two", (Member(first), Member(second)))
    assert features_of(config) == {first.feature: tuple(Copy(first.feature, Speed(speed)) for speed in (0.9, 1.2))}
    single = without_copies(config)
    assert features_of(single) == {first.feature: ()}
    assert {member.config.max_iter for member in single.members} == {PASSES_WITHOUT_COPIES}


def test_what_decides_the_output_of_a_model_decides_its_digest() -> None:
    config = preset("ensemble", "default")
    first = config.members[0]
    renamed = dataclasses.replace(first.config, name="other", classes=("calm", "sad"))
    same = dataclasses.replace(config, name="other", members=(Member(renamed, first.seed), *config.members[1:]))
    assert settings_sha256(same) == settings_sha256(config)
    for change in ({"epochs": 1}, {"views": (0.9,)}, {"mixup": 0.5}):
        member = Member(dataclasses.replace(first.config, **change), first.seed)
        other = dataclasses.replace(config, members=(member, *config.members[1:]))
        assert settings_sha256(other) != settings_sha256(config)
    assert settings_sha256(dataclasses.replace(config, members=config.members[1:])) != settings_sha256(config)


def test_the_seeds_of_an_ensemble_share_no_member() -> None:
    config = preset("ensemble", "default")
    assert isinstance(config, EnsembleConfig)
    networks = set()
    for seed in range(3):
        for member in members_of(config, seed):
            alike = {"views": ()} if isinstance(member.config, CnnConfig) else {}
            networks.add((dataclasses.replace(member.config, **alike), member.seed))
    assert len(networks) == 3 * len(config.members)
    # They are those that evaluations of the CNN with nine seeds, and of the MLP with three, have trained.
    seeds: dict[type, list[int]] = {kind: [] for kind in (CnnConfig, MlpConfig)}
    for network, seed in sorted(networks, key=lambda found: found[1]):
        seeds[type(network)].append(seed)
    assert seeds == {CnnConfig: list(range(9)), MlpConfig: list(range(3))}
    assert {member.config.classes for member in config.members} == {EMOTIONS}
    assert len(features_of(config)) == 2
    assert len({feature.sample_rate for feature in features_of(config)}) == 1
