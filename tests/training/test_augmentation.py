"""Augmentation: what it may change, what it must keep, and that nothing but the generator decides."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from emosense.training.augmentation import FLOOR_DB, AugmentConfig, augment, change_tempo, fit_length, mix

NOTHING = AugmentConfig(
    tempo=0, pitch=0, formant=0, silence_frames=0, eq_db=0, noise_share=0, wind_share=0, reverb_share=0,
    lowpass_share=0, highpass_share=0, n_masks=0,
)  # fmt: skip


def log_mel(n_frames: int = 90, n_bands: int = 128) -> np.ndarray:
    values = np.random.default_rng(0).uniform(-60, -1, (n_frames, n_bands)).astype(np.float32)
    values[n_frames // 2, n_bands // 3] = 0
    return values


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_with_everything_off_a_recording_is_itself() -> None:
    np.testing.assert_allclose(augment(log_mel(), rng(), NOTHING), log_mel(), atol=1e-3)


@pytest.mark.parametrize("seed", range(20))
def test_a_variant_is_a_log_mel_below_its_own_peak(seed: int) -> None:
    always = dataclasses.replace(
        AugmentConfig(),
        noise_share=1.0,
        wind_share=1.0,
        reverb_share=1.0,
        lowpass_share=1.0,
        highpass_share=1.0,
        n_masks=0,
    )
    varied = augment(log_mel(), rng(seed), always)
    assert varied.dtype == np.float32
    assert varied.shape[1] == 128
    assert varied.max() == 0
    assert varied.min() >= FLOOR_DB


@pytest.mark.parametrize(("share", "cut"), [("highpass_share", slice(0, 1)), ("lowpass_share", slice(127, 128))])
def test_a_line_cuts_the_bands_at_one_end_and_leaves_the_middle(share: str, cut: slice) -> None:
    varied = augment(log_mel(), rng(), dataclasses.replace(NOTHING, **{share: 1.0}))
    assert (varied[:, cut] == FLOOR_DB).all()
    np.testing.assert_allclose(varied[:, 22:64], log_mel()[:, 22:64], atol=1e-3)


def test_the_low_cut_reaches_where_telephone_lines_begin() -> None:
    config = dataclasses.replace(NOTHING, highpass_share=1.0)
    variants = [augment(log_mel(), rng(seed), config) for seed in range(200)]
    n_cut = [int((varied == FLOOR_DB).all(axis=0).sum()) for varied in variants]
    # The eleventh of 128 mel bands from 50 Hz to 8 kHz lies at 300 Hz.
    assert min(n_cut) < 11 < max(n_cut) <= 20


@pytest.mark.parametrize("seed", range(20))
def test_wind_is_heard_in_the_lowest_bands_and_nowhere_else(seed: int) -> None:
    quiet = np.full((90, 128), FLOOR_DB, np.float32)
    quiet[:, 64] = 0
    config = dataclasses.replace(NOTHING, wind_share=1.0, wind_db=(-30.0, -30.0))
    risen_db = augment(quiet, rng(seed), config).mean(axis=0) - quiet.mean(axis=0)
    assert 47 < risen_db[0] < 53
    # It falls by 2 to 10 dB a band, so that it is at the floor from the 25th band on.
    assert (np.diff(risen_db[:4]) < -1).all()
    assert (risen_db[32:] < 1.5).all()


def test_only_the_generator_decides() -> None:
    first, second, other = (augment(log_mel(), rng(seed), AugmentConfig()) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert first.shape != other.shape or not np.array_equal(first, other)


@pytest.mark.parametrize(("tempo", "n_frames"), [(1.25, 72), (0.8, 112), (1.0, 90)])
def test_tempo_changes_the_length_and_keeps_the_ends(tempo: float, n_frames: int) -> None:
    varied = change_tempo(log_mel(), tempo)
    assert len(varied) == n_frames
    np.testing.assert_allclose(varied[[0, -1]], log_mel()[[0, -1]], atol=1e-4)


def test_a_short_recording_is_repeated_and_a_long_one_cut() -> None:
    assert fit_length(log_mel(10), rng(), 80).shape == (80, 128)
    assert fit_length(log_mel(200), rng(), 80).shape == (80, 128)


def test_mixing_keeps_the_larger_share_of_each_row_and_probabilities_whole() -> None:
    batch, targets = rng().normal(size=(6, 5, 4)).astype(np.float32), np.eye(6, dtype=np.float32)
    mixed, shares = mix(batch, targets, rng(3), 0.4)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
    assert (np.diag(shares) >= 0.5).all()
    np.testing.assert_allclose(mixed, np.einsum("ij,jkl->ikl", shares, batch), atol=1e-5)
    assert mix(batch, targets, rng(), 0.0)[0] is batch
