"""The process in which recordings are decoded and labelled: it may die, and only the recording at hand is lost.

Started by `emosense.isolation` as ``python -m emosense.worker``. It speaks JSON lines on its standard input and output:

    in   {"model": {...}, "weights": base64, "sha256": ..., "config": {...}, "memory_mb": n}       once
    out  {"ready": true}  or  {"error": [class name, text]}
    in   {"recordings": [[path, location, size, version], ...]}                                       a batch
    out  {"alive": true}                              while a long recording is at work
    out  {"row": [...], "segments": [[...], ...]}     one a recording, in order
    out  {"error": ["StorageError", text]}            storage does not answer; the batch ends

It ends when its input does, so that no worker outlives a killed parent.
"""

from __future__ import annotations

import base64
import json
import os
import resource
import signal
import sys
import time
from typing import IO, Any, Final

from emosense.errors import EmoSenseError
from emosense.labelling import LabelConfig, Labeller
from emosense.models.artifact import Model, ModelFiles
from emosense.storage import Recording

_ALIVE_EVERY_S: Final = 1.0


class _Pipe:
    """Standard output, kept for the protocol alone."""

    def __init__(self) -> None:
        # Decoders write to descriptors 1 and 2 as they like (libmpg123 does); neither may reach the protocol.
        self._file: IO[str] = os.fdopen(os.dup(1), "w", encoding="ascii")
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        self._last_s = time.monotonic()

    def send(self, message: dict[str, Any]) -> None:
        self._file.write(json.dumps(message, separators=(",", ":")) + "\n")
        self._file.flush()
        self._last_s = time.monotonic()

    def alive(self) -> None:
        if time.monotonic() - self._last_s > _ALIVE_EVERY_S:
            self.send({"alive": True})


def _limit_memory(memory_mb: int) -> None:
    """Let allocations beyond the limit fail here rather than call the kernel's killer on the whole machine."""
    if memory_mb and sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_DATA, (memory_mb << 20, memory_mb << 20))


def main() -> None:
    """Serve batches until standard input ends."""
    # Ctrl-C reaches the whole foreground group; the parent decides what becomes of the work.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pipe = _Pipe()
    setup = json.loads(sys.stdin.readline())
    try:
        files = ModelFiles(setup["model"], base64.b64decode(setup["weights"]), setup["sha256"])
        labeller = Labeller(Model(files), LabelConfig(**setup["config"]), pipe.alive)
    except EmoSenseError as err:
        pipe.send({"error": [type(err).__name__, str(err)]})
        return
    _limit_memory(setup["memory_mb"])
    pipe.send({"ready": True})
    for line in sys.stdin:
        for fields in json.loads(line)["recordings"]:
            try:
                labelled = labeller.label(Recording(*fields))
            except EmoSenseError as err:
                pipe.send({"error": [type(err).__name__, str(err)]})
                break
            pipe.send({"row": labelled.row.to_json(), "segments": [row.to_json() for row in labelled.segments]})


if __name__ == "__main__":
    main()
