"""Recordings -> features, for training: reading and extracting in one stage, so that no waveform is ever passed on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from emosense.audio import read_waveform
from emosense.errors import RecordingError
from emosense.features import FeatureConfig, extract
from emosense.storage import Recording, open_recording

MAX_TRAINING_CLIP_S = 120.0


def extract_recordings(
    recordings: Iterable[Recording], config: FeatureConfig, speed: float = 1.0
) -> list[dict[str, Any]]:
    """Extract the features of a batch of recordings.

    Parameters
    ----------
    speed : float
        Play the recordings this much faster, tempo and pitch alike, to make copies to train on (Ko et al. 2015,
        Interspeech, 'Audio augmentation for speech recognition').

    Returns
    -------
    list of dict, one a recording, in order
        ``features`` (flat float32 array), ``n_frames`` (0 for a vector), ``error_code`` and ``error`` (empty where the
        recording could be read).

    Raises
    ------
    StorageError
        If storage does not answer.
    """
    results = []
    for recording in recordings:
        try:
            with open_recording(recording) as file:
                values = extract(read_waveform(file, round(config.sample_rate / speed), MAX_TRAINING_CLIP_S), config)
        except RecordingError as err:
            results.append({"features": [], "n_frames": 0, "error_code": err.code, "error": str(err)})
            continue
        n_frames = len(values) if values.ndim == 2 else 0
        results.append({"features": values.ravel(), "n_frames": n_frames, "error_code": "", "error": ""})
    return results
