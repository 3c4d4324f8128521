"""The comparison of two evaluations."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_pages import comparison_page, made_evaluation, share
from sklearn import metrics as oracle

from emosense.errors import UsageError
from emosense.evaluation.intervals import compare_uar


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
    assert page.facts["rows in both"].startswith("512|")
    assert (
        f"MLP default is {difference:.1f} points of UAR above CNN default, p = 0.008 (sign-flip test over"
        in page.source
    )
    assert (
        f"UAR is {share(scores[0], 1)} for MLP default and {share(scores[1], 1)} for CNN default"
        in (page.captions["uar-both"])
    )
    recalls = [oracle.recall_score(made.truth, made.predicted, average=None) for made in (a, b)]
    notes = [text for text in page.texts["recall-both"] if text.endswith("%")]
    assert notes == [share(recall[place], 1) for place in range(8) for recall in recalls]
    right_a, right_b = a.predicted == a.truth, b.predicted == b.truth
    counts = [
        (right_a & right_b).sum(),
        (right_a & ~right_b).sum(),
        (~right_a & right_b).sum(),
        (~right_a & ~right_b).sum(),
    ]
    assert [t for t in page.texts["agreement"] if "(" in t] == [f"{n} ({share(n, 512)})" for n in counts]
    assert {"confusion-a", "confusion-b", "separation-a", "separation-b", "curves-loss-b"} <= set(page.captions)
    assert 'class="warning"' not in page.source


def test_an_unfair_comparison_has_warnings(tmp_path: Path) -> None:
    a = made_evaluation(tmp_path / "a", ("neutral", "calm", "happy", "sad"), n_seeds=1, protocol="random",
                        speaker_independent=False)  # fmt: skip
    b = made_evaluation(tmp_path / "b", seed=3)
    page = comparison_page(a, b)
    assert page.source.count('class="warning"') == 4
    assert "CNN default (first) was scored on a random split" in page.source
    assert "The protocols differ (random and lj5)" in page.source
    assert "CNN default (first) distinguishes 4 emotions and CNN default (second) 8" in page.source
    assert "Only 128 rows are in both evaluations, of 128 and 512" in page.source
    assert page.facts["rows in both"].startswith("128|")


def test_evaluations_of_different_corpora_are_not_compared(tmp_path: Path) -> None:
    a = made_evaluation(tmp_path / "a", ("neutral", "calm"))
    b = made_evaluation(tmp_path / "b", ("happy", "calm"))
    with pytest.raises(UsageError, match=r"disagree about the emotion of -wav/01/0-0\.wav"):
        comparison_page(a, b)
    text = (b.folder / "predictions.csv").read_text()
    (b.folder / "predictions.csv").write_text(text.replace("-wav/", "-other/"), newline="")
    with pytest.raises(UsageError, match="have no recording and seed in common"):
        comparison_page(a, b)
