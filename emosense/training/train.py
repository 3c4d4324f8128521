"""Corpus -> model directory: features, a fit with held-out speakers for curves and calibration, a fit on everyone.

The learning curves, the temperature and the score in `model.json` come from speakers that a first fit has not seen, or
from a cross-validation; the model that is written is then trained on all of them with the same settings.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Sequence
from typing import Any, Final

from emosense.emotions import EMOTIONS, parse_emotion
from emosense.errors import UsageError
from emosense.evaluation.splits import inner_split
from emosense.features.encoder.files import default_cache
from emosense.models.description import WEIGHTS_FILE
from emosense.models.model import read_model, write_model
from emosense.progress import Progress, plural
from emosense.ray_session import ray_session
from emosense.storage.files import exists, make_folder, write_bytes
from emosense.storage.locations import join, redact
from emosense.training.cnn_on_ray import RayTraining, fit_with_ray
from emosense.training.cnn_settings import CnnConfig
from emosense.training.description import describe
from emosense.training.encoder_choice import EncoderChoice, config_with_encoder
from emosense.training.ensemble import assemble, features_of, members_of
from emosense.training.feature_cache import FeatureSource, load_tables, settings_for
from emosense.training.feature_table import FeatureTable
from emosense.training.fits_on_ray import row_digests, run_key
from emosense.training.fitting import TrainedNetwork, fit, predict
from emosense.training.graphs import with_temperature
from emosense.training.held_out_score import HeldOutScore, cross_validated, held_out
from emosense.training.model_card import model_card
from emosense.training.presets import model_name, preset
from emosense.training.settings import Member, ModelConfig

# What scikit-learn has no use for.
_FOR_THE_CNN: Final = {
    "storage": "--storage",
    "resume": "--resume",
    "max_failures": "--max-failures",
    "n_workers": "--train-workers",
    "use_gpu": "--gpu",
}


@dataclasses.dataclass(frozen=True, slots=True)
class TrainJob:
    """What the user asked for.

    Parameters
    ----------
    emotions : tuple of str
        Classes to train; empty for the preset's own.
    validation_share : float
        Share of the speakers that the first fit does without; 0 skips it, and the model is not calibrated.
    metrics : str or None
        A ``metrics.json`` of `evaluate` with the same kind, preset and settings: it gives score, temperature and
        curves in place of a fit without some of the speakers.
    storage : str or None
        Folder or URL for checkpoints; beside the model where it is None.
    encoder : EncoderChoice
        The pretrained encoder of the presets that need one.
    """

    kind: str
    data: str
    output: str
    preset: str = "default"
    emotions: tuple[str, ...] = ()
    seed: int = 0
    validation_share: float = 0.2
    metrics: str | None = None
    cache: str | None = None
    storage: str | None = None
    resume: bool = False
    max_failures: int = 2
    n_workers: int = 1
    use_gpu: bool = False
    epochs: int | None = None
    address: str | None = None
    overwrite: bool = False
    encoder: EncoderChoice = dataclasses.field(default_factory=EncoderChoice)

    @property
    def written(self) -> list[str]:
        """Every file that the job writes, but for checkpoints."""
        return [join(self.output, name) for name in ("curves.json", "MODEL_CARD.md", WEIGHTS_FILE, "model.json")]


@dataclasses.dataclass(frozen=True, slots=True)
class Trained:
    """What training gave: the description that was written, and the curves."""

    description: dict[str, Any]
    curves: dict[str, Any]


def train(job: TrainJob, progress: Progress) -> Trained:
    """Train a model and write its directory.

    Raises
    ------
    UsageError
        If a setting, the data or the place of the model is wrong.
    """
    config = preset(job.kind, job.preset)
    _check(job, config)
    config = config_with_encoder(config, job.encoder, progress)
    if job.epochs is not None:
        config = _with_epochs(config, job.epochs)
    classes = classes_of(job.emotions, config)
    source = FeatureSource(job.data, job.cache or default_cache(), job.address)
    config = settings_for(source, config, progress)
    held_out_score = (
        None if job.metrics is None else cross_validated(job.metrics, job.kind, job.preset, config, classes)
    )
    make_folder(job.output)
    tables = [table.with_emotions(classes) for table in load_tables(source, features_of(config), progress)]
    table = tables[0]
    if set(table.emotions) != set(classes):
        raise UsageError(
            f"no recording of {', '.join(sorted(set(classes) - set(table.emotions)))} in {redact(job.data)}"
        )
    with _session(job, config):
        fits = _Fits(job, config, classes, progress)
        if held_out_score is None and job.validation_share > 0:
            held_out_score = fits.held_out(tables)
        final = fits.run("final", tables, None)
    description = describe(job.kind, job.preset, job.seed, config, classes, table, held_out_score)
    curves = {"validation": held_out_score.curves if held_out_score else [], "final": final.history}
    write_bytes(join(job.output, "curves.json"), json.dumps(curves, indent=1).encode())
    write_bytes(join(job.output, "MODEL_CARD.md"), model_card(description).encode())
    write_model(job.output, description, with_temperature(final.weights, description["calibration"]["temperature"]))
    return Trained(description, curves)


def _check(job: TrainJob, config: ModelConfig) -> None:
    """Refuse what would be ignored."""
    defaults = {field.name: field.default for field in dataclasses.fields(job)}
    given = [option for name, option in _FOR_THE_CNN.items() if getattr(job, name) != defaults[name]]
    if given and not _has_cnn(config):
        raise UsageError(f"{given[0]} is for the CNN: leave it out")
    if not 0 <= job.validation_share < 1:
        raise UsageError(f"--validation is a share of the speakers, from 0 to below 1, not {job.validation_share:g}")
    # 0 leaves the first fit out, as metrics do.
    if job.metrics is not None and job.validation_share not in (0, defaults["validation_share"]):
        raise UsageError("--metrics gives score and calibration in place of held-out speakers: leave out --validation")
    if not job.overwrite:
        _check_place(job)


def _check_place(job: TrainJob) -> None:
    """Refuse a folder that holds another model, or an evaluation, whose curves have the same name."""
    found = [place.rpartition("/")[2] for place in job.written if exists(place)]
    held = ""
    if "model.json" in found and job.resume:
        name = read_model(job.output).description["name"]
        held = "" if name == model_name(job.kind, job.preset) else f"the model {name}"
    elif "model.json" in found:
        held = "a model"
    elif found and (not job.resume or exists(join(job.output, "metrics.json"))):
        # A training that goes on may have been stopped while it wrote; an evaluation is none.
        held = f"{found[0]} of something else"
    if held:
        raise UsageError(f"{redact(job.output)} holds {held}: choose another folder, or --overwrite")


def classes_of(emotions: tuple[str, ...], config: ModelConfig) -> tuple[str, ...]:
    """Return the classes to train, in the order of `EMOTIONS`."""
    try:
        wanted = {parse_emotion(name) for name in emotions} or set(config.classes)
    except ValueError as err:
        raise UsageError(str(err)) from err
    if len(wanted) < 2:
        raise UsageError("at least two emotions are needed")
    return tuple(emotion for emotion in EMOTIONS if emotion in wanted)


def _with_epochs(config: ModelConfig, epochs: int) -> CnnConfig:
    if not isinstance(config, CnnConfig):
        raise UsageError("--epochs is for the CNN")
    return dataclasses.replace(config, epochs=epochs)


def _session(job: TrainJob, config: ModelConfig) -> contextlib.AbstractContextManager[object]:
    """Ray for the CNN's fits, with a CPU more than workers for Ray Train's controller; scikit-learn needs none."""
    return ray_session(job.address, job.n_workers + 1) if _has_cnn(config) else contextlib.nullcontext()


def _has_cnn(config: ModelConfig) -> bool:
    return any(isinstance(member.config, CnnConfig) for member in members_of(config, 0))


class _Fits:
    """The fits of one job, each a run of its own in the checkpoint storage."""

    def __init__(self, job: TrainJob, config: ModelConfig, classes: tuple[str, ...], progress: Progress) -> None:
        self._job, self._config, self._classes, self._progress = job, config, classes, progress

    def run(
        self, stage: str, tables: Sequence[FeatureTable], held_out: Sequence[FeatureTable] | None
    ) -> TrainedNetwork:
        """Train every network of the model; the curves of an ensemble are those of its networks, not shown here."""
        of_speakers = plural(len(set(tables[0].speakers)), "speaker")
        self._progress.message(f"{stage}: {plural(len(tables[0]), 'recording')} of {of_speakers}")
        heard, fitted = list(features_of(self._config)), []
        for member in members_of(self._config, self._job.seed):
            place = heard.index(member.config.feature)
            fitted.append(self._fit(stage, member, tables[place], held_out[place] if held_out else None))
        history = fitted[0].history if len(fitted) == 1 else []
        return TrainedNetwork(assemble(self._config, [network.weights for network in fitted]), history)

    def _fit(self, stage: str, member: Member, table: FeatureTable, validation: FeatureTable | None) -> TrainedNetwork:
        if not isinstance(member.config, CnnConfig):
            return fit(table, self._classes, member.config, seed=member.seed)
        job = self._job
        storage = job.storage or f"{job.output.rstrip('/')}/checkpoints"
        training = RayTraining(storage, job.n_workers, job.use_gpu, job.resume, job.max_failures)
        return fit_with_ray(
            table,
            self._classes,
            member.config,
            name=f"{stage}-{self._key(member, table, validation)}",
            seed=member.seed,
            validation=validation,
            training=training,
        )

    def held_out(self, tables: Sequence[FeatureTable]) -> HeldOutScore:
        """TrainingRun without some of the speakers, and score, calibrate and draw curves on them."""
        train_rows, held_rows = inner_split(tables[0].speakers, self._job.seed, self._job.validation_share)
        held = [table.select(held_rows) for table in tables]
        fitted = self.run("validation", [table.select(train_rows) for table in tables], held)
        probabilities = predict(fitted.weights, held, len(self._classes))
        return held_out(held[0].speakers, held[0].labels(self._classes), probabilities, fitted.history)

    def _key(self, member: Member, table: FeatureTable, validation: FeatureTable | None) -> str:
        """Return what decides weights and curves, so that a run is never resumed with other data or settings."""
        train, held = ([] if part is None else row_digests(part, member.config) for part in (table, validation))
        return f"{run_key(member.config, member.seed, self._classes, train, held)}-{self._job.n_workers}"
