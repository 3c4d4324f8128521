"""Batches of recordings -> their rows, through a worker process that may die.

A recording that kills its worker, or hangs in it, is tried once more in a new worker; if that one dies too, the
recording becomes an error row. Rows that came before are kept, and the recordings after it continue in the new worker.
A worker that cannot even start is not the fault of a recording and ends the run. So does object storage if several
recordings in a row hang.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Self

from emosense.errors import RecordingError, StorageError
from emosense.inputs.recording import Recording
from emosense.labelling.config import LabelSpec
from emosense.labelling.labelled import Labelled
from emosense.labelling.worker_process import Cancelled, WorkerDied, WorkerProcess
from emosense.storage.schemes import is_url
from emosense.tables.row import Row, error_row

# A single slow object is its own fault; many in a row are a fault of the storage.
_MAX_TIMEOUTS_IN_A_ROW: Final = 3


class SubprocessLabeller:
    """Labels batches in a worker process of its own; a context manager that stops the worker.

    Parameters
    ----------
    spec : LabelSpec
    is_cancelled : callable
        Asked a few times a second while a recording is labelled; once it returns True, the worker is stopped and
        `label_batch` ends early.
    on_position : callable, optional
        Told about once a second how many seconds of a long recording are labelled.

    Attributes
    ----------
    cpu_s : float
        Processor time of its workers in seconds, except for recordings that have killed one.
    n_several_tracks : int
        Recordings with several audio tracks, of which one was read.
    bugs : list of (str, str)
        Paths of recordings on which the program failed, and the tracebacks.
    """

    def __init__(
        self,
        spec: LabelSpec,
        is_cancelled: Callable[[], bool] = lambda: False,
        on_position: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._spec, self.worker = spec, WorkerProcess(spec, is_cancelled, on_position)
        self._n_timeouts = self._n_awaited = self.n_several_tracks = 0
        self.cpu_s, self.bugs = 0.0, list[tuple[str, str]]()

    @property
    def is_idle(self) -> bool:
        """Whether the worker has sent all the results that it was asked for."""
        return not self._n_awaited

    def __enter__(self) -> Self:
        """Return the labeller itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the worker."""
        self.worker.stop()

    def label_batch(self, recordings: Sequence[Recording]) -> Iterator[Labelled]:
        """Label recordings in order.

        Parameters
        ----------
        recordings : sequence of Recording

        Yields
        ------
        Labelled
            One per recording; fewer if cancelled.

        Raises
        ------
        StorageError
            If storage does not answer; the remaining recordings have not been labelled.
        ModelError
            If the worker cannot load the model.
        """
        n_done = 0
        while n_done < len(recordings):
            try:
                for labelled in self._send(recordings[n_done:]):
                    n_done += 1
                    self._n_timeouts = 0
                    yield labelled
            except WorkerDied:
                try:
                    labelled = self._retry(recordings[n_done])
                except Cancelled:
                    return
                n_done += 1
                yield labelled
            except Cancelled:
                return

    def _send(self, recordings: Sequence[Recording]) -> Iterator[Labelled]:
        self._n_awaited = len(recordings)
        self.worker.start()
        self.worker.send({"recordings": [dataclasses.astuple(recording) for recording in recordings]})
        for recording in recordings:
            message = self.worker.receive(self._spec.file_timeout_s)
            self._n_awaited -= 1
            self.cpu_s += message.get("cpu_s", 0.0)
            self.n_several_tracks += message.get("tracks", 1) > 1
            if "bug" in message:
                self.bugs.append((recording.path, message["bug"]))
            yield Labelled.of_channels(
                [Labelled(Row.from_json(row), tuple(map(Row.from_json, rows))) for row, rows in message["channels"]]
            )

    def _retry(self, recording: Recording) -> Labelled:
        """Label a recording on which the worker has died once."""
        try:
            return next(self._send([recording]))
        except WorkerDied as err:
            self._n_timeouts += err.code == "timeout" and is_url(recording.location)
            if self._n_timeouts == _MAX_TIMEOUTS_IN_A_ROW:
                raise StorageError(f"storage hangs: {_MAX_TIMEOUTS_IN_A_ROW} objects in a row gave {err}") from err
            return Labelled(error_row(recording.path, RecordingError(err.code, str(err))))
