"""How far a recording is from those of the training: in NumPy, in the graph, and as a command."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from conftest import tiny_description, tiny_graph
from made_heads import head_graph, made_head, vector_graph

from emosense.cli.main import main
from emosense.errors import UsageError
from emosense.features.config import default_config
from emosense.features.sets import FEATURE_SETS
from emosense.models.model import Model
from emosense.models.model_files import read_model, write_model
from emosense.onnx_session import open_session
from emosense.progress import Silent
from emosense.training.familiarity.distance import Familiarity, learn_familiarity
from emosense.training.familiarity.graph import recording_values, with_distance
from emosense.training.familiarity.job import FamiliarityJob, add_familiarity
from emosense.training.familiarity.speaker_distance import SpeakerDistance
from emosense.training.features.source import FeatureSource
from emosense.training.features.table import FeatureTable
from emosense.training.features.table_file import read_feature_table
from emosense.training.graphs import Part, combine
from emosense.training.head_graph import with_head

N_SPEAKERS, N_EACH, N_VALUES = 20, 30, 12


def made_values(seed: int, n_speakers: int = N_SPEAKERS) -> tuple[np.ndarray, list[str]]:
    """Speakers around one mean, and recordings around their speakers."""
    rng = np.random.default_rng(seed)
    means = np.random.default_rng(7 + seed).normal(0, 1, (n_speakers, N_VALUES))
    values = np.repeat(means, N_EACH, axis=0) + rng.normal(0, 1, (n_speakers * N_EACH, N_VALUES))
    return values, [f"speaker {row // N_EACH}" for row in range(len(values))]


def learned(recordings: Sequence[np.ndarray], speakers: list[str]) -> Familiarity:
    found = learn_familiarity(recordings, speakers)
    assert found is not None
    return found


def test_new_speakers_are_familiar_and_another_kind_of_recording_is_not() -> None:
    familiarity = learned(*made_values(0))
    new_speakers = familiarity.distances(made_values(1)[0]).max(axis=1)
    assert (new_speakers > 1).mean() < 0.1
    assert np.quantile(new_speakers, 0.5) > 0.3
    beyond = made_values(1)[0] + 8
    assert (familiarity.distances(beyond).max(axis=1) > 1).all()


@pytest.mark.parametrize("scale", [1e-4, 1e4])
def test_a_distance_does_not_depend_on_the_scale_of_the_values(scale: float) -> None:
    (values, speakers), (others, _) = made_values(0), made_values(1)
    expected = learned(values, speakers).distances(others)
    np.testing.assert_allclose(learned(values * scale, speakers).distances(others * scale), expected, rtol=0.02)


def test_what_is_constant_in_training_does_not_count() -> None:
    values, speakers = made_values(0)
    values[:, 3] = 0.5
    familiarity = learned(values, speakers)
    odd = values[:5].copy()
    odd[:, 3] = 0.7
    np.testing.assert_allclose(familiarity.distances(odd), familiarity.distances(values[:5]))


def test_of_a_long_vector_the_256_directions_with_the_most_scatter_are_measured() -> None:
    rng = np.random.default_rng(0)
    values, speakers = rng.normal(0, 1, (600, 700)), [f"speaker {row // 30}" for row in range(600)]
    # Directions in which all values move together have the most scatter.
    values += 3 * rng.normal(0, 1, (600, 1))
    measure = learned(values, speakers).measure
    assert isinstance(measure, SpeakerDistance)
    assert measure.whitening.shape == (700, 256)
    together, apart = values[:5] + 200, values[:5] + 200 * np.where(np.arange(700) % 2, 1, -1)
    assert (measure.distances(together)[:, 0] > 2 * measure.distances(values[:5])[:, 0]).all()
    assert (measure.distances(apart)[:, 0] > 2 * measure.distances(values[:5])[:, 0]).all()


def test_one_recording_per_speaker_is_enough_and_two_speakers_are_not() -> None:
    values, _ = made_values(0)
    one_each = learned(values[::5], [f"speaker {row}" for row in range(len(values[::5]))])
    assert (one_each.distances(values).max(axis=1) > 1).mean() < 0.1
    assert (one_each.distances(values + 12).max(axis=1) > 1).all()
    assert learn_familiarity(values, ["a", "b"] * (len(values) // 2)) is None


def said(words: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    """Frames of sounds in this order, 24 each, of a voice and a level of its own."""
    shapes = np.random.default_rng(3).normal(0, 8, (8, 6)) @ np.cos(np.outer(np.arange(1, 7), np.linspace(0, 3, 40)))
    frames = np.repeat(shapes[list(words)], 24, axis=0) * rng.uniform(0.7, 1.4) + rng.normal(0, 3, 40)
    return np.asarray(frames + rng.normal(0, 2, frames.shape), np.float32)


def test_other_sounds_in_another_order_are_unfamiliar_whatever_their_average() -> None:
    rng = np.random.default_rng(0)
    speakers = [f"speaker {row // 6}" for row in range(60)]
    familiarity = learned([said((0, 1, 2, 3, 0, 2), rng) for _ in speakers], speakers)
    same = familiarity.distances([said((0, 1, 2, 3, 0, 2), rng) for _ in range(40)])
    other = familiarity.distances([said((3, 0, 0, 2, 2, 1), rng) for _ in range(40)])
    assert (same.max(axis=1) > 1).mean() <= 0.1
    assert (other[:, 1] > 1).all()
    assert (other[:, 0] > 1).mean() <= 0.1


@pytest.mark.parametrize("n_frames", [1, 2, 200])
def test_a_recording_that_does_not_change_has_nothing_that_is_unexplained(n_frames: int) -> None:
    rng = np.random.default_rng(0)
    familiarity = learned([said((0, 1, 2, 3), rng) for _ in range(18)], [f"speaker {row // 6}" for row in range(18)])
    assert familiarity.distances([np.full((n_frames, 40), -30, np.float32)])[0, 1] < 0.1


def frames_table(n_bands: int = 128) -> FeatureTable:
    """Frames of 12 speakers, of different lengths."""
    rng = np.random.default_rng(0)
    speakers = [f"speaker {row % 12}" for row in range(96)]
    means = rng.normal(0, 1, (12, n_bands))
    features = [
        (means[row % 12] + rng.normal(0, 1, n_bands) + rng.normal(0, 3, (1 + row % 7, n_bands))).astype(np.float32)
        for row in range(96)
    ]
    empty = ("",) * 96
    return FeatureTable(default_config("logmel"), empty, ("sad",) * 96, tuple(speakers), empty, features)


@pytest.mark.parametrize("graph", [tiny_graph(), head_graph(made_head(128, 8))], ids=["frames", "embedding"])
def test_the_graph_measures_what_was_learned_and_keeps_its_probabilities(tmp_path: Path, graph: bytes) -> None:
    table = frames_table()
    values = recording_values(graph, [table])
    familiarity = learned(values, list(table.speakers))
    weights = with_distance(with_distance(graph, familiarity), familiarity)
    models = []
    for name, content in (("without", graph), ("with", weights)):
        (tmp_path / name).mkdir()
        write_model(str(tmp_path / name), tiny_description(), content)
        models.append(Model(read_model(str(tmp_path / name))))
    for features, expected in zip(table.features, familiarity.distances(values).max(axis=1), strict=True):
        before, none = models[0].predict([features])
        probabilities, distance = models[1].predict([features])
        assert none is None
        assert distance == pytest.approx(expected, rel=1e-3, abs=1e-3)
        np.testing.assert_array_equal(probabilities, before)


def test_a_model_of_several_features_measures_the_one_without_frames() -> None:
    frames = frames_table()
    values, _ = made_values(0, n_speakers=12)
    vectors = FeatureTable(
        frames.config, frames.paths, frames.emotions, frames.speakers, frames.sexes, [*values[:96].astype(np.float32)]
    )
    weights = combine([Part(tiny_graph(), 0), Part(vector_graph(N_VALUES, 0), 1)])
    np.testing.assert_allclose(recording_values(weights, [frames, vectors]), values[:96], atol=1e-6)


def test_an_adapted_head_keeps_the_distance() -> None:
    table, graph = frames_table(), head_graph(made_head(128, 8))
    familiarity = learned(recording_values(graph, [table]), list(table.speakers))
    adapted = with_head(with_distance(graph, familiarity), made_head(128, 3))
    distances = [
        open_session(each).run(["distance"], {"features": table.features[0][np.newaxis]})[0]
        for each in (with_distance(graph, familiarity), adapted)
    ]
    np.testing.assert_array_equal(*distances)


@pytest.fixture
def vector_model(tmp_path: Path) -> Callable[..., str]:
    """Write a model on functionals."""

    def write(**changes: object) -> str:
        config = default_config("functionals")
        folder = tmp_path / "vector"
        folder.mkdir()
        described = tiny_description(features=[config.to_dict()], kind="mlp", **changes)
        write_model(str(folder), described, vector_graph(len(FEATURE_SETS[config.set].names(config)), 0))
        (folder / "MODEL_CARD.md").write_text("a card")
        return str(folder)

    return write


def test_the_command_adds_a_distance_to_a_model(
    tmp_path: Path, table: str, vector_model: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, output = vector_model(), tmp_path / "familiar"
    monkeypatch.setattr("sys.argv", ["", "models", "familiarity", table, "-m", model, "-o", str(output), "-q"])
    with pytest.raises(SystemExit) as done:
        main()
    assert done.value.code == 0
    before, after = (read_model(place) for place in (model, str(output)))
    assert after.description | {"weights": before.description["weights"]} == before.description
    assert (output / "MODEL_CARD.md").read_text() == "a card"
    known = read_feature_table(table).features[0]
    near, far = (Model(after).predict([values])[1] for values in (known, known + 100))
    assert near is not None
    assert far is not None
    assert near < 1 < far
    with pytest.raises(UsageError, match="holds a model"):
        add_familiarity(FamiliarityJob(FeatureSource(table, str(tmp_path)), model, str(output)), Silent())


def test_data_of_other_speakers_are_refused(tmp_path: Path, table: str, vector_model: Callable[..., str]) -> None:
    model = vector_model(trained_on={"speakers": ["01", "02", "03", "04", "05", "99"]})
    job = FamiliarityJob(FeatureSource(table, str(tmp_path)), model, str(tmp_path / "out"))
    with pytest.raises(UsageError, match=r"is not what .* was trained on: 1 speaker more, 1 missing"):
        add_familiarity(job, Silent())
    assert not (tmp_path / "out").exists()
