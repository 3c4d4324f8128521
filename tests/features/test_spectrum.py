"""Log-mel: gain and trimming."""

from __future__ import annotations

import numpy as np
from made_sounds import harmonic_tone as voice

from emosense.features.config import default_config
from emosense.features.sets import extract


def test_logmel_does_not_depend_on_the_gain() -> None:
    config = default_config("logmel")
    signal = voice(1.0)
    np.testing.assert_allclose(extract(signal * 0.01, config), extract(signal, config), atol=1e-3)


def test_logmel_trims_silence_at_both_ends() -> None:
    config = default_config("logmel")
    signal = voice(1.0)
    padded = np.concatenate([np.zeros(16_000, np.float32), signal, np.zeros(8_000, np.float32)])
    n_frames = len(extract(padded, config))
    assert abs(n_frames - len(extract(signal, config))) <= config.n_fft // config.hop
