"""The tables of docs/results.md follow from stored predictions, without audio and without a model."""

from __future__ import annotations

import csv
import importlib
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow.parquet as pq
import pytest
from conftest import REPOSITORY

from emosense.emotions import EMOTIONS
from emosense.evaluation.adapted import mean_adaptation

sys.path.insert(0, str(REPOSITORY / "tests" / "reports"))
sys.path.insert(0, str(REPOSITORY / "benchmarks"))
from made_pages import made_evaluation

MAX_STORED_BYTES = 2_000_000


@pytest.fixture(scope="module")
def results() -> ModuleType:
    return importlib.import_module("results")


def block(results: ModuleType, kind: str, place: Path) -> list[list[str]]:
    """The rows of a table that is made for the stored predictions `made`."""
    page = f"before\n<!-- results {kind}: made -->\nold figures\n<!-- end of results -->\nafter\n"
    text = results.rebuilt(page, place)
    assert text.startswith(f"before\n<!-- results {kind}: made -->\n| model |")
    assert text.endswith(" |\n<!-- end of results -->\nafter\n")
    assert results.rebuilt(text, place) == text
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [line.strip("| ").split(" | ") for line in lines[2:]]


def spread(score: dict[str, float]) -> str:
    return f"{100 * score['mean']:.1f} ± {100 * score['sd']:.1f}"


def test_tables_have_the_figures_of_the_evaluation(results: ModuleType, tmp_path: Path) -> None:
    made = made_evaluation(tmp_path / "e")
    results.store(made.folder, "made", tmp_path / "kept")
    metrics = json.loads((made.folder / "metrics.json").read_text())
    ((model, protocol, n_emotions, uar, _, accuracy, *_),) = block(results, "overview", tmp_path / "kept")
    assert (model, protocol, n_emotions) == ("cnn default", "lj5", "8")
    assert uar == spread(metrics["scores"]["uar"])
    assert accuracy == spread(metrics["scores"]["accuracy"])
    ((_, *figures),) = block(results, "adaptation", tmp_path / "kept")
    reached = mean_adaptation(metrics["seeds"])
    assert figures == [spread(reached[name]["uar"]) for name in ("none", "one", "ten", "all", "same")]
    rows = block(results, "corpora", tmp_path / "kept")
    assert [row[2] for row in rows] == ["nothing", "each speaker", "the corpus"]
    assert rows[0][3] == f"{100 * metrics['scores']['uar']['mean']:.1f}"


def test_an_ensemble_of_two_evaluations_is_the_geometric_mean_of_their_predictions(
    results: ModuleType, tmp_path: Path
) -> None:
    for number, name in enumerate(("one", "two")):
        results.store(made_evaluation(tmp_path / name, n_seeds=1, seed=number).folder, name, tmp_path / "kept")
    one, two, both = (results.Stored(name, tmp_path / "kept") for name in ("one", "two", "one+two"))
    assert both.title == "cnn default + cnn default"
    order = [one.rows["path"].tolist().index(path) for path in both.rows["path"]]
    product = np.sqrt(
        one.shares[order] * two.shares[[two.rows["path"].tolist().index(path) for path in both.rows["path"]]]
    )
    assert both.shares == pytest.approx(product / product.sum(axis=1, keepdims=True), abs=1e-5)
    assert both.labels.tolist() == one.labels[order].tolist()
    results.store(made_evaluation(tmp_path / "other", n_seeds=1, n_actors=6).folder, "other", tmp_path / "kept")
    with pytest.raises(ValueError, match="one\\+other: an ensemble needs predictions for the same recordings"):
        results.Stored("one+other", tmp_path / "kept")


def test_a_stored_evaluation_has_no_place_of_its_recordings(results: ModuleType, tmp_path: Path) -> None:
    made = made_evaluation(tmp_path / "e", n_seeds=1)
    text = (made.folder / "predictions.csv").read_text()
    paths = [line.split(",")[0] for line in text.splitlines()[1:]]
    (made.folder / "predictions.csv").write_text(text.replace("\n" + paths[0], f"\n/home/me/{paths[0]}", 1))
    stored = pq.read_table(results.store(made.folder, "made", tmp_path / "kept"))
    assert len(stored) == len(paths)
    assert "home" not in " ".join(stored["path"].to_pylist())


def test_the_committed_tables_are_those_of_the_stored_predictions(results: ModuleType) -> None:
    text = results.PAGE.read_text(encoding="utf-8")
    assert results.rebuilt(text) == text
    stored = list(results.STORE.glob("*.parquet"))
    assert sum(file.stat().st_size for file in stored) < MAX_STORED_BYTES
    named = {name for match in results._BLOCK.finditer(text) for name in match[3].replace("+", " ").split()}
    assert {file.stem for file in stored} == named


def test_voices_are_tabulated_by_what_a_speaker_has(results: ModuleType, tmp_path: Path) -> None:
    folder = made_evaluation(tmp_path / "e", n_seeds=1).folder
    results.store(folder, "made", tmp_path / "kept")
    (plain,) = block(results, "voices", tmp_path / "kept")
    assert plain[:3] == ["cnn default", "lj5", "normalised scores"]
    # Speaker heads that say what the heads say, and classes that explain what they are.
    with open(folder / "predictions.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    with open(folder / "predictions.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0], *(f"s_{name}" for name in EMOTIONS)])
        writer.writeheader()
        writer.writerows(row | {f"s_{name}": row[f"p_{name}"] for name in EMOTIONS} for row in rows)
    metrics = json.loads((folder / "metrics.json").read_text())
    of_classes = [[[0.02] * place + [0.86] + [0.02] * (7 - place)] * 2 for place in range(8)]
    folds = sorted({row["fold"] for row in rows})
    heads = [{"seed": 0, "fold": fold, "class_probabilities": of_classes, "temperature": 1.0} for fold in folds]
    (folder / "metrics.json").write_text(json.dumps(metrics | {"speaker_heads": heads}))
    results.store(folder, "made", tmp_path / "kept")
    scores, head = block(results, "voices", tmp_path / "kept")
    assert scores == plain
    assert head[2] == "the speaker head"
    # A single recording keeps its label; eight emotions are all that a speaker has.
    assert head[3] == scores[3] == head[4] == scores[4]
    assert head[5:] != scores[5:]


def test_the_figures_of_the_shipped_models_are_those_of_the_stored_predictions() -> None:
    shipped_models = importlib.import_module("shipped_models")
    scores = shipped_models.compared()
    for file, text in shipped_models.written(scores).items():
        assert file.read_text(encoding="utf-8") == text, f"{file.name}: run `make results`"
    readme = " ".join((REPOSITORY / "README.md").read_text(encoding="utf-8").split())
    home, elsewhere = scores["default"]["home"], scores["default"]["elsewhere"]
    assert f"`default` recognises {home['uar']:.0%} of 8 emotions".replace("%", " %") in readme
    assert f"({home['uar_adapted']:.0%} adapted to each speaker)".replace("%", " %") in readme
    assert f"rooms {elsewhere['uar']:.0%} ({elsewhere['uar_adapted']:.0%})".replace("%", " %") in readme


def test_a_card_that_was_just_written_gets_the_figures(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shipped_models = importlib.import_module("shipped_models")
    card = tmp_path / "MODEL_CARD.md"
    card.write_text("# fast\n\n## Scores\n\nNo score was measured.\n")
    monkeypatch.setattr(shipped_models, "shipped_models", lambda: {"fast": str(tmp_path)})
    scores = {place: {"uar": 0.5, "uar_adapted": 0.625} for place in ("home", "elsewhere")}
    text = shipped_models.written({"fast": scores})[card]
    assert "| `fast` | 50.0 % | 62.5 % | 50.0 % | 62.5 % |\n" in text
    assert text.index("## Compared") < text.index("## Scores")
    card.write_text(text)
    assert shipped_models.written({"fast": scores})[card] == text
