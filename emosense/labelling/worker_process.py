"""Batches of recordings -> their rows, through a worker process that may die.

A recording that kills its worker, or lets it hang, is tried again alone in a new worker; a second death makes it an
error row. The rows that came before it are kept, and those after it go on in the new worker. A worker that cannot even
start is no recording's fault and ends the run, and so does object storage on which one recording after the other hangs.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any, Final, Self

from emosense.errors import EmoSenseError, RecordingError, StorageError, from_wire
from emosense.inputs.recording import Recording
from emosense.labelling.config import LabelConfig, Labelled
from emosense.models.model import ModelFiles
from emosense.storage.schemes import is_url
from emosense.tables.row import Row, error_row

_START_TIMEOUT_S: Final = 120.0
_START_TRIES: Final = 3
_EXIT_TIMEOUT_S: Final = 10.0
# How soon a worker is given up once nobody wants its result any more.
_CANCEL_POLL_S: Final = 0.25
# One slow object is that object's fault, so many in a row are the storage's.
_MAX_TIMEOUTS_IN_A_ROW: Final = 3
_SINGLE_THREADED: Final = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclasses.dataclass(frozen=True, slots=True)
class LabelSpec:
    """All that a worker needs to know; the same for every worker of a run.

    Parameters
    ----------
    model : ModelFiles
        Read and checked once, by the driver, and handed to the workers.
    config : LabelConfig
    file_timeout_s : float
        A recording on which the worker makes no progress for so long is given up.
    memory_mb : int
        Limit on the worker's data; 0 for none.
    worker : tuple of str
        Arguments of the Python interpreter that start a worker; ``-P`` keeps it from importing what lies in the
        working directory.
    """

    model: ModelFiles
    config: LabelConfig
    file_timeout_s: float = 60.0
    memory_mb: int = 2048
    worker: tuple[str, ...] = ("-P", "-m", "emosense.labelling.worker")


class WorkerDied(Exception):
    """The worker ended or was ended while it worked on a recording; becomes a `RecordingError` on the second death."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Cancelled(Exception):
    """Nobody waits for the result any more."""


class IsolatedLabeller:
    """Labels batches in a worker process of its own, which is started when it is first needed.

    Parameters
    ----------
    spec : LabelSpec
    is_cancelled : callable
        Asked a few times a second while a recording is at work; once it says True, the worker is ended and `label`
        returns with what it has given.
    """

    def __init__(self, spec: LabelSpec, is_cancelled: Callable[[], bool] = lambda: False) -> None:
        self._spec, self._is_cancelled = spec, is_cancelled
        self._process: subprocess.Popen[bytes] | None = None
        self._pending = b""
        self._n_timeouts = 0

    def __enter__(self) -> Self:
        """Give the labeller itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the worker."""
        self.stop()

    def label(self, recordings: Sequence[Recording]) -> Iterator[Labelled]:
        """Yield what each recording gives, in order, one for one.

        Raises
        ------
        StorageError
            If storage does not answer; the recordings that were not given have not been labelled.
        ModelError
            If the worker cannot load the model.
        """
        n_done = 0
        while n_done < len(recordings):
            try:
                for labelled in self._batch(recordings[n_done:]):
                    n_done += 1
                    self._n_timeouts = 0
                    yield labelled
            except WorkerDied:
                try:
                    labelled = self._alone(recordings[n_done])
                except Cancelled:
                    return
                n_done += 1
                yield labelled
            except Cancelled:
                return

    def _alone(self, recording: Recording) -> Labelled:
        """Second try of a recording during which the worker died."""
        try:
            return next(self._batch([recording]))
        except WorkerDied as err:
            self._n_timeouts += err.code == "timeout" and is_url(recording.location)
            if self._n_timeouts == _MAX_TIMEOUTS_IN_A_ROW:
                raise StorageError(f"storage hangs: {_MAX_TIMEOUTS_IN_A_ROW} objects in a row gave {err}") from err
            return Labelled(error_row(recording.path, RecordingError(err.code, str(err))))

    def _batch(self, recordings: Sequence[Recording]) -> Iterator[Labelled]:
        if self._process is None:
            self._start()
        self._send({"recordings": [dataclasses.astuple(recording) for recording in recordings]})
        for _ in recordings:
            message = self._receive(self._spec.file_timeout_s)
            segments = tuple(Row.from_json(values) for values in message["segments"])
            yield Labelled(Row.from_json(message["row"]), segments)

    def _start(self) -> None:
        """Start a worker; one that dies before it is ready is tried again, for memory may be short for a moment."""
        for n_left in reversed(range(_START_TRIES)):
            with tempfile.TemporaryFile() as complaints:
                try:
                    self._start_once(complaints)
                except WorkerDied as err:
                    complaints.seek(0)
                    last = complaints.read().decode(errors="replace").strip().rpartition("\n")[2]
                    if not n_left:
                        raise EmoSenseError(f"a worker process cannot start: {err}{last and ': '}{last}") from err
                else:
                    return

    def _start_once(self, complaints: IO[bytes]) -> None:
        self._pending = b""
        try:
            self._process = subprocess.Popen(
                [sys.executable, *self._spec.worker],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=complaints,
                env=os.environ | _SINGLE_THREADED,
                bufsize=0,
            )
        except OSError as err:
            raise WorkerDied("worker_crashed", f"{err.strerror}; fewer --workers may help") from err
        model, spec = self._spec.model, self._spec
        self._send(
            {
                "model": model.description,
                "weights": base64.b64encode(model.weights).decode(),
                "sha256": model.sha256,
                "config": dataclasses.asdict(spec.config),
                "memory_mb": spec.memory_mb,
                "file_timeout_s": spec.file_timeout_s,
            }
        )
        self._receive(_START_TIMEOUT_S)

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            _write_all(self._process.stdin.fileno(), json.dumps(message).encode() + b"\n")
        except BrokenPipeError:
            raise self._death() from None

    def _receive(self, timeout_s: float) -> dict[str, Any]:
        """Next message that is not a sign of life."""
        while True:
            line = self._line(timeout_s)
            message: dict[str, Any] = json.loads(line)
            if "error" in message:
                self.stop()
                raise from_wire(*message["error"])
            if "alive" not in message:
                return message

    def _line(self, timeout_s: float) -> bytes:
        assert self._process is not None
        assert self._process.stdout is not None
        received = [self._pending]
        while b"\n" not in received[-1]:
            self._await(self._process.stdout, timeout_s)
            received.append(os.read(self._process.stdout.fileno(), 1 << 20))
            if not received[-1]:
                raise self._death()
        line, _, self._pending = b"".join(received).partition(b"\n")
        return line

    def _await(self, stream: IO[bytes], timeout_s: float) -> None:
        """Wait until the worker has written something, or ended."""
        end_s = time.monotonic() + timeout_s
        with selectors.DefaultSelector() as selector:
            selector.register(stream, selectors.EVENT_READ)
            while not selector.select(max(0.0, min(_CANCEL_POLL_S, end_s - time.monotonic()))):
                if self._is_cancelled():
                    self.stop()
                    raise Cancelled
                if time.monotonic() > end_s:
                    self.stop()
                    raise WorkerDied("timeout", f"no progress for {timeout_s:g} s")

    def _death(self) -> WorkerDied:
        """Explain the worker's end."""
        assert self._process is not None
        try:
            status = self._process.wait(_EXIT_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            status = -signal.SIGALRM
        self.stop()
        if status == -signal.SIGALRM:
            return WorkerDied("timeout", f"no progress for {self._spec.file_timeout_s:g} s")
        if status == -signal.SIGKILL:
            return WorkerDied("out_of_memory", "the worker was killed, as the kernel does when memory runs out")
        cause = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        return WorkerDied("worker_crashed", f"the worker ended with {cause}")

    def stop(self) -> None:
        """End the worker; it starts again when it is needed."""
        if self._process is None:
            return
        process, self._process = self._process, None
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
