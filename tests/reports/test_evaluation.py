"""The report of an evaluation."""

from __future__ import annotations

import json
import re
import statistics
from pathlib import Path

import numpy as np
import pytest
from made_pages import (
    NUMBER,
    Page,
    evaluation_page,
    made_evaluation,
    made_robustness,
    most_certain_half,
    over_seeds,
    share,
    spread,
)
from sklearn import metrics as oracle

from emosense.emotions import EMOTIONS, HIGH_AROUSAL
from emosense.errors import UsageError
from emosense.evaluation.intervals import bootstrap_interval
from emosense.evaluation.metrics import uar
from emosense.reports import evaluation_report
from emosense.reports.confidence_figures import reliability_bins
from emosense.reports.evaluation_data import read_evaluation


def test_the_headline_scores_agree_with_scikit_learn(tmp_path: Path) -> None:
    made = made_evaluation(tmp_path / "e")
    page = evaluation_page(made)
    uars = over_seeds(made, lambda t, p: oracle.balanced_accuracy_score(t, p.argmax(axis=1)))
    accuracies = over_seeds(made, lambda t, p: oracle.accuracy_score(t, p.argmax(axis=1)))
    f1s = over_seeds(made, lambda t, p: oracle.f1_score(t, p.argmax(axis=1), average="macro"))
    aurocs = over_seeds(made, lambda t, p: oracle.roc_auc_score(p.argmax(axis=1) == t, p.max(axis=1)))
    assert page.facts["UAR"] == f"{spread(uars)}|mean ± sd of 2 seeds"
    assert page.facts["accuracy"].startswith(spread(accuracies))
    assert page.facts["macro F1"].startswith(spread(f1s))
    assert page.facts["AUROC of confidence"].startswith(f"{statistics.fmean(aurocs):.3f}|")
    first = made.seeds == 0
    interval = bootstrap_interval(made.truth[first], made.predicted[first], made.speakers[: int(first.sum())], uar,
                                  n_resamples=200)  # fmt: skip
    assert interval is not None
    assert page.facts["UAR interval"].startswith(f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f} %|95 %")
    assert page.facts["recordings"] == "256|of 8 actors"


def test_the_confusion_matrix_shows_counts_and_row_shares(tmp_path: Path) -> None:
    made = made_evaluation(tmp_path / "e")
    page = evaluation_page(made)
    matrix = oracle.confusion_matrix(made.truth, made.predicted)
    shown = [text for text in page.texts["confusion"] if text not in EMOTIONS]
    expected = []
    for row in matrix.tolist():
        for n in row:
            expected += [f"{100 * n / sum(row):.1f}", str(n)] if n else ["·", ""]
    assert shown == expected
    wrong = matrix - np.diag(np.diagonal(matrix))
    truth, taken = np.unravel_index(wrong.argmax(), wrong.shape)
    caption = page.captions["confusion"]
    assert caption.startswith(
        f"The most frequent of {made.n_errors} errors is {EMOTIONS[truth]} predicted as {EMOTIONS[taken]} "
        f"({wrong.max()}, {share(wrong.max(), matrix[truth].sum())} of {EMOTIONS[truth]})"
    )
    trio = [EMOTIONS.index(name) for name in ("disgust", "fearful", "happy")]
    among = sum(int(wrong[a, b]) for a in trio for b in trio)
    by_chance = sum(int(wrong[a].sum()) for a in trio) * 2 / 7
    assert f"{share(among, made.n_errors)} of the errors are among disgust, fearful and happy" in caption
    assert caption.endswith(f"({share(by_chance, made.n_errors)} if errors were spread evenly).")


def test_recall_precision_and_f1_agree_with_scikit_learn(tmp_path: Path) -> None:
    made = made_evaluation(tmp_path / "e")
    page = evaluation_page(made)
    recall = oracle.recall_score(made.truth, made.predicted, average=None)
    precision = oracle.precision_score(made.truth, made.predicted, average=None)
    f1 = oracle.f1_score(made.truth, made.predicted, average=None)
    rows = page.body("Recall, precision and F1 by emotion")
    assert [row[:3] + row[4:] for row in rows] == [
        [name, "64", share(r, 1), share(p, 1), share(f, 1)]
        for name, r, p, f in zip(EMOTIONS, recall, precision, f1, strict=True)
    ]
    for row, r in zip(rows, recall, strict=True):
        low, high = map(float, row[3].split(" to "))
        assert low <= 100 * r <= high
        assert high - low > 1
    worst = EMOTIONS[int(recall.argmin())]
    assert int(recall.argmax()) == EMOTIONS.index("calm")
    assert page.captions["recall"] == (
        f"Calm is recognised best ({share(recall.max(), 1)}), {worst} worst ({share(recall.min(), 1)}); the "
        "lines are 95 % intervals over actors."
    )


def test_captions_state_the_results_of_their_figures(tmp_path: Path) -> None:
    made = made_evaluation(tmp_path / "e")
    page = evaluation_page(made)
    is_right, confidence = made.predicted == made.truth, made.shares.max(axis=1)
    aurocs = over_seeds(made, lambda t, p: oracle.roc_auc_score(p.argmax(axis=1) == t, p.max(axis=1)))
    assert page.captions["separation"] == (
        f"A right prediction is more confident than a wrong one in {share(statistics.fmean(aurocs), 1)} of pairs "
        f"(AUROC {statistics.fmean(aurocs):.3f}); the median confidence is {np.median(confidence[is_right]):.3f} for "
        f"right and {np.median(confidence[~is_right]):.3f} for wrong predictions."
    )
    halves = over_seeds(made, most_certain_half)
    assert page.captions["coverage"] == (
        f"Keeping the most confident 50.0 % of the recordings raises the accuracy from {share(is_right.mean(), 1)} to "
        f"{share(statistics.fmean(halves), 1)}; the lines are 95 % intervals over actors."
    )
    gap = abs(confidence.mean() - is_right.mean())
    assert (
        f"mean confidence is {share(confidence.mean(), 1)} at an accuracy of {share(is_right.mean(), 1)}: "
        in (page.captions["reliability"])
    )
    assert f"by {100 * gap:.1f} points" in page.captions["reliability"]
    is_high = np.array([name in HIGH_AROUSAL for name in EMOTIONS])
    within = int((is_high[made.truth] == is_high[made.predicted])[~is_right].sum())
    assert page.captions["arousal"] == (
        f"{share(within, made.n_errors)} of the errors stay within high or within low arousal "
        f"({share(3, 7)} if errors were spread evenly)."
    )


def test_actors_sexes_and_folds_are_tabulated(tmp_path: Path) -> None:
    made = made_evaluation(tmp_path / "e")
    page = evaluation_page(made)
    for title, groups in (("By actor", made.speakers), ("By sex", made.sexes)):
        expected = []
        for group in sorted(set(groups)):
            rows = np.array(groups) == group
            truth, shares = made.truth[rows], made.shares[rows]
            scores = (oracle.balanced_accuracy_score(truth, shares.argmax(axis=1)),
                      oracle.accuracy_score(truth, shares.argmax(axis=1)), shares.max(axis=1).mean())  # fmt: skip
            expected.append([group, str(int(rows.sum())), *(share(score, 1) for score in scores)])
        found = page.body(title)
        assert [row[:3] + row[4:] for row in found] == expected
        for row in found:
            low, high = map(float, row[3].split(" to "))
            assert low <= float(row[2].split()[0]) <= high
    assert [row[0] for row in page.body("By fold")] == [
        "fold1, seed 0",
        "fold2, seed 0",
        "fold1, seed 1",
        "fold2, seed 1",
    ]
    assert page.body("By fold")[0][-1] == "02, 04, 06, 08"
    uars = {row[0]: row[2] for row in page.body("By actor")}
    shown = page.texts["actors"]
    pairs = dict(zip(shown[::2], shown[1::2], strict=True))
    assert pairs == uars
    assert shown[1::2] == sorted(shown[1::2], key=lambda text: float(text.split()[0]))


def test_the_overfitting_gap_is_that_of_the_last_epochs(tmp_path: Path) -> None:
    made = made_evaluation(tmp_path / "e")
    page = evaluation_page(made)
    curves = [curve["epochs"] for curve in json.loads((made.folder / "curves.json").read_text())]
    train = statistics.fmean(epochs[-1]["train_accuracy"] for epochs in curves)
    held = statistics.fmean(epochs[-1]["validation_accuracy"] for epochs in curves)
    assert page.captions["curves-accuracy"] == (
        f"At the last epoch the accuracy is {share(train, 1)} in training and {share(held, 1)} in validation, an "
        f"overfitting gap of {100 * (train - held):.1f} points (mean of 4 training runs)."
    )
    mean = [statistics.fmean(epochs[place]["validation_loss"] for epochs in curves) for place in range(12)]
    assert f"lowest at epoch {mean.index(min(mean)) + 1} ({min(mean):.3g})" in page.captions["curves-loss"]
    drawing = page.source[page.source.index('id="curves-accuracy"') : page.source.index('id="curves-loss"')]
    assert drawing.count('class="line l-first faint"') == drawing.count('class="line l-second faint"') == 4
    assert drawing.count('class="line l-first"') == drawing.count('class="line l-second"') == 1


def test_a_family_without_validation_curves_says_so(tmp_path: Path) -> None:
    made = made_evaluation(tmp_path / "e", with_curves=False)
    assert "Learning curves" not in evaluation_page(made).source
    losses = [{"seed": 0, "fold": "a", "epochs": [{"epoch": 1, "train_loss": 4.0}, {"epoch": 2, "train_loss": 1.5}]}]
    (made.folder / "curves.json").write_text(json.dumps(losses))
    page = evaluation_page(made)
    assert page.captions["curves-loss"] == (
        "The training loss goes from 4 to 1.5 (mean of 1 training run); this model family has no validation curve."
    )
    (made.folder / "curves.json").unlink()
    assert "Learning curves" not in evaluation_page(made).source


def test_the_leak_gap_of_a_random_split_is_stated(tmp_path: Path) -> None:
    fair = {name: {"mean": 0.3, "sd": 0.01} for name in ("uar", "accuracy", "macro_f1")}
    made = made_evaluation(tmp_path / "e")
    values = over_seeds(made, lambda t, p: oracle.balanced_accuracy_score(t, p.argmax(axis=1)))
    gap = statistics.fmean(values) - 0.3
    leak = {"speaker_independent": fair, "gap": dict.fromkeys(fair, gap)}
    made = made_evaluation(tmp_path / "r", protocol="random", speaker_independent=False, leak_gap=leak)
    page = evaluation_page(made)
    assert "This is a random split: the same speakers are in training and test" in page.source
    assert page.captions["leak-gap"] == (
        f"The random split gives {share(statistics.fmean(values), 1)} UAR, folds by speaker 30.0 %: a leak gap of "
        f"{100 * gap:+.1f} points."
    )
    assert page.body("The leak gap")[0] == ["UAR", spread(values), "30.0 % ± 1.0", f"{100 * gap:+.1f}"]
    assert 'class="warning"' not in evaluation_page(made_evaluation(tmp_path / "f")).source


def test_the_cost_of_disturbances_is_drawn_and_tabulated(tmp_path: Path) -> None:
    records = made_robustness(made_evaluation(tmp_path / "e"))
    made = made_evaluation(tmp_path / "r", robustness=records)
    page = evaluation_page(made)
    uars = over_seeds(made, lambda t, p: oracle.balanced_accuracy_score(t, p.argmax(axis=1)))
    assert page.captions["robustness"].replace("\N{MINUS SIGN}", "-") == (
        "2 of 4 disturbances change the UAR by less than a point; "
        "the worst, telephone band, changes it by -10.0 points."
    )
    found = [cell.replace("\N{MINUS SIGN}", "-") for cell in page.body("Scores on disturbed recordings")[3]]
    score = f"{100 * statistics.fmean(uars) - 10:.1f} % ± 1.2"
    assert found == ["telephone band", score, "-10.0", "-11.0 to -9.0", "what telephone band <is>, at some length"]
    notes = [text.replace("\N{MINUS SIGN}", "-") for text in page.texts["robustness"]]
    assert [note for note in notes if note[0] in "+-"] == ["+0.0", "+0.4", "-2.0", "-10.0"]
    records[0]["change"]["interval"] = None
    made = made_evaluation(tmp_path / "one", n_actors=1, robustness=records)
    assert evaluation_page(made).body("Scores on disturbed recordings")[0][3] == "\N{EN DASH}"
    assert "<h2>Robustness" not in evaluation_page(made_evaluation(tmp_path / "f")).source


def test_scores_after_speaker_adaptation_are_drawn_and_tabulated(tmp_path: Path) -> None:
    made = made_evaluation(tmp_path / "e")
    page = evaluation_page(made)
    seeds = [seed["adaptation"] for seed in json.loads((made.folder / "metrics.json").read_text())["seeds"]]
    wanted = {name: [seed[name]["uar"] for seed in seeds] for name in ("none", "one", "ten", "all", "same")}
    # What is not adapted is what the page says elsewhere.
    assert wanted["none"] == over_seeds(made, lambda t, p: oracle.balanced_accuracy_score(t, p.argmax(axis=1)))
    rows = page.body("Scores after speaker adaptation")
    assert [row[1] for row in rows] == [spread(values) for values in wanted.values()]
    assert [row[0] for row in rows][3] == "all recordings of a speaker"
    means = {name: statistics.fmean(values) for name, values in wanted.items()}
    notes = page.texts["adaptation"]
    assert [note for note in notes if note.endswith("%")] == [share(mean, 1) for mean in means.values()]
    change = f"{100 * (means['all'] - means['none']):+.1f}"
    caption = page.captions["adaptation"].replace("\N{MINUS SIGN}", "-")
    assert caption.startswith(
        f"Adapted to all recordings of each speaker (--speakers), the UAR is {share(means['all'], 1)} "
        f"({change} points);"
    )


def test_a_model_that_knows_the_speakers_has_a_warning(tmp_path: Path) -> None:
    made = made_evaluation(tmp_path / "e", model="default", seen_speakers=["01", "02"])
    page = evaluation_page(made)
    assert (
        "The model was trained on 2 speakers of these recordings (01, 02): this is not a held-out score." in page.source
    )
    assert "<h1>Evaluation of default</h1>" in page.source


def test_every_number_of_an_evaluation_page_follows_from_its_rows(tmp_path: Path) -> None:
    """Captions and drawings: whatever is not on an axis can be computed again from the predictions."""
    made = made_evaluation(tmp_path / "e", ("calm", "angry"), n_seeds=1, with_curves=False)
    page = evaluation_page(made)
    is_right, confidence = made.predicted == made.truth, made.shares.max(axis=1)
    matrix = oracle.confusion_matrix(made.truth, made.predicted)
    n, wrong = len(made.truth), made.n_errors
    written = [f"{share(100, 100)} {share(0, 1)} {share(1, 2)} {n} {wrong} {n - wrong} 95 % 8 0"]
    written += [f"{value} {value / matrix[row].sum() * 100:.1f} {share(value, matrix[row].sum())}"
                for row in (0, 1) for value in matrix[row]]  # fmt: skip
    written += [share(part, n) for part in (wrong, n - wrong)]
    for groups in (made.speakers, made.sexes, ["all"] * n):
        uars = []
        for group in sorted(set(groups)):
            rows = np.array(groups) == group
            uars.append(oracle.balanced_accuracy_score(made.truth[rows], made.predicted[rows]))
        written += [f"{group} {share(value, 1)}" for group, value in zip(sorted(set(groups)), uars, strict=True)]
        written.append(f"{100 * (max(uars) - min(uars)):.1f}")
    interval = bootstrap_interval(made.truth, made.predicted, made.speakers, uar, n_resamples=200)
    assert interval is not None
    auroc = oracle.roc_auc_score(is_right, confidence)
    bins = np.ceil(confidence * 15 - 1e-12)
    ece = sum((bins == b).mean() * abs(is_right[bins == b].mean() - confidence[bins == b].mean()) for b in set(bins))
    written += [share(value, 1) for value in (*interval, confidence.mean(), is_right.mean(), auroc, ece)]
    written += [f"{auroc:.3f} {np.median(confidence[is_right]):.3f} {np.median(confidence[~is_right]):.3f}"]
    written += [
        f"{100 * abs(confidence.mean() - is_right.mean()):.1f}",
        share(most_certain_half(made.truth, made.shares), 1),
    ]
    # What adapting reaches is checked in tests/evaluation/test_speaker_adaptation.py.
    reached = json.loads((made.folder / "metrics.json").read_text())["seeds"][0]["adaptation"]
    uars = {name: scores["uar"] for name, scores in reached.items()}
    written += ["at most 10", *(share(value, 1) for value in uars.values())]
    written += [f"{100 * abs(uars[name] - uars['none']):.1f}" for name in ("all", "same")]
    n_emotions = {name: len(set(made.truth[np.array(made.speakers) == name])) for name in made.speakers}
    assert set(n_emotions.values()) == {2}
    written += ["each speaker has all 2 emotions here", f"about {-(-n // (n // 20))} recordings"]
    known = set(NUMBER.findall(" ".join(written)))
    shown = list(page.captions.values()) + [text for name, texts in page.texts.items() for text in texts
                                            if not name.endswith(" axis")]  # fmt: skip
    found = NUMBER.findall(" ".join(shown))
    assert len(found) > 40
    assert [number for number in found if number not in known] == []


def test_points_of_the_reliability_have_equal_numbers_of_recordings(tmp_path: Path) -> None:
    made = made_evaluation(tmp_path / "e")
    bins = reliability_bins(read_evaluation(str(made.folder)))
    assert sum(item.n for item in bins) == len(made.truth)
    assert {item.n for item in bins} <= {51, 52}
    is_right, order = made.predicted == made.truth, np.argsort(made.shares.max(axis=1), kind="stable")
    assert bins[0].accuracy == pytest.approx(is_right[order[: bins[0].n]].mean())
    for item in bins:
        assert item.interval is not None
        assert item.interval[0] <= item.accuracy <= item.interval[1]


def test_scores_of_single_speakers_and_emotions_have_their_intervals_drawn(tmp_path: Path) -> None:
    page = evaluation_page(made_evaluation(tmp_path / "e"))
    for name, n in (("recall", 8), ("actors", 8), ("sex", 2)):
        drawn = page.source.partition(f'<figure id="{name}">')[2].partition("</figure>")[0]
        assert drawn.count('class="whisker"') == 3 * n
    single = evaluation_page(made_evaluation(tmp_path / "one", n_actors=1))
    assert "<line" in single.source
    assert single.source.partition('<figure id="recall">')[2].partition("</figure>")[0].count("whisker") == 0


def test_many_actors_are_a_histogram_and_their_table_is_folded(tmp_path: Path) -> None:
    made = made_evaluation(tmp_path / "e", ("calm", "angry"), n_seeds=1, n_actors=45, with_curves=False)
    page = evaluation_page(made)
    assert "half of the actors have" in page.captions["actors"]
    assert "<summary>By actor: 45 rows</summary>" in page.source
    assert len(page.body("By actor")) == 45


def test_a_steep_start_does_not_flatten_the_curve_of_the_loss(tmp_path: Path) -> None:
    made = made_evaluation(tmp_path / "e", with_curves=False)
    losses = [31.4, 4.0, 2.0, 1.5, 1.2, 1.1, 1.0, 1.0]
    epochs = [{"epoch": n, "train_loss": loss} for n, loss in enumerate(losses, start=1)]
    (made.folder / "curves.json").write_text(json.dumps([{"seed": 0, "fold": "a", "epochs": epochs}]))
    page = evaluation_page(made)
    numbers = [float(text) for text in page.texts["curves-loss axis"] if NUMBER.fullmatch(text)]
    assert max(numbers) == len(losses), "no loss above the epochs is on an axis"
    assert page.captions["curves-loss"].endswith("The first epochs are above the drawing.")


def test_the_axis_of_two_epochs_has_no_fractions(tmp_path: Path) -> None:
    made = made_evaluation(tmp_path / "e", with_curves=False)
    epochs = [{"epoch": n, "train_loss": 1.0 / n, "train_accuracy": 0.5} for n in (1, 2)]
    (made.folder / "curves.json").write_text(json.dumps([{"seed": 0, "fold": "a", "epochs": epochs}]))
    written = evaluation_page(made).source.partition('<figure id="curves-accuracy">')[2].partition("</figure>")[0]
    assert re.findall(r'class="minor middle">([\d.]+)<', written) == ["1", "2"]


def test_a_single_epoch_is_no_curve(tmp_path: Path) -> None:
    made = made_evaluation(tmp_path / "e", with_curves=False)
    one = [{"seed": 0, "fold": "a", "epochs": [{"epoch": 1, "train_loss": 1.0, "train_accuracy": 0.5}]}]
    (made.folder / "curves.json").write_text(json.dumps(one))
    assert "Learning curves" not in evaluation_page(made).source


def test_a_page_states_its_date_and_its_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    made = made_evaluation(tmp_path / "e", command="emosense-batch evaluate wav -o e")
    command = "emosense-batch report s3://key:secret@bucket/e -o r.html"
    evaluation_report(str(made.folder), str(tmp_path / "r.html"), command=command)
    source = (tmp_path / "r.html").read_text()
    assert " on 2001-09-09 with <code>emosense-batch report s3://" in source
    assert "secret" not in source
    assert Page(tmp_path / "r.html").body("From metrics.json")[-2] == ["command", "emosense-batch evaluate wav -o e"]


def test_hostile_names_of_speakers_are_shown_and_do_nothing(tmp_path: Path) -> None:
    made = made_evaluation(tmp_path / "e", n_seeds=1, actor_name="<script>{}</script>\u202e".format)
    page = evaluation_page(made)
    assert page.all("script") == []
    assert page.body("By actor")[0][0] == "<script>1</script>\\u202e"


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("metrics.json", "{", "a damaged evaluation"),
        ("metrics.json", "{}", "a damaged evaluation: KeyError 'classes'"),
        ("predictions.csv", "path,speaker\r\n", "predictions.csv has 0 rows and metrics.json counts 512"),
        ("curves.json", "{]", "a damaged evaluation"),
    ],
)
def test_a_damaged_evaluation_is_refused(name: str, content: str, sentence: str, tmp_path: Path) -> None:
    made = made_evaluation(tmp_path / "e")
    (made.folder / name).write_text(content)
    with pytest.raises(UsageError, match=re.escape(sentence)):
        evaluation_page(made)
    assert not (made.folder / "report.html").exists()
    with pytest.raises(UsageError, match="has no evaluation: make one with emosense-batch evaluate"):
        evaluation_report(str(tmp_path), str(tmp_path / "r.html"))


@pytest.mark.parametrize("name", ["e", "e/metrics.json/table.parquet"])
def test_a_folder_is_not_a_feature_table(name: str, tmp_path: Path) -> None:
    made = made_evaluation(tmp_path / "e")
    with pytest.raises(UsageError, match=rf"{name} is (no|not a) feature table"):
        evaluation_report(str(made.folder), str(tmp_path / "r.html"), str(tmp_path / name))
