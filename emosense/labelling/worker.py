"""The process in which recordings are decoded and labelled: it may die, and only the recording at hand is lost.

Started by `emosense.labelling.worker_process` as ``python -m emosense.labelling.worker``. It speaks JSON lines on its
standard input and output:

    in   {"model": {...}, "weights": base64, "sha256": ..., "config": {...}, ...}    once
    out  {"ready": true}  or  {"error": [code, text]}, see emosense.errors.to_wire
    in   {"recordings": [[path, location, size, version], ...]}                                       a batch
    out  {"alive": true}                              while a long recording is at work
    out  {"row": [...], "segments": [[...], ...]}     one a recording, in order
    out  {"error": ["storage", text]}            storage does not answer; the batch ends

It ends when its input does, and when the system's alarm finds it without progress, so that no worker outlives a killed
parent, not even one that hangs in a decoder. Signals are the parent's business.
"""

from __future__ import annotations

import base64
import json
import math
import os
import resource
import signal
import sys
import time
from typing import IO, Any, Final

from emosense.errors import EmoSenseError, to_wire
from emosense.features.encoder.embedding import load_encoders
from emosense.inputs.recording import Recording
from emosense.labelling.config import LabelConfig
from emosense.labelling.labeller import Labeller
from emosense.models.model import Model, ModelFiles

_ALIVE_EVERY_S: Final = 1.0
# The parent acts at the limit itself; the alarm is for a worker whose parent is gone.
_ALARM_MARGIN_S: Final = 5


class _Pipe:
    """Standard output, kept for the protocol alone, and the alarm that is put off with every sign of life."""

    def __init__(self) -> None:
        self._alarm_s = 0
        # Decoders write to descriptors 1 and 2 as they like (libmpg123 does); neither may reach the protocol.
        self._file: IO[str] = os.fdopen(os.dup(1), "w", encoding="ascii")
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        self._last_s = time.monotonic()

    def send(self, message: dict[str, Any]) -> None:
        self._file.write(json.dumps(message, separators=(",", ":")) + "\n")
        self._file.flush()
        self._last_s = time.monotonic()

    def watch(self, file_timeout_s: float) -> None:
        """Let the system end this process when it shows no life for longer than that; 0 for never."""
        self._alarm_s = math.ceil(file_timeout_s) + _ALARM_MARGIN_S if file_timeout_s else 0
        signal.alarm(self._alarm_s)

    def alive(self) -> None:
        signal.alarm(self._alarm_s)
        if time.monotonic() - self._last_s > _ALIVE_EVERY_S:
            self.send({"alive": True})


def _limit_memory(memory_mb: int) -> None:
    """Let allocations beyond the limit fail here rather than call the kernel's killer on the whole machine."""
    if memory_mb and sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_DATA, (memory_mb << 20, memory_mb << 20))


def main() -> None:
    """Serve batches until standard input ends."""
    # Ctrl-C reaches the whole foreground group, systemd's SIGTERM every process of a service; the parent decides.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    # glibc hands memory back after every recording, at some 100 page faults each, until a larger block was freed once.
    bytearray(16 << 20)
    pipe = _Pipe()
    setup = json.loads(sys.stdin.readline())
    try:
        files = ModelFiles(setup["model"], base64.b64decode(setup["weights"]), setup["sha256"])
        model = Model(files)
        encoder_mb = load_encoders(model.features)
        labeller = Labeller(model, LabelConfig(**setup["config"]), pipe.alive)
    except EmoSenseError as err:
        pipe.send({"error": to_wire(err)})
        return
    # A share of its own: an encoder takes more than all else.
    _limit_memory(setup["memory_mb"] and setup["memory_mb"] + encoder_mb)
    pipe.send({"ready": True})
    # Until here it takes a start that fails; decoders are noisy (libmpg123 is).
    os.dup2(1, 2)
    for line in sys.stdin:
        for fields in json.loads(line)["recordings"]:
            pipe.watch(setup["file_timeout_s"])
            try:
                labelled = labeller.label(Recording(*fields))
            except EmoSenseError as err:
                pipe.send({"error": to_wire(err)})
                break
            pipe.send({"row": labelled.row.to_json(), "segments": [row.to_json() for row in labelled.segments]})
        pipe.watch(0)


if __name__ == "__main__":
    main()
