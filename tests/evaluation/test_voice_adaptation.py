"""Adaptation to a voice by both heads of a model: what it removes, and what it leaves where emotions are missing."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from emosense.emotions import EMOTIONS
from emosense.evaluation.adapted import adaptation_scores
from emosense.evaluation.by_corpus import corpus_scores
from emosense.evaluation.choice import EmotionChoice
from emosense.evaluation.speaker_adaptation import normalised, shares_of
from emosense.evaluation.speaker_predictions import SpeakerPredictions, adapted_together
from emosense.evaluation.voice_adaptation import VoiceAdaptation

N_DIMS = 20
RNG = np.random.default_rng(0)
# An affine head: the embedding of an emotion lies at its row, and voices move along all dims.
MEANS = 0.8 * RNG.normal(0, 1, (8, N_DIMS))
WEIGHT = MEANS.T
BIAS = -0.5 * (MEANS**2).sum(axis=1)
OF_CLASSES = shares_of(np.stack([MEANS @ WEIGHT + BIAS] * 2, axis=1))


def heard(labels: np.ndarray, voice: np.ndarray, seed: int = 1) -> np.ndarray:
    """What the head gives for recordings of one speaker, shape (n, 8)."""
    embeddings = MEANS[labels] + voice + np.random.default_rng(seed).normal(0, 1, (len(labels), N_DIMS))
    return shares_of(embeddings @ WEIGHT + BIAS)


def second_of(probabilities: np.ndarray) -> SpeakerPredictions:
    """A speaker head that is the first head again."""
    n = len(probabilities)
    return SpeakerPredictions(probabilities, np.tile(OF_CLASSES, (n, 1, 1, 1)), np.ones(n))


def accuracy(labels: np.ndarray, probabilities: np.ndarray) -> float:
    return float((probabilities.argmax(axis=1) == labels).mean())


@pytest.mark.parametrize("emotions", [range(8), [2, 4, 6], [1, 5]])
def test_a_voice_is_removed_whatever_emotions_there_are(emotions: list[int]) -> None:
    reached = []
    for seed in range(12):
        labels = np.repeat([*emotions], 96 // len(emotions))
        voice = np.random.default_rng(100 + seed).normal(0, 1, N_DIMS)
        alone = heard(labels, voice, seed)
        both = adapted_together(alone, second_of(alone))
        np.testing.assert_allclose(both.sum(axis=1), 1)
        reached.append([accuracy(labels, found) for found in (alone, both, adapted_together(alone))])
    alone_mean, both_mean, by_scores = np.mean(reached, axis=0)
    assert both_mean > alone_mean + 0.05
    # What the emotions explain is not taken for the voice: with few emotions, normalised scores do worse than none.
    assert (by_scores < alone_mean) == (len(emotions) < 8)


def test_one_emotion_is_kept_where_the_model_hears_it() -> None:
    labels = np.full(40, 4)
    alone = heard(labels, np.zeros(N_DIMS))
    assert accuracy(labels, alone) > 0.9
    assert accuracy(labels, adapted_together(alone, second_of(alone))) > accuracy(labels, adapted_together(alone)) + 0.1


def test_a_single_recording_stays_as_it_is() -> None:
    alone = heard(np.array([3]), np.ones(N_DIMS))
    other = dataclasses.replace(second_of(alone), probabilities=alone[:, ::-1].copy())
    np.testing.assert_allclose(adapted_together(alone, other), alone, atol=1e-6)


def test_many_recordings_are_answered_by_the_speaker_head() -> None:
    # The first head is deaf; the speaker head knows.
    labels = np.tile(np.arange(8), 200)
    knows = heard(labels, np.zeros(N_DIMS))
    deaf = np.full_like(knows, 1 / 8)
    classes = np.stack([np.full((8, 8), 1 / 8), OF_CLASSES[:, 1]], axis=1)
    found = adapted_together(
        deaf, SpeakerPredictions(knows, np.tile(classes, (len(labels), 1, 1, 1)), np.ones(len(labels)))
    )
    assert accuracy(labels, found) > 0.9


def test_sums_of_parts_are_the_sums_of_the_whole_and_segments_adapt_to_them() -> None:
    alone = heard(np.arange(8), np.ones(N_DIMS))
    both, by = np.stack([alone, alone], axis=1), VoiceAdaptation(OF_CLASSES)
    parts = by.sums(both[:3]) + by.sums(both[3:])
    assert parts[0] == 8
    np.testing.assert_allclose(parts, by.sums(both), atol=1e-9)
    np.testing.assert_allclose(by.adapt(both[2:3], parts), by.adapt(both, parts)[2:3], atol=1e-12)


def test_certain_predictions_stay_finite() -> None:
    certain = np.eye(8)[[0, 0, 1]]
    found = adapted_together(certain, second_of(certain))
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_calibration_changes_no_adapted_label_and_is_that_of_the_answer() -> None:
    alone = heard(np.tile(np.arange(8), 3), np.ones(N_DIMS))
    plain = adapted_together(alone, second_of(alone))
    calm = adapted_together(normalised(alone**0.5), second_of(alone).scaled(2.0))
    np.testing.assert_allclose(calm, normalised(plain**0.5), atol=1e-6)
    by = VoiceAdaptation.of_logits(np.log(OF_CLASSES), 2.0)
    both = np.stack([normalised(alone**0.5), alone], axis=1)
    np.testing.assert_allclose(by.adapt(both, by.sums(both)), calm, atol=1e-9)


def test_chosen_emotions_are_those_of_the_choice_in_every_place() -> None:
    alone, choice = heard(np.arange(8), np.ones(N_DIMS)), EmotionChoice.parse(["happy", "neutral", "angry"])
    found = second_of(alone).answered(choice, EMOTIONS)
    of_model = VoiceAdaptation(OF_CLASSES).answered(choice, EMOTIONS)
    np.testing.assert_allclose(found.class_probabilities[0], of_model.class_probabilities)
    np.testing.assert_allclose(found.probabilities, choice.apply_to_classes(alone, EMOTIONS))
    assert of_model.class_probabilities.shape == (3, 2, 3)
    np.testing.assert_allclose(of_model.class_probabilities.sum(axis=-1), 1)
    # The rows are those of the chosen emotions too: neutral, happy, angry.
    assert of_model.class_probabilities[:, 0].argmax(axis=1).tolist() == [0, 1, 2]


def test_evaluations_adapt_with_the_speaker_heads() -> None:
    labels = np.tile(np.repeat(np.arange(8), 6), 4)
    speakers = np.repeat([f"s{number}" for number in range(4)], 48)
    voices = {name: np.random.default_rng(seed).normal(0, 1, N_DIMS) for seed, name in enumerate(np.unique(speakers))}
    alone = np.concatenate([heard(labels[speakers == name], voices[name]) for name in np.unique(speakers)])
    second = second_of(alone)
    scores = adaptation_scores(labels, alone, speakers.tolist(), second=second)
    assert scores["one"] == pytest.approx(scores["none"])
    expected = np.concatenate(
        [adapted_together(alone[speakers == name], second.select(speakers == name)) for name in np.unique(speakers)]
    )
    # Every class has as many rows.
    assert scores["all"]["accuracy"] == scores["all"]["uar"] == pytest.approx(accuracy(labels, expected))
    assert scores["all"]["uar"] > scores["none"]["uar"] + 0.05
    taught = {"a": EMOTIONS[:5]}
    arguments = (labels, alone, ["a"] * len(labels), speakers.tolist(), EMOTIONS, taught)
    (found,) = corpus_scores(*arguments, second)
    (plain,) = corpus_scores(*arguments)
    assert found["speaker"]["uar"] == scores["all"]["uar"]
    assert found["none"] == plain["none"]
    assert found["speaker"]["uar_among"] > found["none"]["uar_among"]


def test_models_without_a_speaker_head_have_no_second_predictions() -> None:
    known = second_of(heard(np.arange(8), np.zeros(N_DIMS)))
    assert SpeakerPredictions.joined([known, None]) is None
    joined = SpeakerPredictions.joined([known, known])
    assert joined is not None
    assert joined.probabilities.shape == (16, 8)
