"""A model and a few labels of one's own -> a model of one's own, if it is better: `emosense-batch adapt`."""

from __future__ import annotations

import dataclasses
import datetime
from collections import Counter
from typing import Any, Final

import numpy as np

from emosense._version import __version__
from emosense.errors import RECORDING_FAULTS, ModelError, UsageError, as_recording_error
from emosense.models.description import CARD_FILE, DESCRIPTION_FILE, WEIGHTS_FILE
from emosense.models.encoder_location import with_encoder_file
from emosense.models.head import read_head
from emosense.models.model import Model
from emosense.models.model_files import ModelFiles, check_no_model, read_model, write_model
from emosense.models.trial import try_model
from emosense.progress import Progress, plural
from emosense.storage.folders import make_folder
from emosense.storage.locations import join, local_path, redact
from emosense.storage.writing import write_bytes
from emosense.training.adaptation.card import adapted_card
from emosense.training.adaptation.embeddings import Embedder
from emosense.training.adaptation.head_fit import fit_head
from emosense.training.adaptation.log_head import headed
from emosense.training.adaptation.own_labels import OwnLabel, classes_of_labels, read_own_labels
from emosense.training.adaptation.score import AdaptationScore, OwnData, score_adaptation
from emosense.training.extra import check_extra
from emosense.training.head_graph import sharpened, with_head

_MAX_PROBLEMS: Final = 5


@dataclasses.dataclass(frozen=True, slots=True)
class AdaptJob:
    """What to adapt to what.

    Parameters
    ----------
    labels : str
        Table with the columns path, emotion and, if known, speaker.
    output : str
        Directory to write the model to; its last part is the model's name.
    model : str
        The base model.
    encoder : str
        Path or URL of the encoder that the base model needs; if empty, it is looked for on this machine.
    anyway : bool
        Write the model even if the base model alone is better.
    overwrite : bool
        Whether an existing model is replaced.
    root : str
        Folder or URL that relative paths in the table begin at; empty for its own folder.
    """

    labels: str
    output: str
    model: str = "default"
    encoder: str = ""
    anyway: bool = False
    overwrite: bool = False
    root: str = ""

    @property
    def name(self) -> str:
        """Name of the new model."""
        return local_path(self.output).rstrip("/").rpartition("/")[2]

    @property
    def written(self) -> list[str]:
        """Every file that the job writes."""
        return [join(self.output, name) for name in (CARD_FILE, WEIGHTS_FILE, DESCRIPTION_FILE)]


@dataclasses.dataclass(frozen=True, slots=True)
class Adapted:
    """A model of one's own.

    Parameters
    ----------
    description : dict
        Content of ``model.json``.
    score : AdaptationScore
        Of the adapted model and of the base model.
    unknown : tuple of str
        Emotions that the base model does not know.
    """

    description: dict[str, Any]
    score: AdaptationScore
    unknown: tuple[str, ...]


def adapt(job: AdaptJob, progress: Progress) -> Adapted:
    """Adapt a model to a few labelled recordings, and write it if it is better than the base model.

    Parameters
    ----------
    job : AdaptJob
    progress : Progress
        Receives what was left out, and how far the job is.

    Returns
    -------
    Adapted

    Raises
    ------
    UsageError
        If the table or the output directory is wrong, there are too few labels, or a package is missing.
    ModelError
        If the base model is refused, or is better than the adapted one.
    """
    check_extra()
    _check_place(job)
    files = with_encoder_file(read_model(job.model), job.encoder)
    weights = headed(files.weights, len(files.description["classes"]))
    base = read_head(weights)
    if base is None:
        raise ModelError(f"{redact(job.model)} has no head that could be adapted")
    if weights is files.weights:
        # The prior is around the weights that were learnt. A head that `headed` adds is not calibrated.
        base = sharpened(base, 1 / files.description["calibration"].get("temperature", 1.0))
    try_model(files, job.model)
    rows, embeddings = _embeddings(job, Embedder.of(Model(files), weights), progress)
    classes = classes_of_labels(rows)
    known = files.description["classes"]
    data = OwnData(
        embeddings,
        np.array([classes.index(row.emotion) for row in rows], np.int64),
        tuple(row.speaker for row in rows),
        classes,
        tuple(known),
    )
    progress.message(_text(rows, data))
    score = score_adaptation(base, data)
    description = _describe(job, files, rows, classes, data, score)
    if not score.is_better and not job.anyway:
        raise ModelError(
            f"the model {redact(job.model)} alone is as good or better on your recordings: UAR {score.base_uar:.1%}, "
            f"adapted {score.uar:.1%} ({score.protocol}). No model was written: label more, or use --anyway"
        )
    head = sharpened(fit_head(base, data.positions, data.embeddings, data.labels), score.temperature)
    _write(job, description, with_head(weights, head))
    return Adapted(description, score, tuple(name for name in classes if name not in known))


def _check_place(job: AdaptJob) -> None:
    if not job.name:
        raise UsageError("the output must be a folder with a name")
    if not job.overwrite:
        check_no_model(job.output)


def _embeddings(
    job: AdaptJob, embedder: Embedder, progress: Progress
) -> tuple[tuple[OwnLabel, ...], np.ndarray[Any, np.dtype[np.float32]]]:
    """Read the table and its recordings; those that cannot be used are left out, and said."""
    labels = read_own_labels(job.labels, job.root)
    problems, used, embeddings = list(labels.problems), [], []
    progress.start(len(labels.rows))
    for row in labels.rows:
        try:
            embeddings.append(embedder.embedding(row.recording))
            used.append(row)
        except RECORDING_FAULTS as fault:
            problems.append((row.recording.path, str(as_recording_error(fault))))
        progress.advance(len(used) + len(problems) - len(labels.problems), len(problems) - len(labels.problems))
    for path, reason in problems[:_MAX_PROBLEMS]:
        progress.message(f"left out: {redact(path)}: {reason}")
    if len(problems) > _MAX_PROBLEMS:
        progress.message(f"left out: {len(problems) - _MAX_PROBLEMS} more")
    if labels.n_empty:
        progress.message(f"left out: {plural(labels.n_empty, 'row')} without an emotion")
    if not used:
        raise UsageError(f"{redact(job.labels)} has no recording that can be used")
    return tuple(used), np.array(embeddings, np.float32)


def _text(rows: tuple[OwnLabel, ...], data: OwnData) -> str:
    counts = Counter(row.emotion for row in rows)
    text = f"{plural(len(rows), 'recording')}: {', '.join(f'{name} {n}' for name, n in sorted(counts.items()))}"
    if data.has_speakers:
        return f"{text}; {plural(len(set(data.speakers)), 'speaker')}"
    return f"{text}; without two or more speakers named, recordings are held out: new voices will be understood worse"


def _describe(
    job: AdaptJob,
    files: ModelFiles,
    rows: tuple[OwnLabel, ...],
    classes: tuple[str, ...],
    data: OwnData,
    score: AdaptationScore,
) -> dict[str, Any]:
    """Return the content of ``model.json``: that of the base model, and what is new."""
    base = files.description
    adapted = {
        "base": base["name"], "base_version": base["version"], "base_sha256": files.sha256, "n_recordings": len(rows),
        "n_speakers": len(set(data.speakers)) if data.has_speakers else None,
        "emotions": dict(Counter(row.emotion for row in rows)),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }  # fmt: skip
    return base | {
        "name": job.name, "version": __version__, "classes": list(classes),
        "calibration": {"method": "temperature", "temperature": score.temperature, "in_graph": True},
        "trained_on": base["trained_on"] | {"adapted": adapted},
        "scores": [score.to_dict()],
        "licence": f"{base['licence']} Adapted with {plural(len(rows), 'recording')} of the user's own.",
    }  # fmt: skip


def _write(job: AdaptJob, description: dict[str, Any], weights: bytes) -> None:
    new = {name: value for name, value in description.items() if name not in ("format", "emotions", "weights")}
    make_folder(job.output)
    write_bytes(join(job.output, CARD_FILE), adapted_card(description).encode())
    write_model(job.output, new, weights)
