"""A teacher answers for speakers whom it did not hear, and a network learns its answers beside the labels."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from emosense.arrays import Float32
from emosense.features.config import default_config
from emosense.training.cnn_settings import CnnConfig
from emosense.training.ensemble import copies_of, without_copies
from emosense.training.families import fit
from emosense.training.features.extraction import Copy
from emosense.training.features.table import FeatureTable
from emosense.training.gradient_descent.training_set import Taught, make_training_set
from emosense.training.network_store import row_digests
from emosense.training.presets import preset
from emosense.training.transfer.teacher import teacher_probabilities

CLASSES = ("neutral", "happy", "sad")
N_RECORDINGS, N_SPEAKERS, N_DIMS = 48, 8, 6


def made_table(n_speakers: int = N_SPEAKERS) -> tuple[FeatureTable, Float32]:
    """Recordings and embeddings, from whose first values the emotion can be told."""
    rng = np.random.default_rng(0)
    labels = [number % len(CLASSES) for number in range(N_RECORDINGS)]
    embeddings = rng.normal(0, 0.4, (N_RECORDINGS, N_DIMS)).astype(np.float32)
    embeddings[np.arange(N_RECORDINGS), labels] += 2
    bands = rng.normal(-40, 5, (N_RECORDINGS, 60, 128)).astype(np.float32)
    for features, label in zip(bands, labels, strict=True):
        features[:, 40 * label : 40 * label + 30] += 20
    table = FeatureTable(
        default_config("logmel"),
        tuple(f"{number}.wav" for number in range(N_RECORDINGS)),
        tuple(CLASSES[label] for label in labels),
        tuple(f"s{number % n_speakers}" for number in range(N_RECORDINGS)),
        ("",) * N_RECORDINGS,
        list(bands),
        {},
    )
    return table, embeddings


def distilled(share: float = 0.5) -> CnnConfig:
    config = preset("cnn", "distilled")
    assert isinstance(config, CnnConfig)
    assert config.teacher
    teacher = dataclasses.replace(config.teacher, embedding=default_config("whisper"))
    return dataclasses.replace(
        config, teacher=teacher, teacher_share=share, epochs=2, batch_size=8, channels=(4, 4, 4, 8, 8), crop_frames=48
    )


def test_the_answer_for_a_speaker_does_not_depend_on_his_own_labels() -> None:
    table, embeddings = made_table()
    answers = teacher_probabilities(table, CLASSES, embeddings, 0.05)
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-5)
    assert (answers.argmax(axis=1) == table.labels(CLASSES)).mean() > 0.95
    own = [row for row, speaker in enumerate(table.speakers) if speaker == "s3"]
    emotions = [CLASSES[0] if row in own else emotion for row, emotion in enumerate(table.emotions)]
    changed = teacher_probabilities(dataclasses.replace(table, emotions=tuple(emotions)), CLASSES, embeddings, 0.05)
    # Only the balance of the emotions has changed for them; others had a teacher with wrong labels.
    assert (changed[own].argmax(axis=1) == answers[own].argmax(axis=1)).all()
    assert np.abs(changed - answers).max() > 0.02


def test_a_single_speaker_is_answered_by_a_teacher_that_heard_him() -> None:
    table, embeddings = made_table(n_speakers=1)
    answers = teacher_probabilities(table, CLASSES, embeddings, 0.05)
    assert (answers.argmax(axis=1) == table.labels(CLASSES)).all()


def test_a_teacher_has_its_share_of_the_targets() -> None:
    table, _ = made_table()
    labels, config = table.labels(CLASSES), distilled()
    answers = np.full((N_RECORDINGS, 3), 1 / 3, np.float32)
    alone, masks = make_training_set(table.features, labels, table.corpora, config, 3)
    taught, _ = make_training_set(table.features, labels, table.corpora, config, 3, Taught(answers, 0.25))
    np.testing.assert_allclose(taught.targets[:, :3], 0.75 * alone.targets[:, :3] + 0.25 / 3, atol=1e-6)
    np.testing.assert_allclose(taught.targets[:, 3:-1], 0.75 * alone.targets[:, 3:-1], atol=1e-6)
    np.testing.assert_array_equal(taught.targets[:, -1], alone.targets[:, -1])
    assert len(masks) == 1


def test_a_network_learns_from_what_its_teacher_says() -> None:
    table, embeddings = made_table()
    # A teacher who knows nothing of the second emotion.
    wrong = embeddings.copy()
    wrong[:, 1] = 0
    (copy,) = copies_of(distilled())
    assert copy == Copy(default_config("whisper"), None)
    losses = []
    for values in (embeddings, wrong):
        taught = dataclasses.replace(table, copies={copy: list(values)})
        losses.append(fit(taught, CLASSES, distilled(1.0), seed=0).history[0]["train_loss"])
    assert abs(losses[0] - losses[1]) > 1e-4


def test_a_feature_table_has_no_teacher_and_stored_networks_know_theirs() -> None:
    config = without_copies(distilled())
    assert isinstance(config, CnnConfig)
    assert (config.teacher, config.teacher_share) == (None, 0.0)
    table, embeddings = made_table()
    (copy,) = copies_of(distilled())
    rows = [dataclasses.replace(table, copies={copy: list(values)}) for values in (embeddings, embeddings + 1)]
    assert row_digests(rows[0], distilled()) != row_digests(rows[1], distilled())
    others = dataclasses.replace(rows[0], speakers=("x",) * N_RECORDINGS)
    assert row_digests(others, distilled()) != row_digests(rows[0], distilled())
    assert row_digests(others, config) == row_digests(rows[0], config)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_shares_at_both_ends_are_label_and_teacher_alone(share: float) -> None:
    table, _ = made_table()
    labels = table.labels(CLASSES)
    answers = np.eye(3, dtype=np.float32)[(labels + 1) % 3]
    config = dataclasses.replace(distilled(), label_smoothing=0.0)
    examples, _ = make_training_set(table.features, labels, table.corpora, config, 3, Taught(answers, share))
    expected = labels if share == 0 else (labels + 1) % 3
    np.testing.assert_array_equal(examples.targets[:, :3].argmax(axis=1), expected)
    assert examples.targets[:, 3].max() == 1 - share
