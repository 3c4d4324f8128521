"""The settings of a training, and the checks before it starts."""

from __future__ import annotations

import dataclasses
from typing import Final

from emosense.errors import UsageError
from emosense.models.description import CARD_FILE, DESCRIPTION_FILE, WEIGHTS_FILE
from emosense.models.model_files import check_no_model, read_model
from emosense.progress import plural
from emosense.storage.folders import exists
from emosense.storage.locations import join, redact
from emosense.training.encoder_choice import EncoderChoice
from emosense.training.ensemble import members_of
from emosense.training.epoch_logs import EpochLogs
from emosense.training.extra import check_extra
from emosense.training.families import FAMILIES
from emosense.training.presets import model_name
from emosense.training.settings import ModelConfig, NetworkConfig
from emosense.training.transfer_settings import TransferConfig

# Options that have no effect on networks that are trained in one piece.
_FOR_RAY_TRAIN: Final = {
    "storage": "--storage",
    "resume": "--resume",
    "max_failures": "--max-failures",
    "n_workers": "--train-workers",
    "use_gpu": "--gpu",
    "mixed_precision": "--mixed-precision",
}


@dataclasses.dataclass(frozen=True, slots=True)
class TrainJob:
    """What to train.

    Parameters
    ----------
    kind, preset : str
        Names of an entry of `emosense.training.presets.PRESETS`.
    data : str
        A corpus or a feature table; see `FeatureSource`.
    output : str
        Directory of the model.
    emotions : tuple of str
        Classes to train; empty for the preset's own.
    seed : int
        Decides initial weights, order, augmentation and the choice of held-out speakers.
    validation_share : float
        Share of speakers, in [0, 1), that the first training leaves out; 0 skips it, and the model is not calibrated.
    metrics : str or None
        A ``metrics.json`` of `evaluate` with the same kind, preset and settings: score, temperature and curves are
        taken from it, and the first training is skipped.
    cache : str or None
        Folder of the feature cache; None for the default.
    storage : str or None
        Folder or URL for checkpoints; None for a folder beside the model.
    resume : bool
        Resume the CNN from the last checkpoints of the same training.
    max_failures : int
        How often failed training workers are restarted.
    n_workers : int
        Data-parallel training workers of the CNN.
    use_gpu : bool
        Whether each training worker gets a GPU.
    model_name : str
        Name of the model; empty for the name of its directory.
    logs : EpochLogs
        Where the epochs are logged.
    mixed_precision : bool
        Whether layers compute in bfloat16 on the GPU.
    epochs : int or None
        Epochs of the CNN; None for the preset's.
    address : str or None
        See `ray_session`.
    overwrite : bool
        Whether an existing model is replaced.
    encoder : EncoderChoice
        The pretrained encoder of the presets that need one.
    more_data : tuple of str
        Further corpora to train on.
    follow_links : bool
        Follow symbolic links that lead out of a folder.
    root : str
        Folder or URL that relative paths in tables begin at; empty for the folder of the table.
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
    model_name: str = ""
    logs: EpochLogs = dataclasses.field(default_factory=EpochLogs)
    mixed_precision: bool = False
    epochs: int | None = None
    address: str | None = None
    overwrite: bool = False
    encoder: EncoderChoice = dataclasses.field(default_factory=EncoderChoice)
    more_data: tuple[str, ...] = ()
    follow_links: bool = False
    root: str = ""

    @property
    def name(self) -> str:
        """The model's own name: the one that was given, or that of its directory."""
        return self.model_name or self.output.rstrip("/").rpartition("/")[2] or model_name(self.kind, self.preset)

    @property
    def written(self) -> list[str]:
        """Every file that the job writes, except checkpoints."""
        return [join(self.output, name) for name in ("curves.json", CARD_FILE, WEIGHTS_FILE, DESCRIPTION_FILE)]


def check_job(job: TrainJob, config: ModelConfig) -> None:
    """Refuse options that would be ignored, an output directory that has something else, and missing packages.

    Parameters
    ----------
    job : TrainJob
        What to train.
    config : NetworkConfig or EnsembleConfig
        Settings of its preset.

    Raises
    ------
    UsageError
        If an option or the output directory is wrong, or a package of the extra `train` is missing.
    """
    check_extra()
    job.logs.check()
    if not job.model_name.isprintable():
        raise UsageError("--name is one line of text")
    default = TrainJob(job.kind, job.data, job.output)
    given = [option for name, option in _FOR_RAY_TRAIN.items() if getattr(job, name) != getattr(default, name)]
    if given and not takes_steps(config):
        raise UsageError(
            f"{given[0]} is for networks that take gradient steps (cnn, transfer fine-tuned): leave it out"
        )
    if job.mixed_precision and not job.use_gpu:
        raise UsageError("--mixed-precision is for --gpu: CPUs are no faster with it")
    if not 0 <= job.validation_share < 1:
        raise UsageError(f"--validation is a share of the speakers, from 0 to below 1, not {job.validation_share:g}")
    # 0 skips the first training, as metrics do.
    if job.metrics is not None and job.validation_share not in (0, default.validation_share):
        raise UsageError("--metrics gives score and calibration in place of held-out speakers: leave out --validation")
    if not job.overwrite:
        _check_place(job)


def _check_place(job: TrainJob) -> None:
    """Refuse a folder that has another model, or an evaluation, whose curves have the same name."""
    if not job.resume:
        check_no_model(job.output)
    found = [place.rpartition("/")[2] for place in job.written if exists(place)]
    other = ""
    if DESCRIPTION_FILE in found:
        description = read_model(job.output).description
        kind, preset = description["kind"], description["trained_on"].get("preset")
        other = "" if (kind, preset) == (job.kind, job.preset) else f"a model {kind} {preset}"
    elif found and (not job.resume or exists(join(job.output, "metrics.json"))):
        # A training that is resumed may have been stopped while it wrote; a folder with metrics is an evaluation.
        other = f"{found[0]} of something else"
    if other:
        raise UsageError(f"{redact(job.output)} holds {other}: choose another folder, or --overwrite")


def check_workers(job: TrainJob, n_recordings: int) -> None:
    """Refuse more training workers than recordings: some would have nothing to do.

    Parameters
    ----------
    job : TrainJob
        What to train.
    n_recordings : int
        Recordings to train on.

    Raises
    ------
    UsageError
        Naming the largest number of workers that there can be.
    """
    if job.n_workers > n_recordings:
        recordings = plural(n_recordings, "recording")
        raise UsageError(f"--train-workers {job.n_workers} would share {recordings}: use {n_recordings} at most")


def is_side_by_side(job: TrainJob, config: ModelConfig) -> bool:
    """Whether the networks of a model are trained at the same time, on one CPU each.

    Parameters
    ----------
    job : TrainJob
        What to train.
    config : NetworkConfig or EnsembleConfig
        Settings of its preset.

    Returns
    -------
    bool
        False for a single network, and where each network has several workers or a GPU.
    """
    return len(members_of(config, 0)) > 1 and job.n_workers == 1 and not job.use_gpu


def takes_steps(config: ModelConfig) -> bool:
    """Whether one of a model's networks is trained by gradient steps.

    Parameters
    ----------
    config : NetworkConfig or EnsembleConfig
        Settings of the model.

    Returns
    -------
    bool
        Then training needs Ray.
    """
    return any(_steps(member.config) for member in members_of(config, 0))


def _steps(config: NetworkConfig) -> bool:
    is_head_alone = isinstance(config, TransferConfig) and config.tuning is None
    return FAMILIES.find(config.kind).takes_steps and not is_head_alone
