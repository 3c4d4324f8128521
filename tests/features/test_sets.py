"""Features against librosa, which defines them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile
import soxr
from conftest import voice

from emosense.errors import UsageError
from emosense.features import filterbanks
from emosense.features.config import FeatureConfig, default_config
from emosense.features.mel import hz_to_mel, mel_bank, mel_to_hz, spans
from emosense.features.sets import FEATURE_SETS, extract
from emosense.features.spectrum import loud_span, mel_spectrogram
from emosense.features.summary import estimate_tuning


def librosa_summary(waveform: np.ndarray, config: FeatureConfig) -> np.ndarray:
    rate, tuning = config.sample_rate, config.tuning
    mfcc = librosa.feature.mfcc(y=waveform, sr=rate, n_mfcc=40)
    chroma = librosa.feature.chroma_stft(y=waveform, sr=rate, tuning=tuning)
    mel = librosa.feature.melspectrogram(y=waveform, sr=rate)
    return np.concatenate([part.mean(axis=1) for part in (mfcc, chroma, mel)])


def waveforms(folder: Path, rate: int, step: int) -> list[np.ndarray]:
    found = []
    for path in sorted(folder.glob("Actor_*/*.flac"))[::step]:
        samples, source_rate = soundfile.read(path, dtype="float32", always_2d=True)
        found.append(soxr.resample(samples.mean(axis=1), source_rate, rate).astype(np.float32))
    return found


@pytest.mark.parametrize("rate", [16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("n_fft", [512, 2048])
def test_mel_bank_is_librosas(rate: int, n_fft: int) -> None:
    ours = mel_bank(rate, n_fft, 64, 50.0, rate / 2)
    theirs = librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=64, fmin=50.0)
    np.testing.assert_allclose(ours.T, theirs, atol=1e-8)


@pytest.mark.parametrize("tuning", [-0.31, 0.0, 0.25])
def test_chroma_bank_is_librosas(tuning: float) -> None:
    ours = filterbanks.chroma_bank(22_050, 2048, 12, tuning)
    np.testing.assert_allclose(ours.T, librosa.filters.chroma(sr=22_050, n_fft=2048, tuning=tuning), atol=1e-7)


def test_grouped_mel_products_are_the_dense_product() -> None:
    key = (16_000, 512, 64, 50.0, 8000.0)
    power = np.random.default_rng(0).random((5, 257), np.float32)
    dense = power @ mel_bank(*key)
    grouped = np.empty_like(dense)
    for bins, filters, block in spans(key, 8):
        grouped[:, filters] = power[:, bins] @ block
    np.testing.assert_allclose(grouped, dense, rtol=1e-5)


def test_a_tone_lies_in_its_mel_band_and_its_chroma() -> None:
    config = default_config("summary")
    time_s = np.arange(config.sample_rate) / config.sample_rate
    values = extract(np.sin(2 * np.pi * 440 * time_s).astype(np.float32), config)
    names = FEATURE_SETS[config.set].names(config)
    chroma = values[[names.index(f"chroma_{i}") for i in range(12)]]
    assert np.argmax(chroma) == 9  # A is the tenth pitch class from C
    centres_hz = mel_to_hz(np.linspace(0, hz_to_mel(24_000), 130))[1:-1]
    mel = values[[names.index(f"mel_{i}") for i in range(128)]]
    assert abs(centres_hz[np.argmax(mel)] - 440) < 50


@pytest.mark.ravdess
@pytest.mark.parametrize(("rate", "step"), [(48_000, 1), (22_050, 20), (16_000, 20)])
def test_summary_is_librosas_on_real_speech(ravdess: Path, rate: int, step: int) -> None:
    config = dataclasses.replace(default_config("summary"), sample_rate=rate)
    signals = waveforms(ravdess, rate, step)
    theirs = np.array([librosa_summary(signal, config) for signal in signals])
    ours = np.array([extract(signal, config) for signal in signals])
    deviation = np.abs(ours - theirs)
    in_sd = deviation / theirs.std(axis=0)
    assert len(signals) >= 20
    assert in_sd[:, :40].max() < 1e-3
    assert in_sd[:, 52:].max() < 1e-3
    assert deviation[:, 40:52].max() < 1e-4


@pytest.mark.ravdess
def test_mfcc_is_librosas_on_real_speech(ravdess: Path) -> None:
    config = default_config("mfcc")
    for signal in waveforms(ravdess, config.sample_rate, 120):
        segment = signal[config.sample_rate // 2 :][: 3 * config.sample_rate]
        segment = np.pad(segment, (0, 3 * config.sample_rate - len(segment)))
        theirs = librosa.feature.mfcc(y=segment, sr=config.sample_rate, n_mfcc=13).T
        ours = extract(signal, config)
        assert ours.shape == (130, 13)
        np.testing.assert_allclose(ours, theirs, atol=2e-3)


@pytest.mark.ravdess
def test_tuning_estimate_is_librosas_on_real_speech(ravdess: Path) -> None:
    config = dataclasses.replace(default_config("summary"), tuning=None)
    signals = waveforms(ravdess, config.sample_rate, 60)
    differ = 0
    for signal in signals:
        power = np.abs(librosa.stft(signal)) ** 2
        theirs = librosa.estimate_tuning(S=power, sr=config.sample_rate, bins_per_octave=12)
        differ += abs(estimate_tuning(signal, config) - theirs) > 1e-9
    # The estimate is a histogram's maximum: float32 rounding changes it in about 1 of 100 recordings of speech.
    assert differ <= 1


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


@pytest.mark.parametrize("name", ["summary", "mfcc", "logmel"])
@pytest.mark.parametrize("n_samples", [1, 2, 511, 4000])
def test_features_are_finite_for_short_and_constant_signals(name: str, n_samples: int) -> None:
    config = default_config(name)
    for signal in (np.full(n_samples, 0.5, np.float32), np.full(n_samples, 1e-30, np.float32)):
        assert np.isfinite(extract(signal, config)).all()


def test_configuration_survives_json_and_refuses_unknown_settings() -> None:
    config = default_config("logmel")
    assert FeatureConfig.from_dict(config.to_dict()) == config
    with pytest.raises(UsageError, match="cannot use the feature configuration"):
        FeatureConfig.from_dict(config.to_dict() | {"n_wavelets": 3})


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("f_min_hz", "x", "f_min_hz must be a number"),
        ("f_max_hz", -5.0, "f_max_hz must be a number"),
        ("trim_db", float("nan"), "trim_db must be a number"),
        ("segment_s", 1e9, "segment_s must be a number"),
        ("tuning", "A440", "tuning must be"),
        ("f_max_hz", 8001.0, "below half the sample rate"),
        ("f_min_hz", 8000.0, "below half the sample rate"),
        ("sample_rate", 8000, "below half the sample rate, 4000 Hz"),
    ],
)
def test_settings_that_no_signal_fits_are_refused(setting: str, value: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        FeatureConfig.from_dict(default_config("logmel").to_dict() | {setting: value})


@pytest.mark.parametrize(
    ("name", "setting", "value"),
    [
        ("summary", "n_chroma", 0), ("summary", "n_mfcc", 0), ("mfcc", "n_mfcc", 0), ("functionals", "n_mels", 1),
        ("summary", "n_fft", 1), ("functionals", "n_fft", 15), ("logmel", "hop", 0),
    ],
)  # fmt: skip
def test_sizes_that_are_too_small_are_refused(name: str, setting: str, value: int) -> None:
    with pytest.raises(UsageError, match=f"{setting} must be a whole number from {value + 1} to|from 16 to"):
        dataclasses.replace(default_config(name), **{setting: value})


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("summary", {"n_chroma": 1, "n_mfcc": 1, "n_fft": 16, "n_mels": 1}),
        ("mfcc", {"n_mfcc": 1, "n_mels": 1, "n_fft": 16}),
        ("functionals", {"n_mels": 2, "n_fft": 16}),
        ("logmel", {"n_mels": 1, "n_fft": 16, "hop": 1}),
    ],
)
def test_the_smallest_sizes_give_features(name: str, sizes: dict[str, int]) -> None:
    config = dataclasses.replace(default_config(name), **sizes)
    signal = voice(0.3)[: config.sample_rate // 4].astype(np.float32)
    with np.errstate(all="raise", under="ignore"):
        features = extract(signal, config)
    assert features.size > 0
    assert np.isfinite(features).all()


@pytest.mark.parametrize("duration_s", [0.25, 0.45, 0.6])
def test_a_segment_after_the_end_of_a_recording_is_taken_from_its_end(duration_s: float) -> None:
    config = default_config("mfcc")
    assert config.segment_start_s == 0.5
    n_samples = round(duration_s * config.sample_rate)
    noise = np.random.default_rng(0).normal(0, 0.1, n_samples).astype(np.float32)
    whole = np.pad(noise, (0, round(config.segment_s * config.sample_rate) - n_samples))
    expected = extract(whole, dataclasses.replace(config, segment_start_s=0.0))
    np.testing.assert_array_equal(extract(noise, config), expected)


def test_nothing_is_cut_where_trimming_is_off() -> None:
    config = dataclasses.replace(default_config("functionals"), trim_db=0.0)
    names = FEATURE_SETS[config.set].names(config)
    noise = np.random.default_rng(0).normal(0, 0.1, 3 * config.sample_rate).astype(np.float32)
    assert extract(noise, config)[names.index("rhythm_duration_s")] == pytest.approx(3.0, abs=0.05)


def test_every_setting_changes_the_key() -> None:
    config = default_config("logmel")
    changed = [
        dataclasses.replace(config, **{name: value})
        for name, value in [("sample_rate", 22_050), ("n_fft", 512), ("hop", 128), ("n_mels", 32), ("f_min_hz", 60.0),
                            ("f_max_hz", 7000.0), ("tuning", None), ("trim_db", 30.0), ("segment_s", 2.0)]
    ]  # fmt: skip
    assert len({config.key, *(other.key for other in changed)}) == 1 + len(changed)


@pytest.mark.parametrize("name", ["logmel", "functionals"])
@pytest.mark.parametrize("gain", [1.0, 1e-5, 1e-18])
def test_frames_that_need_no_fft_are_those_that_trimming_cuts(name: str, gain: float) -> None:
    config = default_config(name)
    # A low tone, where the bound is tight, that fades in to -20 dB and out again.
    ramp = 10 ** (np.linspace(-110, -20, 24_000) / 20)
    tone = np.sin(2 * np.pi * 94 / config.sample_rate * np.arange(24_000))
    parts = [tone * ramp, voice(0.7), np.zeros(5000), voice(0.3, 90.0), tone * ramp[::-1]]
    signal = (gain * np.concatenate(parts)).astype(np.float32)
    every = mel_spectrogram(signal, dataclasses.replace(config, trim_db=0.0))
    fewer = mel_spectrogram(signal, config)
    assert len(fewer) < 0.7 * len(every)
    kept, found = (mel[loud_span(mel.sum(axis=1), config.trim_db)] for mel in (every, fewer))
    np.testing.assert_allclose(found, kept, rtol=1e-5, atol=1e-44)
