"""Filter banks and transforms against librosa and SciPy."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
import scipy.fft
import scipy.signal

from emosense.features import filterbanks


@pytest.mark.parametrize("tuning", [-0.31, 0.0, 0.25])
def test_chroma_bank_is_librosas(tuning: float) -> None:
    ours = filterbanks.chroma_bank(22_050, 2048, 12, tuning)
    np.testing.assert_allclose(ours.T, librosa.filters.chroma(sr=22_050, n_fft=2048, tuning=tuning), atol=1e-7)


def test_dct_and_window_are_scipys() -> None:
    values = np.random.default_rng(0).standard_normal((3, 40))
    expected = scipy.fft.dct(values, type=2, norm="ortho")[:, :13]
    np.testing.assert_allclose(values @ filterbanks.dct_matrix(40, 13), expected, atol=1e-5)
    np.testing.assert_allclose(filterbanks.hann_window(512), scipy.signal.get_window("hann", 512), atol=1e-7)
