"""Mel bands against librosa."""

from __future__ import annotations

import librosa
import numpy as np
import pytest

from emosense.features.mel import mel_bank, spans


@pytest.mark.parametrize("rate", [16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("n_fft", [512, 2048])
def test_mel_bank_is_librosas(rate: int, n_fft: int) -> None:
    ours = mel_bank(rate, n_fft, 64, 50.0, rate / 2)
    theirs = librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=64, fmin=50.0)
    np.testing.assert_allclose(ours.T, theirs, atol=1e-8)


def test_grouped_mel_products_are_the_dense_product() -> None:
    key = (16_000, 512, 64, 50.0, 8000.0)
    power = np.random.default_rng(0).random((5, 257), np.float32)
    dense = power @ mel_bank(*key)
    grouped = np.empty_like(dense)
    for bins, filters, block in spans(key, 8):
        grouped[:, filters] = power[:, bins] @ block
    np.testing.assert_allclose(grouped, dense, rtol=1e-5)
