"""One worker process: started, fed and stopped; what it sends, and how it ended.

The process runs `emosense.labelling.worker`, which describes the messages.
"""

from __future__ import annotations

import base64
import dataclasses
import errno
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import IO, Any, Final

from emosense.errors import EmoSenseError, ModelError, from_wire
from emosense.labelling.config import LabelSpec
from emosense.models.limits import death_text
from emosense.storage.temporary import temporary_file

_START_TIMEOUT_S: Final = 120.0
_START_TRIES: Final = 3
_EXIT_TIMEOUT_S: Final = 10.0
# How soon a worker is stopped once its result is no longer wanted.
_CANCEL_POLL_S: Final = 0.25
# Faults of a machine that has not enough memory, processes or open files.
_SHORT_OF: Final = frozenset({errno.ENOMEM, errno.EAGAIN, errno.EMFILE, errno.ENFILE})
_SINGLE_THREADED: Final = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class WorkerDied(Exception):
    """The worker ended, or was stopped, while it worked on a recording.

    Parameters
    ----------
    code : str
        What the recording's row says after a second death, a key of `emosense.errors.ERROR_CODES`.
    message : str
        One sentence.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Cancelled(Exception):
    """The result is no longer wanted."""


class WorkerProcess:
    """A worker process, started when the first message is sent and again after it was stopped.

    Parameters
    ----------
    spec : LabelSpec
    is_cancelled : callable
        Asked a few times a second while the worker is busy; once it returns True, the worker is stopped.
    on_position : callable, optional
        Told about once a second how many seconds of a long recording are labelled.
    """

    def __init__(
        self, spec: LabelSpec, is_cancelled: Callable[[], bool], on_position: Callable[[float], None] = lambda _: None
    ) -> None:
        self._spec, self.is_cancelled, self._on_position = spec, is_cancelled, on_position
        self._process: subprocess.Popen[bytes] | None = None
        self._received = b""
        self._is_loading = False

    def start(self) -> None:
        """Start the worker unless it is running. A start that fails is repeated: memory may be short for a moment.

        Raises
        ------
        EmoSenseError
            If it does not start.
        ModelError
            If it cannot load the model, within limits of time and memory.
        """
        if self._process is not None:
            return
        for n_left in reversed(range(_START_TRIES)):
            with temporary_file() as stderr:
                try:
                    self._start_once(stderr)
                except WorkerDied as err:
                    stderr.seek(0)
                    last_line = stderr.read().decode(errors="replace").strip().rpartition("\n")[2]
                    if not n_left:
                        text = f"{err}{last_line and ': '}{last_line}"
                        if self._is_loading:
                            raise ModelError(f"the model cannot be loaded: {text}") from err
                        raise EmoSenseError(f"a worker process cannot start: {text}") from err
                else:
                    return

    def _start_once(self, stderr: IO[bytes]) -> None:
        self._received, self._is_loading = b"", False
        try:
            self._process = subprocess.Popen(
                [sys.executable, *self._spec.worker],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=os.environ | _SINGLE_THREADED,
                bufsize=0,
            )
        except OSError as err:
            hint = "; fewer --workers may help" if err.errno in _SHORT_OF else ""
            raise WorkerDied("worker_crashed", f"{err.strerror}{hint}") from err
        model, spec = self._spec.model, self._spec
        self.send(
            {
                "model": model.description,
                "weights": base64.b64encode(model.weights).decode(),
                "sha256": model.sha256,
                "config": dataclasses.asdict(spec.config),
                "memory_mb": spec.memory_mb,
                "file_timeout_s": spec.file_timeout_s,
            }
        )
        self._is_loading = "loading" in self.receive(_START_TIMEOUT_S)
        if self._is_loading:
            self.receive(_START_TIMEOUT_S)
            self._is_loading = False

    def send(self, message: dict[str, Any]) -> None:
        """Send a message.

        Parameters
        ----------
        message : dict
            JSON values.

        Raises
        ------
        WorkerDied
            If the worker has ended.
        """
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            view = memoryview(json.dumps(message).encode() + b"\n")
            while view:
                view = view[os.write(self._process.stdin.fileno(), view) :]
        except BrokenPipeError:
            raise self._death() from None

    def receive(self, timeout_s: float) -> dict[str, Any]:
        """Wait for the next message that is not a heartbeat.

        Parameters
        ----------
        timeout_s : float
            Longest time in seconds between two messages, heartbeats included.

        Returns
        -------
        dict
            JSON values.

        Raises
        ------
        WorkerDied
            If the worker has ended, or was stopped because it sent nothing in time.
        Cancelled
            If `is_cancelled` returned True.
        EmoSenseError
            What the worker raised.
        """
        while True:
            message: dict[str, Any] = json.loads(self._line(timeout_s))
            if "error" in message:
                self.stop()
                raise from_wire(*message["error"])
            if "alive" not in message:
                return message
            self._on_position(message["alive"])

    def _line(self, timeout_s: float) -> bytes:
        assert self._process is not None
        assert self._process.stdout is not None
        blocks = [self._received]
        while b"\n" not in blocks[-1]:
            self._await(self._process.stdout, timeout_s)
            blocks.append(os.read(self._process.stdout.fileno(), 1 << 20))
            if not blocks[-1]:
                raise self._death()
        line, _, self._received = b"".join(blocks).partition(b"\n")
        return line

    def _await(self, stream: IO[bytes], timeout_s: float) -> None:
        """Wait until the worker has written something, or ended."""
        end_s = time.monotonic() + timeout_s
        with selectors.DefaultSelector() as selector:
            selector.register(stream, selectors.EVENT_READ)
            while not selector.select(max(0.0, min(_CANCEL_POLL_S, end_s - time.monotonic()))):
                if self.is_cancelled():
                    self.stop()
                    raise Cancelled
                if time.monotonic() > end_s:
                    self.stop()
                    raise WorkerDied("timeout", f"no progress for {timeout_s:g} s")

    def _death(self) -> WorkerDied | ModelError:
        """Explain how the worker ended."""
        assert self._process is not None
        try:
            status = self._process.wait(_EXIT_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            status = -signal.SIGALRM
        self.stop()
        if self._is_loading and status == -signal.SIGXCPU:
            return ModelError(f"the model {death_text(status)}")
        if status == -signal.SIGALRM:
            return WorkerDied("timeout", f"no progress for {self._spec.file_timeout_s:g} s")
        if status == -signal.SIGKILL:
            return WorkerDied("out_of_memory", "the worker was killed, as the kernel does when memory runs out")
        cause = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        return WorkerDied("worker_crashed", f"the worker ended with {cause}")

    def stop(self) -> None:
        """End the worker."""
        if self._process is None:
            return
        process, self._process = self._process, None
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
