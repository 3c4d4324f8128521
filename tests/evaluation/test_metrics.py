"""Scores of labels, against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_predictions import sure
from sklearn import metrics as oracle

from emosense.emotions import EMOTIONS, REFERENCE_MLP_EMOTIONS
from emosense.evaluation.groups import by_group
from emosense.evaluation.metrics import accuracy, arousal_confusion, confusion_matrix, macro_f1, recall_per_class, uar

LABELS = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), min_size=1, max_size=60)


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


def test_groups_are_scored_separately_and_ordered_by_name():
    probabilities = sure([0, 0, 1, 1], [0.9, 0.7, 0.6, 0.8])
    female, male = by_group([0, 1, 1, 1], probabilities, ["male", "male", "female", "female"])
    assert (female.group, female.n, female.uar, female.accuracy) == ("female", 2, 1.0, 1.0)
    assert (male.group, male.n, male.uar, male.accuracy) == ("male", 2, 0.5, 0.5)
    assert (female.mean_confidence, male.mean_confidence) == (pytest.approx(0.7), pytest.approx(0.8))
