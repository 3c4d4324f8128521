"""`label --speakers` with a model that has a speaker head: the kept parts are enough for it."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import tiny_description
from made_heads import made_head
from made_speaker_heads import speaker_graph

import emosense
from emosense.emotions import EMOTIONS
from emosense.evaluation.choice import EmotionChoice
from emosense.evaluation.speaker_predictions import adapted_together
from emosense.evaluation.voice_adaptation import VoiceAdaptation
from emosense.labelling.config import LabelConfig
from emosense.labelling.job import LabelJob
from emosense.labelling.run_job import run_label_job
from emosense.labelling.speaker_rule import SpeakerRule
from emosense.models.model_files import read_model, write_model
from emosense.models.speaker_head import read_speaker_head
from emosense.tables.row import Row

CONFIG = LabelConfig(window_s=0.5)
COLUMNS = [f"p_{name}" for name in EMOTIONS]


@pytest.fixture
def model(tmp_path: Path) -> str:
    folder = tmp_path / "model"
    folder.mkdir()
    head = made_head(n_dims=128, n_classes=8)
    calm = dataclasses.replace(head, mean=head.mean - 40, scale=np.full(128, 200, np.float32))
    write_model(str(folder), tiny_description(), speaker_graph(calm))
    return str(folder)


@pytest.fixture
def job(write_voice: Callable[..., Path], model: str, tmp_path: Path) -> LabelJob:
    for speaker, pitch in (("low", 90.0), ("high", 260.0)):
        for take in range(3):
            write_voice(f"in/{speaker}/{take}.wav", 0.5 + 0.3 * take, pitch + 20 * take)
    return LabelJob(
        (str(tmp_path / "in"),), str(tmp_path / "out.csv"), segments_output=str(tmp_path / "segments.csv"),
        model=model, engine="local", n_workers=1, config=CONFIG,
    )  # fmt: skip


def both(rows: list[Row]) -> np.ndarray:
    """What both heads say, shape (n, 2, 8)."""
    return np.array([(row.probabilities, row.speaker_probabilities) for row in rows])


def probabilities(place: str) -> np.ndarray:
    with open(place, encoding="utf-8", newline="") as file:
        return np.array([[float(row[column]) for column in COLUMNS] for row in csv.DictReader(file)])


def adaptation(model: str) -> VoiceAdaptation:
    head = read_speaker_head(read_model(model).weights)
    assert head is not None
    return VoiceAdaptation.of_logits(head.class_logits)


def test_rows_and_segments_are_adapted_with_both_heads_from_the_kept_parts(job: LabelJob, model: str) -> None:
    run_label_job(job)
    paths = [f"{job.inputs[0]}/{speaker}/{take}.wav" for speaker in ("high", "low") for take in range(3)]
    alone = both(list(emosense.label(paths, model=model, window_s=0.5)))
    np.testing.assert_allclose(probabilities(job.output), alone[:, 0], atol=1e-6)
    assert np.abs(alone[:, 0] - alone[:, 1]).max() > 0.01
    assert run_label_job(dataclasses.replace(job, speakers=SpeakerRule("parent"))).n_reused == 6
    by, segments = adaptation(model), []
    for speaker in (0, 3):
        mine = alone[speaker : speaker + 3]
        expected = by.adapt(mine, by.sums(mine))
        np.testing.assert_allclose(probabilities(job.output)[speaker : speaker + 3], expected, atol=1e-5)
        assert np.abs(expected - adapted_together(mine[:, 0])).max() > 0.01
        for path in paths[speaker : speaker + 3]:
            rows = both(list(emosense.label([path], model=model, window_s=0.5, segments=True)))
            segments += list(by.adapt(rows, by.sums(mine)))
    assert len(segments) > 6
    assert job.segments_output is not None
    np.testing.assert_allclose(probabilities(job.segments_output), segments, atol=1e-5)


def test_chosen_emotions_come_before_the_adaptation(job: LabelJob, model: str) -> None:
    run_label_job(job)
    paths = [f"{job.inputs[0]}/{speaker}/{take}.wav" for speaker in ("high", "low") for take in range(3)]
    choice = EmotionChoice.parse(["neutral", "happy", "sad"])
    among = [EMOTIONS.index(name) for name in choice.emotions]
    answered = choice.apply(both(list(emosense.label(paths, model=model, window_s=0.5))))[..., among]
    summary = run_label_job(dataclasses.replace(job, emotions=choice, adapt="folder"))
    assert summary.n_reused == 6
    by = adaptation(model).answered(choice, EMOTIONS)
    expected = np.concatenate([by.adapt(part, by.sums(part)) for part in (answered[:3], answered[3:])])
    found = probabilities(job.output)
    np.testing.assert_allclose(found[:, among], expected, atol=1e-5)
    assert not np.delete(found, among, axis=1).any()


def test_a_speaker_of_one_recording_keeps_its_row(job: LabelJob) -> None:
    run_label_job(job)
    alone = probabilities(job.output)
    run_label_job(dataclasses.replace(job, speakers=SpeakerRule(r"regex:(\w+/\d)\.wav")))
    np.testing.assert_allclose(probabilities(job.output), alone, atol=1e-6)
