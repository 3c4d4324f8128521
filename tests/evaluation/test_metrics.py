from __future__ import annotations

import json
import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from emosense.emotions import EMOTIONS, REFERENCE_MLP_EMOTIONS
from emosense.evaluation.calibration import apply_temperature, fit_temperature
from emosense.evaluation.confidence import brier, confidence_auroc, ece, log_loss, reliability
from emosense.evaluation.coverage import coverage_curve
from emosense.evaluation.groups import by_group
from emosense.evaluation.intervals import bootstrap_interval, compare_uar, mean_and_sd
from emosense.evaluation.metrics import accuracy, arousal_confusion, confusion_matrix, macro_f1, recall_per_class, uar
from emosense.evaluation.summary import scaled_ece, summarise


def softmax(logits: np.ndarray) -> np.ndarray:
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def predicted_rows(n: int = 400, n_classes: int = 8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities that are right about half the time."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, n_classes, size=n)
    return labels, softmax(rng.normal(size=(n, n_classes)) + 2 * np.eye(n_classes)[labels])


def sure(predictions: list[int], confidences: list[float]) -> np.ndarray:
    """Probabilities of two classes with the given prediction and confidence, above one half."""
    rows = [[c, 1 - c] if p == 0 else [1 - c, c] for p, c in zip(predictions, confidences, strict=True)]
    return np.array(rows)


def clustered(rates: np.ndarray, n_rows: int, seed: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Two classes, `n_rows` rows a speaker, each right at the speaker's own rate."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, size=len(rates) * n_rows)
    is_right = rng.random(len(labels)) < np.repeat(rates, n_rows)
    return (
        labels,
        np.where(is_right, labels, 1 - labels),
        [f"{i:02d}" for i in range(len(rates)) for _ in range(n_rows)],
    )


LABELS = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), min_size=1, max_size=60)


# Scores of the label


@given(rows=LABELS)
@settings(max_examples=80, deadline=None)
@pytest.mark.filterwarnings("ignore:A single label was found:UserWarning")
@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true:UserWarning")
def test_label_scores_agree_with_scikit_learn(rows):
    truth, predicted = np.array(rows).T
    matrix = confusion_matrix(truth, predicted, 8)
    assert matrix.tolist() == oracle.confusion_matrix(truth, predicted, labels=range(8)).tolist()
    present = np.unique(truth)
    recall = oracle.recall_score(truth, predicted, labels=present, average=None)
    np.testing.assert_allclose(recall_per_class(matrix)[present], recall)
    assert float(uar(matrix)) == pytest.approx(recall.mean())
    assert float(uar(matrix)) == pytest.approx(oracle.balanced_accuracy_score(truth, predicted))
    assert float(accuracy(matrix)) == pytest.approx(oracle.accuracy_score(truth, predicted))
    assert float(macro_f1(matrix)) == pytest.approx(oracle.f1_score(truth, predicted, average="macro"))


def test_a_class_absent_from_the_truth_has_no_recall_and_is_left_out_of_the_uar():
    matrix = confusion_matrix([0, 0, 1, 1], [0, 2, 1, 1], 3)
    np.testing.assert_array_equal(recall_per_class(matrix), [0.5, 1, np.nan])
    assert float(uar(matrix)) == 0.75
    # F1 of the three classes: 2/3, 1 and, predicted but absent, 0.
    assert float(macro_f1(matrix)) == pytest.approx(5 / 9)


def test_scores_of_stacked_matrices_are_the_scores_of_each():
    stack = np.random.default_rng(0).integers(0, 9, size=(3, 2, 4, 4))
    stack[0, 0, 1] = 0
    for score in (uar, accuracy, macro_f1):
        assert score(stack).shape == (3, 2)
        for index in np.ndindex(3, 2):
            assert score(stack)[index] == pytest.approx(float(score(stack[index])))


def test_arousal_confusion_merges_low_and_high():
    truth = [EMOTIONS.index(name) for name in ("neutral", "sad", "disgust", "angry", "fearful", "happy")]
    predicted = [EMOTIONS.index(name) for name in ("calm", "sad", "angry", "happy", "surprised", "disgust")]
    assert arousal_confusion(confusion_matrix(truth, predicted, 8)).tolist() == [[2, 1], [1, 2]]


def test_arousal_confusion_follows_the_names_of_a_smaller_model():
    # calm and disgust are low, happy and fearful high.
    matrix = np.arange(16).reshape(4, 4)
    merged = arousal_confusion(matrix, REFERENCE_MLP_EMOTIONS)
    assert merged.tolist() == [[0 + 3 + 12 + 15, 1 + 2 + 13 + 14], [4 + 7 + 8 + 11, 5 + 6 + 9 + 10]]
    with pytest.raises(ValueError, match="8 emotions do not fit"):
        arousal_confusion(matrix)


def test_groups_are_scored_apart_and_ordered_by_name():
    probabilities = sure([0, 0, 1, 1], [0.9, 0.7, 0.6, 0.8])
    female, male = by_group([0, 1, 1, 1], probabilities, ["male", "male", "female", "female"])
    assert (female.group, female.n, female.uar, female.accuracy) == ("female", 2, 1.0, 1.0)
    assert (male.group, male.n, male.uar, male.accuracy) == ("male", 2, 0.5, 0.5)
    assert (female.mean_confidence, male.mean_confidence) == (pytest.approx(0.7), pytest.approx(0.8))


# Scores of the confidence


def test_probability_scores_agree_with_scikit_learn():
    labels, probabilities = predicted_rows()
    assert log_loss(labels, probabilities) == pytest.approx(oracle.log_loss(labels, probabilities, labels=range(8)))
    assert brier(labels, probabilities) == pytest.approx(
        oracle.brier_score_loss(labels, probabilities, labels=range(8), scale_by_half=False)
    )
    is_right = probabilities.argmax(axis=1) == labels
    assert confidence_auroc(labels, probabilities) == pytest.approx(
        oracle.roc_auc_score(is_right, probabilities.max(axis=1))
    )


@given(rows=st.lists(st.tuples(st.booleans(), st.sampled_from([0.6, 0.7, 0.8, 0.9])), min_size=2, max_size=40))
@settings(max_examples=60, deadline=None)
def test_auroc_with_ties_agrees_with_scikit_learn(rows):
    is_right, confidences = (list(column) for column in zip(*rows, strict=True))
    area = confidence_auroc([0 if right else 1 for right in is_right], sure([0] * len(rows), confidences))
    if len(set(is_right)) == 1:
        assert area is None
    else:
        assert area == pytest.approx(oracle.roc_auc_score(is_right, confidences))


def test_scores_of_guessing_are_those_of_theory():
    labels, uniform = np.arange(8), np.full((8, 8), 1 / 8)
    assert log_loss(labels, uniform) == pytest.approx(math.log(8))
    # (7/8) squared for the truth and (1/8) squared for each of the seven others.
    assert brier(labels, uniform) == pytest.approx(49 / 64 + 7 / 64)


def test_sure_answers_have_brier_zero_or_two_and_a_finite_log_loss():
    sure_rows = np.eye(2)[[0, 0]]
    assert (brier([0, 0], sure_rows), log_loss([0, 0], sure_rows)) == (0, 0)
    assert brier([1, 1], sure_rows) == 2
    assert log_loss([1, 1], sure_rows) == pytest.approx(-math.log(np.finfo(float).eps))


def test_ece_is_zero_where_confidence_equals_accuracy():
    # Ten rows of confidence 0.8, eight of them right; ten of 0.6, six right.
    labels = [0] * 8 + [1] * 2 + [0] * 6 + [1] * 4
    assert ece(labels, sure([0] * 20, [0.8] * 10 + [0.6] * 10)) == pytest.approx(0)


def test_ece_weights_the_gap_of_each_bin_by_its_rows():
    # Three quarters of the rows: confidence 0.9, all wrong. One quarter: confidence 0.6, all right.
    labels = [1, 1, 1, 0]
    expected = 0.75 * 0.9 + 0.25 * 0.4
    assert ece(labels, sure([0, 0, 0, 0], [0.9, 0.9, 0.9, 0.6])) == pytest.approx(expected)


def test_gaps_of_opposite_sign_cancel_within_a_bin_only():
    # 0.74 and 0.68 lie on either side of an edge of 15 bins, 0.7333, and in one bin of two.
    labels, probabilities = [0, 1], sure([0, 0], [0.74, 0.68])
    assert ece(labels, probabilities) == pytest.approx((0.26 + 0.68) / 2)
    assert ece(labels, probabilities, n_bins=2) == pytest.approx(0.71 - 0.5)


def test_a_confidence_on_an_edge_belongs_to_the_bin_below():
    table = reliability([0, 0], sure([0, 0], [0.8, 1.0]), n_bins=5)
    assert [row.n for row in table] == [0, 0, 0, 1, 1]


def test_reliability_lists_every_bin_and_leaves_empty_ones_without_values():
    labels, probabilities = predicted_rows()
    table = reliability(labels, probabilities)
    assert len(table) == 15
    assert sum(row.n for row in table) == 400
    assert table[0] == type(table[0])(low=0.0, high=pytest.approx(1 / 15), n=0, mean_confidence=None, accuracy=None)
    for row in table:
        assert row.mean_confidence is None or row.low < row.mean_confidence <= row.high


def test_coverage_curve_keeps_the_surest_rows():
    labels, probabilities = [0, 0, 1, 0], sure([0, 0, 0, 1], [0.9, 0.8, 0.7, 0.6])
    curve = coverage_curve(labels, probabilities, thresholds=[0.95, 0.8, 0.7, 0.0])
    assert [(p.coverage, p.n, p.n_classes, p.accuracy, p.uar) for p in curve] == [
        (0, 0, 0, None, None),
        (0.5, 2, 1, 1, 1),
        (0.75, 3, 2, pytest.approx(2 / 3), 0.5),
        (1, 4, 2, 0.5, pytest.approx(1 / 3)),
    ]


def test_coverage_curve_ends_at_the_score_of_all_rows_and_grows_in_coverage():
    labels, probabilities = predicted_rows()
    curve = coverage_curve(labels, probabilities)
    assert [point.coverage for point in curve] == pytest.approx([step / 20 for step in range(1, 21)])
    assert curve[-1].accuracy == pytest.approx(oracle.accuracy_score(labels, probabilities.argmax(axis=1)))


def test_rows_of_equal_confidence_are_kept_together():
    curve = coverage_curve([0, 1, 0], sure([0, 0, 0], [0.7, 0.7, 0.7]))
    assert {point.coverage for point in curve} == {1.0}


# What is refused


@pytest.mark.parametrize("score", [ece, reliability, confidence_auroc, coverage_curve, brier, log_loss])
@pytest.mark.parametrize(
    ("labels", "probabilities", "message"),
    [
        ([], np.zeros((0, 8)), "no rows to evaluate"),
        ([0, 1], np.array([[0.5, 0.5], [np.nan, 1.0]]), "1 rows of probabilities hold NaN"),
        ([0], np.array([[0.5, 0.6]]), "sum to 1"),
        ([0], np.array([[1.5, -0.5]]), r"lie in \[0, 1\]"),
        ([2], np.array([[0.5, 0.5]]), "from 0 to 1, not 2"),
        ([0.0], np.array([[0.5, 0.5]]), "whole numbers"),
        ([0, 1], np.array([[0.5, 0.5]]), "2 labels do not fit 1 rows"),
        ([0], np.array([0.5, 0.5]), r"shape \(rows, classes\)"),
    ],
)
def test_unusable_input_is_refused_with_a_sentence(score, labels, probabilities, message):
    with pytest.raises(ValueError, match=message):
        score(np.asarray(labels, dtype=None if labels else np.int64), probabilities)


def test_confusions_of_no_rows_or_unequal_length_are_refused():
    with pytest.raises(ValueError, match="no rows to evaluate"):
        confusion_matrix(np.array([], dtype=int), np.array([], dtype=int), 2)
    with pytest.raises(ValueError, match="2 labels do not fit 1 predictions"):
        confusion_matrix([0, 1], [0], 2)
    for score in (uar, accuracy, macro_f1):
        with pytest.raises(ValueError, match="without rows"):
            score(np.zeros((2, 2), dtype=np.int64))
    with pytest.raises(ValueError, match="1 groups do not fit 2 rows"):
        by_group([0, 1], np.eye(2), ["a"])
    with pytest.raises(ValueError, match="at least 1 bin"):
        reliability([0], np.eye(2)[:1], n_bins=0)


# Intervals and comparison


@pytest.mark.parametrize("score", [uar, accuracy, macro_f1])
def test_bootstrap_interval_surrounds_the_score_and_follows_its_seed(score):
    labels, predicted, speakers = clustered(np.linspace(0.3, 0.9, 24), 40, seed=1)
    first, again, other = (bootstrap_interval(labels, predicted, speakers, score, seed=seed) for seed in (0, 0, 1))
    low, high = first
    assert 0 <= low < float(score(confusion_matrix(labels, predicted, 2))) < high <= 1
    assert first == again != other


def test_bootstrap_agrees_with_resampling_rows_actor_by_actor():
    labels, predicted, speakers = clustered(np.linspace(0.3, 0.9, 8), 20, seed=2)
    of_speaker = [np.flatnonzero(np.array(speakers) == name) for name in sorted(set(speakers))]
    rng = np.random.default_rng(5)
    scores = []
    for _ in range(1000):
        rows = np.concatenate([of_speaker[i] for i in rng.integers(0, 8, size=8)])
        scores.append(oracle.balanced_accuracy_score(labels[rows], predicted[rows]))
    for level, quantiles in ((0.95, [0.025, 0.975]), (0.5, [0.25, 0.75])):
        interval = bootstrap_interval(labels, predicted, speakers, uar, n_resamples=4000, level=level)
        np.testing.assert_allclose(interval, np.quantile(scores, quantiles), atol=0.02)


def test_actors_who_are_all_alike_give_an_interval_of_zero_width():
    labels, predicted = np.tile([0, 0, 1, 1], 6), np.tile([0, 1, 1, 1], 6)
    speakers = [str(i) for i in range(6) for _ in range(4)]
    assert bootstrap_interval(labels, predicted, speakers, uar) == (0.75, 0.75)


def test_clustered_interval_is_wider_than_one_over_rows_where_actors_differ():
    labels, predicted, speakers = clustered(np.tile([0.2, 0.95], 12), 60, seed=3)
    low, high = bootstrap_interval(labels, predicted, speakers, uar)
    naive_low, naive_high = bootstrap_interval(labels, predicted, [str(i) for i in range(len(labels))], uar)
    assert high - low > 3 * (naive_high - naive_low)


def test_a_higher_level_gives_a_wider_interval():
    labels, predicted, speakers = clustered(np.linspace(0.3, 0.9, 12), 20, seed=4)
    widths = [np.ptp(bootstrap_interval(labels, predicted, speakers, uar, level=level)) for level in (0.5, 0.9, 0.99)]
    assert widths == sorted(widths)
    assert widths[0] < widths[2]


def test_two_actors_have_an_interval_from_the_worse_to_the_better():
    assert bootstrap_interval([0, 0, 0, 0], [0, 1, 0, 0], ["a", "a", "b", "b"], uar) == (0.5, 1.0)


def test_a_single_actor_has_no_interval():
    assert bootstrap_interval([0, 1, 1], [0, 1, 0], ["a"] * 3, uar) is None
    comparison = compare_uar([0, 1, 1], [0, 1, 0], [0, 1, 1], ["a"] * 3)
    assert (comparison.interval, comparison.p_value) == (None, 1.0)


def test_intervals_refuse_what_they_cannot_resample():
    none = np.array([], dtype=int)
    with pytest.raises(ValueError, match="no rows to evaluate"):
        bootstrap_interval(none, none, [], uar)
    with pytest.raises(ValueError, match="no rows to evaluate"):
        compare_uar(none, none, none, [])
    with pytest.raises(ValueError, match="2 labels, 2 predictions and 1 speakers"):
        bootstrap_interval([0, 1], [0, 1], ["a"], uar)
    with pytest.raises(ValueError, match="level between 0 and 1"):
        bootstrap_interval([0, 1], [0, 1], ["a", "b"], uar, level=95)
    with pytest.raises(ValueError, match="class indices must lie"):
        bootstrap_interval([0, -1], [0, 1], ["a", "b"], uar)


@pytest.mark.parametrize("n_speakers", [8, 24])
def test_identical_models_do_not_differ(n_speakers):
    labels, predicted, speakers = clustered(np.full(n_speakers, 0.6), 20, seed=5)
    comparison = compare_uar(labels, predicted, predicted, speakers)
    assert (comparison.uar_difference, comparison.interval, comparison.p_value) == (0, (0, 0), 1)
    assert comparison.is_exact is (n_speakers == 8)


def test_exact_test_of_a_model_that_wins_on_every_actor_has_the_least_p_value():
    labels, better, speakers = clustered(np.full(8, 0.95), 40, seed=6)
    worse = np.where(np.arange(320) % 3 == 0, 1 - labels, better)
    comparison = compare_uar(labels, better, worse, speakers)
    assert comparison.n_speakers == 8
    assert comparison.p_value == 2 / 2**8
    low, high = comparison.interval
    assert 0 < low < comparison.uar_difference < high


def test_exact_p_value_of_three_actors_counts_sign_patterns():
    # The actors' differences are +1/2, +1/4 and -1/4 of the recall of the one class: sums of size 1/2 or more arise in
    # (+++), (++-), (+-+) and their mirrors, six of eight patterns.
    labels = np.zeros(4, dtype=int)
    first, second = [0, 0, 0, 1], [1, 1, 1, 0]
    comparison = compare_uar(labels, first, second, ["a", "a", "b", "c"])
    assert comparison.uar_difference == 0.5
    assert comparison.p_value == 6 / 8


def test_drawn_test_of_clearly_different_models_has_a_small_p_value_and_swaps_sign_with_the_models():
    labels, better, speakers = clustered(np.full(24, 0.9), 20, seed=7)
    worse = np.where(np.random.default_rng(9).random(len(labels)) < 0.5, labels, 1 - labels)
    there, back = compare_uar(labels, better, worse, speakers), compare_uar(labels, worse, better, speakers)
    assert 0 < there.p_value == back.p_value < 0.001
    assert there.uar_difference == pytest.approx(-back.uar_difference)
    assert there.uar_difference == pytest.approx(
        oracle.balanced_accuracy_score(labels, better) - oracle.balanced_accuracy_score(labels, worse)
    )


def test_models_that_are_equally_good_differ_by_luck_in_about_one_case_of_twenty():
    n_small = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        labels = rng.integers(0, 2, size=100)
        first, second = (np.where(rng.random(100) < 0.7, labels, 1 - labels) for _ in range(2))
        n_small += compare_uar(labels, first, second, [str(i % 10) for i in range(100)], n_resamples=1).p_value <= 0.05
    # Binomial(40, 0.05) exceeds 7 with a chance of 0.1 %.
    assert n_small <= 7


def test_mean_and_sd_divides_by_n_minus_one():
    assert mean_and_sd([1.0, 2.0, 3.0, 4.0]) == (2.5, pytest.approx(math.sqrt(5 / 3)))
    assert mean_and_sd([0.4]) == (0.4, None)
    with pytest.raises(ValueError, match="no mean of no values"):
        mean_and_sd([])


# Calibration


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_calibration_recovers_the_temperature_that_spoilt_the_probabilities(temperature):
    rng = np.random.default_rng(10)
    logits = rng.normal(scale=2, size=(20_000, 8))
    labels = np.array([rng.choice(8, p=row) for row in softmax(logits)])
    spoilt = softmax(logits * temperature)
    fitted = fit_temperature(spoilt, labels)
    assert fitted == pytest.approx(temperature, rel=0.04)
    assert ece(labels, apply_temperature(spoilt, fitted)) < 0.015


def test_a_fold_is_scaled_by_the_temperature_of_the_others():
    rng = np.random.default_rng(11)
    logits = rng.normal(scale=2, size=(6000, 8))
    labels = np.array([rng.choice(8, p=row) for row in softmax(logits)])
    folds = np.repeat(["a", "b", "c"], 2000)
    spoilt = softmax(logits * 2.5)
    assert ece(labels, spoilt) > 0.15
    assert scaled_ece(labels, spoilt, folds) < 0.03
    # One fold alone is spoilt: its own temperature would mend it, that of the others leaves it as it is.
    mixed = np.where((folds == "a")[:, np.newaxis], spoilt, softmax(logits))
    ones = folds == "a"
    alone = ece(labels[ones], apply_temperature(spoilt[ones], fit_temperature(mixed[~ones], labels[~ones])))
    assert alone > 0.15
    expected = mixed.copy()
    for fold in "abc":
        here = folds == fold
        expected[here] = apply_temperature(mixed[here], fit_temperature(mixed[~here], labels[~here]))
    assert scaled_ece(labels, mixed, folds) == pytest.approx(ece(labels, expected))
    assert scaled_ece(labels, spoilt, ["a"] * 6000) is None


@given(seed=st.integers(0, 500), scale=st.floats(0.1, 10))
@settings(max_examples=30, deadline=None)
def test_calibration_never_worsens_the_loss_it_minimises_nor_changes_a_label(seed, scale):
    labels, probabilities = predicted_rows(60, 4, seed)
    probabilities = softmax(np.log(probabilities) * scale)
    temperature = fit_temperature(probabilities, labels)
    calibrated = apply_temperature(probabilities, temperature)
    assert log_loss(labels, calibrated) <= log_loss(labels, probabilities) + 1e-9
    assert (calibrated.argmax(axis=1) == probabilities.argmax(axis=1)).all()
    for other in (temperature * 1.1, temperature / 1.1):
        if 0.05 <= other <= 20:
            assert log_loss(labels, calibrated) <= log_loss(labels, apply_temperature(probabilities, other)) + 1e-9


def test_temperature_acts_on_logits():
    logits = np.array([[1.0, 2.0, -3.0]])
    np.testing.assert_allclose(apply_temperature(softmax(logits), 2.0), softmax(logits / 2))
    np.testing.assert_allclose(apply_temperature(softmax(logits), 1.0), softmax(logits))


def test_temperature_stays_in_its_bounds_and_is_one_where_none_is_better():
    labels, probabilities = np.array([0, 1]), sure([0, 1], [0.6, 0.6])
    assert fit_temperature(probabilities, labels) == pytest.approx(0.05, rel=1e-5)
    assert fit_temperature(probabilities, 1 - labels) == pytest.approx(20, rel=1e-5)
    assert fit_temperature(np.full((3, 4), 0.25), np.array([0, 1, 2])) == 1.0


def test_probabilities_of_exactly_zero_are_calibrated_without_infinities():
    temperature = fit_temperature(np.eye(3)[[0, 1, 2, 0]], np.array([0, 1, 2, 1]))
    calibrated = apply_temperature(np.eye(3), temperature)
    assert 1 < temperature <= 20
    assert (calibrated > 0).all()
    np.testing.assert_allclose(calibrated.sum(axis=1), 1)


def test_calibration_refuses_nan_no_rows_and_a_temperature_of_zero():
    with pytest.raises(ValueError, match="hold NaN"):
        fit_temperature([[math.nan, 1.0]], [0])
    with pytest.raises(ValueError, match="no rows to evaluate"):
        fit_temperature(np.zeros((0, 2)), np.array([], dtype=int))
    for temperature in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="positive number"):
            apply_temperature(np.eye(2), temperature)


# The summary


def test_summary_is_strict_json_and_agrees_with_scikit_learn():
    labels, probabilities = predicted_rows()
    speakers = [f"{row % 24 + 1:02d}" for row in range(400)]
    folds = [f"kfold-{int(speaker) % 5 + 1}" for speaker in speakers]
    sexes = ["male" if int(speaker) % 2 else "female" for speaker in speakers]
    summary = summarise(labels, probabilities, speakers, folds=folds, groups={"sex": sexes}, n_resamples=200)
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    predictions = probabilities.argmax(axis=1)
    assert summary["uar"]["value"] == pytest.approx(oracle.balanced_accuracy_score(labels, predictions))
    assert summary["uar"]["interval"][0] < summary["uar"]["value"] < summary["uar"]["interval"][1]
    assert summary["macro_f1"]["value"] == pytest.approx(oracle.f1_score(labels, predictions, average="macro"))
    assert summary["confusion"] == oracle.confusion_matrix(labels, predictions).tolist()
    assert [row["group"] for row in summary["groups"]["sex"]] == ["female", "male"]
    assert sum(row["n"] for row in summary["groups"]["speaker"]) == summary["n"] == 400
    of_fold = [row["uar"] for row in summary["folds"]["scores"]]
    assert summary["folds"]["uar"] == {
        "mean": pytest.approx(statistics.mean(of_fold)),
        "sd": pytest.approx(statistics.stdev(of_fold)),
    }
    arousal = summary["arousal"]
    assert arousal["n_errors_within"] + arousal["n_errors_across"] == int((predictions != labels).sum())


def test_summary_of_one_actor_without_some_classes_says_none_instead_of_nan():
    summary = summarise([0, 2], np.eye(4)[[0, 2]], ["01", "01"], emotions=REFERENCE_MLP_EMOTIONS)
    json.dumps(summary, allow_nan=False)
    assert summary["uar"] == {"value": 1.0, "interval": None}
    assert summary["recall"] == {"calm": 1.0, "happy": None, "fearful": 1.0, "disgust": None}
    assert (summary["confidence_auroc"], summary["folds"]) == (None, None)


def test_summary_refuses_columns_that_are_not_the_emotions():
    with pytest.raises(ValueError, match="8 emotions do not fit 4 columns"):
        summarise([0], np.eye(4)[:1], ["01"])
