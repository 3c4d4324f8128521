"""Recordings of RAVDESS as waveforms, read and resampled without EmoSense."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
import soxr


def ravdess_speech(folder: Path, sample_rate: int, step: int) -> list[np.ndarray]:
    """Every `step`-th recording of RAVDESS as a mono waveform at `sample_rate`."""
    found = []
    for path in sorted(folder.glob("Actor_*/*.flac"))[::step]:
        samples, source_rate = soundfile.read(path, dtype="float32", always_2d=True)
        found.append(soxr.resample(samples.mean(axis=1), source_rate, sample_rate).astype(np.float32))
    return found
