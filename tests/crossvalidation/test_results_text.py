"""The scores of an evaluation as text."""

from __future__ import annotations

import numpy as np

from emosense.crossvalidation.results import Predictions, over_seeds
from emosense.crossvalidation.results_text import table_text
from emosense.emotions import EMOTIONS
from emosense.features.config import default_config
from emosense.training.features.table import FeatureTable


def metrics_of(emotions: tuple[str, ...]) -> dict[str, object]:
    """Scores of a model that is right each time."""
    n = len(emotions)
    names = tuple(f"{row}.wav" for row in range(n))
    features = [np.zeros(180, np.float32)] * n
    table = FeatureTable(default_config("summary"), names, emotions, ("01",) * n, ("female",) * n, features)
    probabilities = np.eye(len(EMOTIONS))[[EMOTIONS.index(name) for name in emotions]]
    found = Predictions(0, "given", np.arange(n), probabilities, [])
    return over_seeds(table, EMOTIONS, [found]) | {"model": "m", "protocol": "given", "last_epoch": {}}


def test_emotions_without_recordings_have_no_recall_and_do_not_count_in_the_uar() -> None:
    text = table_text(metrics_of(("calm", "happy", "sad", "angry", "disgust", "disgust")))
    assert text.startswith("m, given: 6 recordings, 1 seed\n")
    assert "UAR       100.0 % over 5 of 8 emotions" in text
    recall = {line.split()[0]: line.split()[-1] for line in text.splitlines()[-8:]}
    assert recall == {
        "neutral": "-", "calm": "100.0%", "happy": "100.0%", "sad": "100.0%", "angry": "100.0%", "fearful": "-",
        "disgust": "100.0%", "surprised": "-",
    }  # fmt: skip


def test_the_number_of_emotions_is_stated_only_if_some_are_missing() -> None:
    assert "emotions" not in table_text(metrics_of(EMOTIONS)).split("accuracy")[0]
    assert table_text(metrics_of(("calm",))).startswith("m, given: 1 recording, 1 seed\n")


def test_the_uar_after_speaker_adaptation_is_stated_with_its_option() -> None:
    (line,) = [line for line in table_text(metrics_of(EMOTIONS)).splitlines() if "adapted" in line]
    assert line.startswith("  UAR adapted (--speakers): ")
    assert line.count("%") == 4
    assert line.endswith("; each speaker has all 8 emotions here")
