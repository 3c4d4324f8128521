"""Batches of recordings -> their rows, through a worker process that may die.

A recording that kills its worker, or lets it hang, is tried again alone in a new worker; a second death makes it an
error row. The rows that came before it are kept, and those after it go on in the new worker.
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
from collections.abc import Iterator, Sequence
from typing import Any, Final, Self

from emosense import errors
from emosense.errors import EmoSenseError, RecordingError
from emosense.labelling import LabelConfig, Labelled
from emosense.models.artifact import ModelFiles
from emosense.rows import Row, error_row
from emosense.storage import Recording

_START_TIMEOUT_S: Final = 120.0
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
        Arguments of the Python interpreter that start a worker.
    """

    model: ModelFiles
    config: LabelConfig
    file_timeout_s: float = 60.0
    memory_mb: int = 2048
    worker: tuple[str, ...] = ("-m", "emosense.worker")


class WorkerDied(Exception):
    """The worker ended or was ended while it worked on a recording; becomes a `RecordingError` on the second death."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class IsolatedLabeller:
    """Labels batches in a worker process of its own, which is started when it is first needed."""

    def __init__(self, spec: LabelSpec) -> None:
        self._spec = spec
        self._process: subprocess.Popen[bytes] | None = None
        self._pending = b""

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
                    yield labelled
            except WorkerDied:
                yield self._alone(recordings[n_done])
                n_done += 1

    def _alone(self, recording: Recording) -> Labelled:
        """Second try of a recording during which the worker died."""
        try:
            return next(self._batch([recording]))
        except WorkerDied as err:
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
        self._pending = b""
        self._process = subprocess.Popen(
            [sys.executable, *self._spec.worker],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | _SINGLE_THREADED,
            bufsize=0,
        )
        model = self._spec.model
        self._send(
            {
                "model": model.description,
                "weights": base64.b64encode(model.weights).decode(),
                "sha256": model.sha256,
                "config": dataclasses.asdict(self._spec.config),
                "memory_mb": self._spec.memory_mb,
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
                name, text = message["error"]
                kind = getattr(errors, name, EmoSenseError)
                self.stop()
                raise kind(text)
            if "alive" not in message:
                return message

    def _line(self, timeout_s: float) -> bytes:
        assert self._process is not None
        assert self._process.stdout is not None
        while b"\n" not in self._pending:
            with selectors.DefaultSelector() as selector:
                selector.register(self._process.stdout, selectors.EVENT_READ)
                if not selector.select(timeout_s):
                    self.stop()
                    raise WorkerDied("timeout", f"no progress for {timeout_s:g} s")
            received = os.read(self._process.stdout.fileno(), 1 << 20)
            if not received:
                raise self._death()
            self._pending += received
        line, _, self._pending = self._pending.partition(b"\n")
        return line

    def _death(self) -> WorkerDied:
        """Explain the worker's end."""
        assert self._process is not None
        status = self._process.wait()
        self.stop()
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
