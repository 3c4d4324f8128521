"""Epochs for other programs: event files of TensorBoard, and runs of an MLflow tracking server."""

from __future__ import annotations

import dataclasses
import importlib.util
import re
from typing import Any, Final

from emosense.errors import UsageError
from emosense.storage.locations import join, redact
from emosense.storage.schemes import is_url
from emosense.training.epochs import Epoch, EpochListener, Estimate

_EXPERIMENT: Final = "emosense"


@dataclasses.dataclass(frozen=True, slots=True)
class EpochLogs:
    """Where the epochs of a job are logged.

    Parameters
    ----------
    tensorboard : str
        Local folder for event files; each network has a folder of its own in it. Empty for none.
    mlflow : str
        Address of an MLflow tracking server; each network is a run of the experiment ``emosense``. Empty for none.
    """

    tensorboard: str = ""
    mlflow: str = ""

    def check(self) -> None:
        """Refuse what would fail only after the first epoch.

        Raises
        ------
        UsageError
            If the folder is not local, or a package is missing.
        """
        if is_url(self.tensorboard):
            raise UsageError(f"--tensorboard is a local folder, not {redact(self.tensorboard)}")
        if self.mlflow and importlib.util.find_spec("mlflow") is None:
            raise UsageError("--mlflow needs mlflow-skinny: pip install 'emosense[mlflow]'")

    def open(self) -> list[EpochListener]:
        """Return what writes to these places.

        Returns
        -------
        list of EpochListener
            One for each place.
        """
        listeners: list[EpochListener] = [TensorBoardLog(self.tensorboard)] if self.tensorboard else []
        return [*listeners, MlflowLog(self.mlflow)] if self.mlflow else listeners


class FigureLog(EpochListener):
    """A listener that logs the figures of epochs and nothing else."""

    def stage_begins(self, n_kept: int, n_at_once: int) -> None:
        """Log nothing.

        Parameters
        ----------
        n_kept, n_at_once : int
            See `EpochListener.stage_begins`.
        """

    def time_estimated(self, estimate: Estimate) -> None:
        """Log nothing.

        Parameters
        ----------
        estimate : Estimate
            See `EpochListener.time_estimated`.
        """


class TensorBoardLog(FigureLog):
    """Event files of TensorBoard.

    Parameters
    ----------
    folder : str
        Local folder.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._writers: dict[str, Any] = {}

    def epoch_done(self, epoch: Epoch) -> None:
        """Write each figure as a scalar of the network's run.

        Parameters
        ----------
        epoch : Epoch
            The epoch that is done.
        """
        from tensorboardX import SummaryWriter

        if epoch.network not in self._writers:
            name = re.sub(r"[^A-Za-z0-9]+", "-", epoch.network)
            self._writers[epoch.network] = SummaryWriter(join(self._folder, name), flush_secs=10)
        for name, value in epoch.figures.items():
            self._writers[epoch.network].add_scalar(name, value, epoch.number)

    def close(self) -> None:
        """Write and close the files."""
        for writer in self._writers.values():
            writer.close()


class MlflowLog(FigureLog):
    """Runs of an MLflow tracking server.

    Parameters
    ----------
    address : str
        Its address, as ``MLFLOW_TRACKING_URI`` has it.

    Raises
    ------
    UsageError
        If the server does not answer, or MLflow does not take the address.
    """

    def __init__(self, address: str) -> None:
        from mlflow import MlflowClient, MlflowException

        try:
            self._client: Any = MlflowClient(tracking_uri=address)
            found = self._client.get_experiment_by_name(_EXPERIMENT)
            self._experiment = found.experiment_id if found else self._client.create_experiment(_EXPERIMENT)
        except MlflowException as err:
            raise UsageError(f"--mlflow {redact(address)}: {' '.join(str(err).split())}") from err
        self._runs: dict[str, str] = {}

    def epoch_done(self, epoch: Epoch) -> None:
        """Log each figure as a metric of the network's run.

        Parameters
        ----------
        epoch : Epoch
            The epoch that is done.
        """
        if epoch.network not in self._runs:
            self._runs[epoch.network] = self._client.create_run(self._experiment, run_name=epoch.network).info.run_id
        for name, value in epoch.figures.items():
            self._client.log_metric(self._runs[epoch.network], name, value, step=epoch.number)

    def close(self) -> None:
        """End the runs."""
        for run in self._runs.values():
            self._client.set_terminated(run)
