"""All scores of a set of predictions."""

from __future__ import annotations

import json
import statistics

import numpy as np
import pytest
from made_predictions import predicted_rows
from sklearn import metrics as oracle

from emosense.emotions import REFERENCE_MLP_EMOTIONS
from emosense.evaluation.summary import summarise


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
