"""The speaker head is trained on embeddings without the shifts of voices, and helps recordings of other speakers."""

from __future__ import annotations

import numpy as np

from emosense.evaluation.speaker_predictions import SpeakerPredictions, adapted_together
from emosense.evaluation.voice_adaptation import VoiceAdaptation
from emosense.models.head import Head
from emosense.models.speaker_head import SpeakerHead
from emosense.training.transfer.head_training import TrainingRows, train_head
from emosense.training.transfer.speaker_head_training import train_speaker_head

N_CLASSES, N_DIMS, N_EACH = 4, 12, 12


def made(n_speakers: int, seed: int, spread: float) -> tuple[TrainingRows, np.ndarray]:
    """Embeddings of which each speaker's lie elsewhere, the first speaker's all of one class."""
    rng = np.random.default_rng(seed)
    means = np.random.default_rng(9).normal(0, 0.7, (N_CLASSES, N_DIMS))
    speakers = np.repeat(np.arange(n_speakers), N_CLASSES * N_EACH)
    labels = np.where(speakers == 0, 0, np.tile(np.repeat(np.arange(N_CLASSES), N_EACH), n_speakers))
    voices = rng.normal(0, spread, (n_speakers, N_DIMS))
    embeddings = 3 + means[labels] + voices[speakers] + rng.normal(0, 0.8, (len(labels), N_DIMS))
    n = len(labels)
    return TrainingRows(
        embeddings.astype(np.float32), labels, np.ones(n, np.float32), np.ones((n, N_CLASSES), np.bool_)
    ), speakers


def trained(spread: float) -> tuple[Head, SpeakerHead]:
    rows, speakers = made(12, 0, spread)
    head, _ = train_head(rows, 0.01)
    return head, train_speaker_head(head, rows, [f"s{number}" for number in speakers], 0.01)


def test_other_speakers_are_understood_better_with_the_speaker_head_than_by_normalised_scores() -> None:
    head, speaker_head = trained(1.0)
    rows, speakers = made(12, 1, 1.0)
    alone = head.probabilities(rows.embeddings).astype(np.float64)
    other = speaker_head.on(head).probabilities(rows.embeddings).astype(np.float64)
    of_classes = VoiceAdaptation.of_logits(speaker_head.class_logits).class_probabilities
    second = SpeakerPredictions(other, np.tile(of_classes, (len(alone), 1, 1, 1)), np.ones(len(alone)))
    with_head, by_scores = alone.copy(), alone.copy()
    for speaker in np.unique(speakers):
        mine = speakers == speaker
        with_head[mine] = adapted_together(alone[mine], second.select(mine))
        by_scores[mine] = adapted_together(alone[mine])
    right = [float((found.argmax(axis=1) == rows.labels).mean()) for found in (alone, by_scores, with_head)]
    assert right[0] + 0.1 < right[2]
    assert right[1] < right[2]


def test_without_differences_between_voices_both_heads_say_the_same() -> None:
    head, speaker_head = trained(0.0)
    embeddings = made(4, 1, 0.0)[0].embeddings
    both = [each.probabilities(embeddings) for each in (head, speaker_head.on(head))]
    np.testing.assert_allclose(*both, atol=0.25)
    assert np.abs(both[0] - both[1]).mean() < 0.03


def test_class_logits_are_what_both_heads_give_for_the_mean_of_a_class() -> None:
    head, speaker_head = trained(1.0)
    rows, _ = made(12, 0, 1.0)
    means = np.stack([rows.embeddings[rows.labels == label].mean(axis=0) for label in range(N_CLASSES)])
    of_classes = VoiceAdaptation.of_logits(speaker_head.class_logits).class_probabilities
    np.testing.assert_allclose(of_classes[:, 0], head.probabilities(means), atol=1e-4)
    np.testing.assert_allclose(of_classes[:, 1], speaker_head.on(head).probabilities(means), atol=1e-4)


def test_a_class_without_rows_explains_nothing_and_a_speaker_of_one_recording_has_no_shift() -> None:
    rows, speakers = made(3, 0, 1.0)
    more = TrainingRows(rows.embeddings, rows.labels, rows.weights, np.ones((len(rows.labels), 5), np.bool_))
    head, _ = train_head(more, 0.01)
    alone = [f"s{number}" for number in range(len(speakers))]
    found = train_speaker_head(head, more, alone, 0.01)
    # Every speaker has one recording: the embeddings stay as they are, and so does the head.
    assert found.class_logits.shape == (5, 2, 5)
    np.testing.assert_allclose(found.weight, head.weight, atol=1e-3)
    mean = more.embeddings.mean(axis=0, keepdims=True)
    np.testing.assert_allclose(
        VoiceAdaptation.of_logits(found.class_logits).class_probabilities[4, 0], head.probabilities(mean)[0], atol=1e-4
    )
