"""Intervals and tests over actors."""

from __future__ import annotations

import math

import numpy as np
import pytest
from made_predictions import clustered
from sklearn import metrics as oracle

from emosense.evaluation.intervals import bootstrap_interval, compare_uar, mean_and_sd
from emosense.evaluation.metrics import accuracy, confusion_matrix, macro_f1, uar


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


def test_sampled_test_of_clearly_different_models_has_a_small_p_value_and_swaps_sign_with_the_models():
    labels, better, speakers = clustered(np.full(24, 0.9), 20, seed=7)
    worse = np.where(np.random.default_rng(9).random(len(labels)) < 0.5, labels, 1 - labels)
    there, back = compare_uar(labels, better, worse, speakers), compare_uar(labels, worse, better, speakers)
    assert 0 < there.p_value == back.p_value < 0.001
    assert there.uar_difference == pytest.approx(-back.uar_difference)
    assert there.uar_difference == pytest.approx(
        oracle.balanced_accuracy_score(labels, better) - oracle.balanced_accuracy_score(labels, worse)
    )


def test_equally_good_models_differ_by_chance_in_about_one_case_of_twenty():
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
