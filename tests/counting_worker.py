"""A labelling worker that logs each recording that it begins, and waits until it may: counting_worker.py LOG.

LOG.allowed holds how many may be begun in all. `tests/made_cluster.py` writes it with `allow`.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from emosense.inputs.recording import Recording
from emosense.labelling import worker
from emosense.labelling.labelled import Labelled
from emosense.labelling.recording_labeller import RecordingLabeller
from emosense.storage.writing import write_bytes

MAX_WAIT_S = 120.0


def n_begun(log: str) -> int:
    """Count the recordings that have been begun, those that were begun again included."""
    return Path(log).read_bytes().count(b"\n") if os.path.exists(log) else 0


def allow(log: str, n: int) -> None:
    """Let workers begin recordings until `n` have been begun in all."""
    write_bytes(f"{log}.allowed", str(n).encode())


def wait_until_allowed(log: str) -> None:
    """Wait while as many recordings have been begun as may be; two minutes at most, so that the run ends."""
    end_s = time.monotonic() + MAX_WAIT_S
    while time.monotonic() < end_s:
        if n_begun(log) < int(Path(f"{log}.allowed").read_text()):
            return
        time.sleep(0.02)


if __name__ == "__main__":
    log = sys.argv.pop()
    label_recording = RecordingLabeller.label_recording

    def counted(labeller: RecordingLabeller, recording: Recording) -> Labelled:
        wait_until_allowed(log)
        with open(log, "ab", buffering=0) as file:
            file.write(os.fsencode(recording.path) + b"\n")
        return label_recording(labeller, recording)

    RecordingLabeller.label_recording = counted  # type: ignore[method-assign]
    worker.main()
