"""A model and its training data -> the same model with a distance: `emosense-batch models familiarity`."""

from __future__ import annotations

import dataclasses
from typing import Final

from emosense.errors import UsageError
from emosense.features.config import FeatureConfig
from emosense.models.description import CARD_FILE
from emosense.models.encoder_location import with_encoder_file
from emosense.models.model_files import check_no_model, read_model, shipped_models, write_model
from emosense.progress import Progress, plural
from emosense.storage.folders import exists, make_folder
from emosense.storage.locations import join, redact
from emosense.storage.reading import read_bytes
from emosense.storage.writing import write_bytes
from emosense.training.familiarity.distance import learn_familiarity
from emosense.training.familiarity.graph import recording_values, with_distance
from emosense.training.features.loading import load_tables
from emosense.training.features.source import FeatureSource

# What a model's directory has besides description and weights, if it was trained by `emosense-batch train`.
_BESIDE: Final = (CARD_FILE, "curves.json")


@dataclasses.dataclass(frozen=True, slots=True)
class FamiliarityJob:
    """Which model learns what is familiar, and from what.

    Parameters
    ----------
    source : FeatureSource
        The recordings that the model was trained on.
    model : str
        Name of a shipped model, a directory, or a URL.
    output : str
        Directory to write the model to.
    encoder : str
        Path or URL of the encoder that the model needs; if empty, it is looked for on this machine.
    overwrite : bool
        Whether an existing model is replaced.
    """

    source: FeatureSource
    model: str
    output: str
    encoder: str = ""
    overwrite: bool = False


def add_familiarity(job: FamiliarityJob, progress: Progress) -> str:
    """Give a model the output ``distance``, or replace the one that it has.

    Parameters
    ----------
    job : FamiliarityJob
        Which model, and from what.
    progress : Progress
        Receives messages and progress.

    Returns
    -------
    str
        From how many recordings and speakers the distance was learned.

    Raises
    ------
    UsageError
        If the output directory holds a model, or the data are not those of the model.
    ModelError
        If the model is refused.
    """
    if not job.overwrite:
        check_no_model(job.output)
    files = read_model(job.model)
    located = with_encoder_file(files, job.encoder).description["features"]
    wanted = {FeatureConfig.from_dict(values): () for values in located}
    classes = files.description["classes"]
    tables = [table.with_emotions(classes) for table in load_tables(job.source, wanted, progress)]
    speakers = set(tables[0].speakers)
    _check_speakers(job, speakers, files.description["trained_on"].get("speakers"))
    familiarity = learn_familiarity(recording_values(files.weights, tables), tables[0].speakers)
    if familiarity is None:
        raise UsageError(f"{job.source.name} has {plural(len(speakers), 'speaker')}: a distance needs at least three")
    make_folder(job.output)
    folder = shipped_models().get(job.model, job.model)
    for name in _BESIDE:
        if exists(join(folder, name)):
            write_bytes(join(job.output, name), read_bytes(join(folder, name)))
    write_model(job.output, files.description, with_distance(files.weights, familiarity))
    return f"distance from {plural(len(tables[0]), 'recording')} of {plural(len(speakers), 'speaker')}"


def _check_speakers(job: FamiliarityJob, found: set[str], trained_on: list[str] | None) -> None:
    """Refuse data of other speakers: what a model was not trained on must not become familiar."""
    if trained_on is not None and found != set(trained_on):
        other = len(found - set(trained_on)), len(set(trained_on) - found)
        raise UsageError(
            f"{job.source.name} is not what {redact(job.model)} was trained on: {plural(other[0], 'speaker')} more, "
            f"{other[1]} missing"
        )
