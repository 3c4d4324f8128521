"""A given model and a corpus -> the model as a fold, tested on every recording that it has an answer for."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from emosense.crossvalidation.job import EvaluateJob
from emosense.crossvalidation.scored_models import FoldModel, ScoredModels
from emosense.errors import UsageError
from emosense.evaluation.choice import EmotionChoice
from emosense.features.config import FeatureConfig
from emosense.models.encoder_location import with_encoder_file
from emosense.models.model_files import read_model, shipped_models
from emosense.models.trial import try_model
from emosense.progress import Progress
from emosense.training.features.loading import load_tables
from emosense.training.features.table import FeatureTable


def given_model(job: EvaluateJob, progress: Progress) -> ScoredModels:
    """Read a given model, to be scored on all recordings of its classes, or of the emotions that it may answer with.

    Parameters
    ----------
    job : EvaluateJob
        With a model.
    progress : Progress
        Receives messages.

    Returns
    -------
    ScoredModels
        The model as a single fold.

    Raises
    ------
    UsageError
        If the data has no recording of these emotions.
    ModelError
        If the model is refused.
    """
    assert job.model is not None
    files = with_encoder_file(read_model(job.model), job.encoder.location, progress)
    try_model(files, job.model)
    description = files.description
    classes = outputs = tuple(description["classes"])
    wanted = {FeatureConfig.from_dict(values): () for values in description["features"]}
    tables = tuple(table.with_emotions(classes) for table in load_tables(job.source, wanted, progress))
    if job.emotions:
        choice = EmotionChoice.parse(job.emotions)
        choice.check(classes)
        classes, tables = choice.emotions, tuple(_answered(table, choice) for table in tables)
    table = tables[0]
    if not len(table):
        raise UsageError(f"no recording of {', '.join(classes)} in {job.source.name}")
    seen = _seen_speakers(table, description["trained_on"])
    if seen:
        progress.message(f"the model was trained on speakers {', '.join(seen)}: this is not a held-out score")
    model = FoldModel(0, "all", files.weights, np.arange(len(table)), outputs=outputs)
    name = job.model if job.model in shipped_models() else description["name"]
    about = {"model": name, "sha256": files.sha256, "protocol": "given model", "seen_speakers": seen}
    # A model is asked for its own emotions, whatever the corpora of its training had.
    return ScoredModels(tables, classes, [model], about, dict.fromkeys(table.corpora, frozenset(classes)))


def _answered(table: FeatureTable, choice: EmotionChoice) -> FeatureTable:
    """Return the utterances whose emotion has a right answer among the chosen ones, labelled with this answer."""
    answers = [choice.answer(emotion) for emotion in table.emotions]
    answered = table.select([row for row, answer in enumerate(answers) if answer])
    return dataclasses.replace(answered, emotions=tuple(answer for answer in answers if answer))


def _seen_speakers(table: FeatureTable, trained_on: dict[str, Any]) -> list[str]:
    """Return the speakers a model was trained on; in a corpus of another name, equal names are other people."""
    corpora = {corpus["name"] for corpus in trained_on.get("corpora", ())} | {trained_on.get("corpus", "")} - {""}
    speakers = set(trained_on.get("speakers", ()))
    return sorted(
        {
            speaker
            for corpus, speaker in zip(table.corpora, table.speakers, strict=True)
            if (not corpora or corpus in corpora | {""}) and speakers & {speaker, f"{corpus}-{speaker}"}
        }
    )
