"""The comparison of two evaluations."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_pages import Page, comparison_page, made_evaluation, share
from sklearn import metrics as oracle

from emosense.errors import UsageError
from emosense.evaluation.intervals import compare_uar
from emosense.reports import comparison_report
from emosense.reports.comparison import comparison_text


def test_two_models_are_tested_on_the_same_rows(tmp_path: Path) -> None:
    a = made_evaluation(tmp_path / "a", skill=1.8, seed=1, kind="mlp")
    b = made_evaluation(tmp_path / "b", skill=0.9, seed=2)
    page = comparison_page(a, b)
    scores = [oracle.balanced_accuracy_score(made.truth, made.predicted) for made in (a, b)]
    difference = 100 * (scores[0] - scores[1])
    tested = compare_uar(a.truth, a.predicted, b.predicted, a.speakers)
    assert tested.interval is not None
    assert page.facts["difference in UAR"] == f"{difference:+.1f}|points, MLP default minus CNN default"
    assert page.facts["95 % interval"].startswith(
        f"{100 * tested.interval[0]:+.1f} to {100 * tested.interval[1]:+.1f}|"
    )
    # With 8 actors who all agree, two of the 256 swaps are as extreme.
    assert page.facts["p-value"].startswith(f"{2 / 256:.4f}|")
    assert page.facts["rows compared"].startswith("512|")
    assert (
        f"MLP default is {difference:.1f} points of UAR above CNN default, p = 0.008 (sign-flip test over"
        in page.source
    )
    assert (
        f"UAR is {share(scores[0], 1)} for MLP default and {share(scores[1], 1)} for CNN default"
        in (page.captions["uar-compared"])
    )
    recalls = [oracle.recall_score(made.truth, made.predicted, average=None) for made in (a, b)]
    notes = [text for text in page.texts["recall-compared"] if text.endswith("%")]
    assert notes == [share(recall[place], 1) for place in range(8) for recall in recalls]
    right_a, right_b = a.predicted == a.truth, b.predicted == b.truth
    counts = [
        (right_a & right_b).sum(),
        (right_a & ~right_b).sum(),
        (~right_a & right_b).sum(),
        (~right_a & ~right_b).sum(),
    ]
    assert [t for t in page.texts["agreement-b"] if "(" in t] == [f"{n} ({share(n, 512)})" for n in counts]
    assert {"confusion-a", "confusion-b", "separation-a", "separation-b", "curves-loss-b"} <= set(page.captions)
    assert 'class="warning"' not in page.source


def test_three_families_stand_side_by_side(tmp_path: Path) -> None:
    made = [made_evaluation(tmp_path / kind, skill=skill, seed=seed, kind=kind)
            for seed, (kind, skill) in enumerate((("mlp", 0.9), ("cnn", 1.3), ("transfer", 1.8)))]  # fmt: skip
    folders = [str(each.folder) for each in made]
    comparison_report(folders, str(tmp_path / "page.html"))
    page = Page(tmp_path / "page.html")
    scores = [share(oracle.balanced_accuracy_score(each.truth, each.predicted), 1) for each in made]
    names = ("MLP default", "CNN default", "Transfer default")
    said = [f"{score} for {name}" for score, name in zip(scores, names, strict=True)]
    assert f"the UAR is {said[0]}, {said[1]} and {said[2]};" in page.captions["uar-compared"]
    notes = [text for text in page.texts["recall-compared"] if text.endswith("%")]
    recalls = [oracle.recall_score(each.truth, each.predicted, average=None) for each in made]
    assert notes == [share(recall[place], 1) for place in range(8) for recall in recalls]
    assert {"agreement-b", "agreement-c", "confusion-a", "confusion-b", "confusion-c"} <= set(page.captions)
    for other in names[1:]:
        assert f"{other} is " in page.source
    with pytest.raises(UsageError, match="compares 3 evaluations at most, not 4"):
        comparison_report([*folders, folders[0]], str(tmp_path / "page.html"))


def test_an_unfair_comparison_has_warnings(tmp_path: Path) -> None:
    a = made_evaluation(tmp_path / "a", ("neutral", "calm", "happy", "sad"), n_seeds=1, protocol="random",
                        speaker_independent=False)  # fmt: skip
    b = made_evaluation(tmp_path / "b", seed=3)
    page = comparison_page(a, b)
    assert page.source.count('class="warning"') == 4
    assert "CNN default (first) was scored on a random split" in page.source
    assert "The protocols differ (random and lj5)" in page.source
    assert "The numbers of emotions differ (CNN default (first) 4, CNN default (second) 8)" in page.source
    assert "Only 128 rows are in all evaluations, of 128 and 512" in page.source
    assert page.facts["rows compared"].startswith("128|")


def test_a_model_on_speakers_of_its_own_training_is_refused_on_page_and_terminal(tmp_path: Path) -> None:
    a = made_evaluation(tmp_path / "a", model="default", protocol="given model", seen_speakers=["01", "02", "99"])
    b = made_evaluation(tmp_path / "b", seed=3)
    for folders in ((a.folder, b.folder), (b.folder, a.folder)):
        for compare in (comparison_text, lambda *pair: comparison_report(pair, str(tmp_path / "page.html"))):
            with pytest.raises(UsageError, match=r"on 2 speakers that it was trained on \(01, 02\)"):
                compare(*map(str, folders))
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize(
    ("n_actors", "says"),
    [
        (1, "The smallest p that 1 speaker can give is 1.00, so no difference can be significant at 0.05."),
        (3, "The smallest p that 3 speakers can give is 0.25, so no difference can be significant at 0.05."),
        (8, "The smallest p that 8 speakers can give is 0.0078."),
        (13, ""),
    ],
)
def test_the_smallest_p_of_few_speakers_is_stated(tmp_path: Path, n_actors: int, says: str) -> None:
    a = made_evaluation(tmp_path / "a", skill=1.8, seed=1, n_actors=n_actors)
    b = made_evaluation(tmp_path / "b", skill=0.9, seed=2, n_actors=n_actors)
    text = comparison_text(str(a.folder), str(b.folder))
    assert text.endswith(f"recordings in common. {says}".rstrip())
    assert says in comparison_page(a, b).source
    tested = compare_uar(a.truth, a.predicted, b.predicted, a.speakers)
    assert tested.smallest_p <= tested.p_value


def test_evaluations_of_different_corpora_are_not_compared(tmp_path: Path) -> None:
    a = made_evaluation(tmp_path / "a", ("neutral", "calm"))
    b = made_evaluation(tmp_path / "b", ("happy", "calm"))
    with pytest.raises(UsageError, match=r"disagree about the emotion of -wav/01/0-0\.wav"):
        comparison_page(a, b)
    text = (b.folder / "predictions.csv").read_text()
    (b.folder / "predictions.csv").write_text(text.replace("-wav/", "-other/"), newline="")
    with pytest.raises(UsageError, match="have no recording and seed in common"):
        comparison_page(a, b)
