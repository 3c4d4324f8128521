"""A recording may take CPU time in proportion to what it yields."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from made_sounds import voice
from steady_model import SteadyModel, as_recording

from emosense.errors import RecordingError
from emosense.labelling.config import LabelConfig
from emosense.labelling.recording_labeller import RecordingLabeller
from emosense.labelling.work_budget import WorkBudget

RATE = 16_000


def test_the_budget_grows_with_the_recorded_time_and_a_label_renews_it() -> None:
    used_s = [0.0]
    budget = WorkBudget(60.0, lambda: used_s[0])
    used_s[0] = 69.0
    budget.check(1000.0)
    with pytest.raises(RecordingError, match="69 s of CPU time") as caught:
        budget.check(800.0)
    assert caught.value.code == "timeout"
    budget.renew(800.0)
    used_s[0] = 128.0
    budget.check(810.0)
    used_s[0] = 130.0
    with pytest.raises(RecordingError, match="from 800 s on"):
        budget.check(810.0)


def burn() -> None:
    """Spend 0.1 s of CPU time, as a decoder does that unpacks a lot."""
    end_s = time.process_time() + 0.1
    while time.process_time() < end_s:
        pass


def test_work_that_yields_no_speech_is_given_up_and_speech_goes_on(tmp_path: Path) -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(30 * RATE)
    labeller = RecordingLabeller(SteadyModel(), LabelConfig(window_s=1.0), burn, file_timeout_s=0.25)
    soundfile.write(tmp_path / "noise.wav", noise, RATE)
    row = labeller.label_recording(as_recording(tmp_path / "noise.wav")).row
    assert (row.status, row.error_code) == ("error", "timeout")
    soundfile.write(tmp_path / "voice.wav", voice(12.0, 150.0, RATE), RATE)
    assert labeller.label_recording(as_recording(tmp_path / "voice.wav")).row.status == "ok"
