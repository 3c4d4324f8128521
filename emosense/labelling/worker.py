"""The process in which recordings are decoded and labelled: if it dies, only the current recording is lost.

Started by `emosense.labelling.worker_process` as ``python -m emosense.labelling.worker``. It exchanges JSON lines on
its standard input and output:

    in   {"model": {...}, "weights": base64, "sha256": ..., "config": {...}, ...}    once
    out  {"loading": true}                            the model is loaded and tried next
    out  {"ready": true}                              or an error
    in   {"recordings": [[path, location, size, version], ...]}                      a batch
    out  {"alive": 754.2}                             heartbeat during a long recording: how far it is, in seconds
    out  {"channels": [[row, [segment, ...]], ...],   one per recording, in order; rows as lists
          "cpu_s": ...}                               processor time since the one before; "bug" is a traceback
    out  {"error": [code, text]}                      an error, see `emosense.errors.to_wire`; the batch ends

It ends when its input does. The system's alarm ends it when it makes no progress, so that no worker outlives a killed
parent, not even one that hangs in a decoder. Signals are left to the parent.
"""

from __future__ import annotations

import base64
import json
import math
import os
import signal
import sys
import time
from typing import IO, Any, Final

from emosense.errors import EmoSenseError, to_wire
from emosense.inputs.recording import Recording
from emosense.labelling.config import LabelConfig
from emosense.labelling.labelled import Labelled
from emosense.labelling.recording_labeller import RecordingLabeller
from emosense.models.model_files import ModelFiles
from emosense.models.trial import load_under_limits

_ALIVE_EVERY_S: Final = 1.0
# The parent stops a worker at the limit; the alarm is for a worker whose parent has died.
_ALARM_MARGIN_S: Final = 5
# A disk or a network file system that could not read a file may read it a moment later.
_PAUSES_S: Final = (0.2, 1.0)


class _Pipe:
    """Standard output, reserved for messages, and the alarm that every heartbeat puts off."""

    def __init__(self) -> None:
        self._alarm_s = 0
        # Decoders such as libmpg123 write to descriptors 1 and 2; neither may get among the messages.
        self._file: IO[str] = os.fdopen(os.dup(1), "w", encoding="ascii")
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        self._last_s = time.monotonic()

    def send(self, message: dict[str, Any]) -> None:
        self._file.write(json.dumps(message, separators=(",", ":")) + "\n")
        self._file.flush()
        self._last_s = time.monotonic()

    def set_alarm(self, file_timeout_s: float) -> None:
        """Have the system end this process after so many seconds without a heartbeat; 0 for never."""
        self._alarm_s = math.ceil(file_timeout_s) + _ALARM_MARGIN_S if file_timeout_s else 0
        signal.alarm(self._alarm_s)

    def heartbeat(self, position_s: float) -> None:
        signal.alarm(self._alarm_s)
        if time.monotonic() - self._last_s > _ALIVE_EVERY_S:
            self.send({"alive": round(position_s, 1)})


def label_readable(labeller: RecordingLabeller, recording: Recording) -> Labelled:
    """Label a recording; one that cannot be read for a moment is read again, at most twice.

    Parameters
    ----------
    labeller : RecordingLabeller
    recording : Recording

    Returns
    -------
    Labelled
    """
    for pause_s in _PAUSES_S:
        labelled = labeller.label_recording(recording)
        if labelled.row.error_code != "io_error":
            return labelled
        time.sleep(pause_s)
    return labeller.label_recording(recording)


def main() -> None:
    """Serve batches until standard input ends."""
    # Ctrl-C and a closed terminal reach the whole foreground group, systemd's SIGTERM every process of a service; the
    # parent decides.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    # glibc returns memory after every recording, at some 100 page faults each, until a larger block was freed once.
    bytearray(16 << 20)
    pipe = _Pipe()
    setup = json.loads(sys.stdin.readline())
    try:
        files = ModelFiles(setup["model"], base64.b64decode(setup.pop("weights")), setup["sha256"])
        # From here on the parent blames the model if this process ends.
        pipe.send({"loading": True})
        model = load_under_limits(files, setup["memory_mb"])
        labeller = RecordingLabeller(
            model,
            LabelConfig(**setup["config"]),
            lambda: pipe.heartbeat(labeller.position_s),
            setup["file_timeout_s"] or math.inf,
        )
    except EmoSenseError as err:
        pipe.send({"error": to_wire(err)})
        return
    # The weights are in the session now.
    del files
    pipe.send({"ready": True})
    # Standard error explains a start that fails; from here on decoders would fill it.
    os.dup2(1, 2)
    counted_s = 0.0
    for line in sys.stdin:
        batch = [Recording(*fields) for fields in json.loads(line)["recordings"]]
        labeller.expect(batch)
        for recording in batch:
            pipe.set_alarm(setup["file_timeout_s"])
            try:
                labelled = label_readable(labeller, recording)
            except EmoSenseError as err:
                pipe.send({"error": to_wire(err)})
                break
            results = [[each.row.to_json(), [row.to_json() for row in each.segments]] for each in labelled.by_channel]
            now_s = time.process_time()
            cpu_s = round(now_s - counted_s, 6)
            answer = {"channels": results, "tracks": labeller.n_tracks, "cpu_s": cpu_s}
            pipe.send(answer | {"bug": labeller.bug} if labeller.bug else answer)
            counted_s = now_s
        pipe.set_alarm(0)


if __name__ == "__main__":
    main()
