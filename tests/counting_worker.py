"""A labelling worker that takes its time, and logs each recording that it begins: counting_worker.py LOG."""

from __future__ import annotations

import os
import sys
import time

from emosense.inputs.recording import Recording
from emosense.labelling import worker
from emosense.labelling.labelled import Labelled
from emosense.labelling.recording_labeller import RecordingLabeller

if __name__ == "__main__":
    log = sys.argv.pop()
    label_recording = RecordingLabeller.label_recording

    def counted(labeller: RecordingLabeller, recording: Recording) -> Labelled:
        with open(log, "ab", buffering=0) as file:
            file.write(os.fsencode(recording.path) + b"\n")
        time.sleep(0.05)
        return label_recording(labeller, recording)

    RecordingLabeller.label_recording = counted  # type: ignore[method-assign]
    worker.main()
