"""Weights and masks of training on several corpora."""

from __future__ import annotations

import numpy as np
import pytest

from emosense.training.balance import balanced_weights, class_mask

# A large corpus with three classes, and a small one with two of them.
CORPORA = ["large"] * 90 + ["small"] * 10
LABELS = np.array([0] * 60 + [1] * 20 + [2] * 10 + [0] * 5 + [1] * 5)


def test_every_emotion_of_every_corpus_counts_the_same():
    weights = balanced_weights(CORPORA, LABELS)

    sums = [weights[rows].sum() for rows in (slice(60), slice(60, 80), slice(80, 90), slice(90, 95), slice(95, 100))]
    assert sums == pytest.approx([20.0] * 5, rel=1e-5)
    assert weights.mean() == pytest.approx(1)


def test_weights_within_one_corpus_are_the_inverse_class_frequencies():
    labels = np.array([0, 0, 0, 1])

    assert balanced_weights(["one"] * 4, labels) == pytest.approx([2 / 3, 2 / 3, 2 / 3, 2.0])


def test_order_of_rows_and_names_of_corpora_do_not_matter():
    shuffled = np.random.default_rng(0).permutation(len(LABELS))
    renamed = ["z" if corpus == "large" else "a" for corpus in CORPORA]

    weights = balanced_weights([renamed[row] for row in shuffled], LABELS[shuffled])

    assert weights == pytest.approx(balanced_weights(CORPORA, LABELS)[shuffled])


def test_a_stray_recording_does_not_outweigh_a_batch():
    weights = balanced_weights(["one"] * 1000, np.array([0] * 999 + [1]))

    assert weights[-1] == 10
    assert weights[:-1] == pytest.approx([1000 / (2 * 999)] * 999)


def test_mask_has_the_classes_of_the_row_s_own_corpus():
    mask = class_mask(CORPORA, LABELS, 3)

    assert mask[:90].tolist() == [[True, True, True]] * 90
    assert mask[90:].tolist() == [[True, True, False]] * 10


def test_a_class_that_no_corpus_has_is_evidence_against_it_everywhere():
    mask = class_mask(CORPORA, LABELS, 4)

    assert mask[:, 3].all()
    assert not mask[90:, 2].any()


def test_lengths_that_differ_are_refused():
    with pytest.raises(ValueError, match="each row needs one of each"):
        balanced_weights(["a"], LABELS)
    with pytest.raises(ValueError, match="each row needs one of each"):
        class_mask([], np.array([], np.int64), 2)


def test_label_outside_the_classes_is_refused():
    with pytest.raises(ValueError, match="from 0 to 1"):
        class_mask(CORPORA, LABELS, 2)
