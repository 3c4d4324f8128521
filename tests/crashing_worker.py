"""A worker whose labeller dies on recordings with certain names; the tests run it in place of the real one."""

from __future__ import annotations

import os
import signal
import sys
import time

import emosense.labelling.worker
from emosense.inputs.recording import Recording
from emosense.labelling.labelled import Labelled
from emosense.labelling.recording_labeller import RecordingLabeller


class CrashingLabeller(RecordingLabeller):
    """Crashes, hangs, is slow or is killed, depending on the name of the recording."""

    def label_recording(self, recording: Recording) -> Labelled:
        name = os.path.basename(recording.path)
        if name.startswith("crash"):
            os.kill(os.getpid(), signal.SIGSEGV)
        if name.startswith("exit"):
            os._exit(7)
        if name.startswith("kill"):
            os.kill(os.getpid(), signal.SIGKILL)
        if name.startswith("hang"):
            time.sleep(3600)
        if name.startswith("slow"):
            for _ in range(5):
                time.sleep(1.1)
                self._on_progress()
        if name.startswith("bug"):
            return self._with_a_bug(recording)
        if name.startswith("once") and not os.path.exists(recording.location + ".tried"):
            with open(recording.location + ".tried", "w"):
                os._exit(1)
        return super().label_recording(recording)

    def _with_a_bug(self, recording: Recording) -> Labelled:
        """Label with a model that fails."""

        class Broken:
            def __getattr__(self, name: str) -> object:
                if name == "predict":
                    raise KeyError("a bug")
                return getattr(model, name)

        model, self._model = self._model, Broken()  # type: ignore[assignment]
        try:
            return super().label_recording(recording)
        finally:
            self._model = model


if __name__ == "__main__":
    sys.modules["emosense.labelling.worker"].RecordingLabeller = CrashingLabeller  # type: ignore[attr-defined]
    emosense.labelling.worker.main()
