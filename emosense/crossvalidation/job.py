"""What one evaluation is asked to do, and which requests are refused before anything is trained."""

from __future__ import annotations

import dataclasses
from typing import Final

from emosense.audio.mp3 import check_mp3
from emosense.errors import UsageError
from emosense.features.encoder.files import default_cache
from emosense.models.model_files import check_no_model
from emosense.storage.locations import join, redact
from emosense.training.encoder_choice import EncoderChoice
from emosense.training.epoch_logs import EpochLogs
from emosense.training.extra import check_extra
from emosense.training.features.source import FeatureSource, check_recordings
from emosense.training.network_store import holds_networks

# Settings of training, which a given model has no use for. Kind, preset and protocol are missing: their defaults
# cannot be distinguished from a choice.
_TRAINING_OPTIONS: Final = {
    "only_folds": "--fold",
    "n_seeds": "--seeds",
    "n_folds": "--folds",
    "calibrate": "--calibrate",
    "reuse": "--reuse",
    "gpu_share": "--gpu",
    "epochs": "--epochs",
    "logs": "--tensorboard and --mlflow",
}


@dataclasses.dataclass(frozen=True, slots=True)
class EvaluateJob:
    """An evaluation: a `model` to score, or a `kind` and `preset` to cross-validate.

    Attributes
    ----------
    data : str
        Location of a RAVDESS folder, a table of recordings or a feature table.
    output : str
        Folder for ``metrics.json`` and ``predictions.csv``.
    model : str, optional
        Name or folder of a model to score as it is.
    kind, preset : str
        Model family to cross-validate, and the name of its settings.
    protocol : str
        A key of `emosense.evaluation.splits.PROTOCOLS`.
    n_seeds : int
        Every fold is trained with the seeds 0 to n_seeds - 1.
    n_folds : int
        Number of folds of the protocol ``kfold``.
    only_folds : tuple of str
        Names of the folds to run; empty for all folds of the protocol.
    emotions : tuple of str
        Classes to train, or the emotions that the given model may answer with; empty for those of the preset or model.
    calibrate : bool
        Fit a temperature on held-out training speakers of each fold, which takes a second, shorter fit.
    reuse : tuple of str
        Folders of finished evaluations, whose networks are reused where settings and rows are the same.
    cache : str, optional
        Folder of the feature cache.
    address : str, optional
        Address of a Ray cluster.
    n_workers : int, optional
        Number of parallel tasks.
    logs : EpochLogs
        Where the epochs are logged.
    gpu_share : float
        Share of a GPU for each network, above 0 and at most 1; 0 trains on CPUs.
    epochs : int, optional
        Epochs of networks that take gradient steps; None for the preset's.
    robustness : bool
        Also score the models on disturbed copies of the recordings (`emosense.audio.disturbances`).
    encoder : EncoderChoice
        The pretrained encoder of the model, or of the presets that need one.
    more_data : tuple of str
        Locations of further corpora.
    follow_links : bool
        Follow symbolic links that lead out of a folder.
    root : str
        Folder or URL that relative paths in tables begin at; empty for the folder of the table.
    command : str
        The command that runs it, to be stated in ``metrics.json``; empty if none does.
    """

    data: str
    output: str
    model: str | None = None
    kind: str = "cnn"
    preset: str = "default"
    protocol: str = "lj5"
    n_seeds: int = 1
    n_folds: int = 5
    only_folds: tuple[str, ...] = ()
    emotions: tuple[str, ...] = ()
    calibrate: bool = False
    reuse: tuple[str, ...] = ()
    cache: str | None = None
    address: str | None = None
    n_workers: int | None = None
    logs: EpochLogs = dataclasses.field(default_factory=EpochLogs)
    gpu_share: float = 0.0
    epochs: int | None = None
    robustness: bool = False
    encoder: EncoderChoice = dataclasses.field(default_factory=EncoderChoice)
    more_data: tuple[str, ...] = ()
    follow_links: bool = False
    root: str = ""
    command: str = ""

    @property
    def written(self) -> list[str]:
        """Everything that the job writes, and the report that the caller makes of it."""
        names = ("curves.json", "predictions.csv", "metrics.json", "fits", "report.html")
        return [join(self.output, name) for name in names]

    @property
    def source(self) -> FeatureSource:
        """Where the features come from."""
        cache = self.cache or default_cache()
        return FeatureSource(
            self.data, cache, self.address, self.n_workers, self.more_data, self.follow_links, self.root
        )

    def check(self) -> None:
        """Refuse settings that would be ignored, and those that would fail only after training.

        Raises
        ------
        UsageError
            If settings contradict each other, or the output or a reused folder is not usable.
        """
        default = EvaluateJob(self.data, self.output)
        if self.model is not None:
            ignored = [
                option for name, option in _TRAINING_OPTIONS.items() if getattr(self, name) != getattr(default, name)
            ]
            if ignored:
                raise UsageError(f"{ignored[0]} is for training, and --model scores a model as it is: leave one out")
            if self.encoder != EncoderChoice(self.encoder.location):
                raise UsageError(
                    "the model defines how its encoder is used: leave out --encoder-output, --encoder-normalise"
                )
        else:
            check_extra()
            self.logs.check()
        if self.model is None and self.protocol != "kfold" and self.n_folds != default.n_folds:
            raise UsageError(f"--folds is for --protocol kfold, and {self.protocol} has its own folds: leave it out")
        # It has a curves.json of its own.
        check_no_model(self.output, "choose another folder")
        for folder in self.reuse:
            if not holds_networks(join(folder, "fits")):
                raise UsageError(
                    f"{redact(folder)} holds no trained networks: --reuse takes the output folder of an evaluation"
                )
        if self.robustness:
            check_recordings(self.source)
            check_mp3()
