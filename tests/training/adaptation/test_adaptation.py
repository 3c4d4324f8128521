"""The score of an adaptation is that of recordings that the head was not fitted to."""

from __future__ import annotations

import numpy as np
from made_heads import made_head

from emosense.training.adaptation.score import OwnData, base_probabilities, score_adaptation

N_SPEAKERS = 6
CLASSES, BASE_CLASSES = ("happy", "sad", "bored"), ("happy", "sad", "angry")


def own_data(*, is_signal: bool, speakers: tuple[str, ...] = (), seed: int = 0) -> OwnData:
    """Six recordings of each of six speakers; the emotion moves the embedding, or it does not."""
    rng = np.random.default_rng(seed)
    labels = np.tile(np.repeat(np.arange(3), 2), N_SPEAKERS)
    of_speaker = np.repeat(np.arange(N_SPEAKERS), 6)
    embeddings = rng.normal(0, 1, (len(labels), 5)) + 2 * rng.normal(0, 1, (N_SPEAKERS, 5))[of_speaker]
    if is_signal:
        embeddings += rng.normal(0, 5, (3, 5))[labels]
    names = speakers or tuple(f"s{number}" for number in of_speaker)
    return OwnData(embeddings.astype(np.float32), labels, names, CLASSES, BASE_CLASSES)


def test_what_can_be_learnt_is_gained() -> None:
    score = score_adaptation(made_head(), own_data(is_signal=True))
    assert score.protocol == "own labels, 6 folds over 6 speakers"
    assert score.uar > score.base_uar + 0.2
    assert score.is_better
    assert score.comparison.interval is not None
    assert score.comparison.interval[0] > 0


def test_noise_is_not_learnt_by_heart() -> None:
    scores = [score_adaptation(made_head(), own_data(is_signal=False, seed=seed)).uar for seed in range(8)]
    assert abs(np.mean(scores) - 1 / 3) < 0.08


def test_without_speakers_recordings_are_held_out_and_said() -> None:
    for speakers in (("",) * 36, ("one",) * 36, ("one", "") * 18):
        data = own_data(is_signal=True, speakers=speakers)
        assert not data.has_speakers
        assert score_adaptation(made_head(), data).protocol == "own labels, 10 folds over 36 recordings"


def one_row(classes: tuple[str, ...], base_classes: tuple[str, ...]) -> OwnData:
    return OwnData(np.zeros((1, 5), np.float32), np.array([0]), ("",), classes, base_classes)


def test_the_base_model_answers_among_the_emotions_of_the_labels() -> None:
    head, base_classes = made_head(), ("neutral", "calm", "bored")
    neutral, calm, bored = head.probabilities(np.zeros((1, 5), np.float32))[0]
    found = base_probabilities(head, one_row(("neutral", "tired", "bored"), base_classes))[0]
    np.testing.assert_allclose(found, [neutral + calm, 0, bored], rtol=1e-5)
    found = base_probabilities(head, one_row(("calm", "neutral"), base_classes))[0]
    np.testing.assert_allclose(found, [calm / (calm + neutral), neutral / (calm + neutral)], rtol=1e-5)
    np.testing.assert_allclose(base_probabilities(head, one_row(("tired", "proud"), base_classes)), [[0.5, 0.5]])
