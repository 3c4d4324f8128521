"""Feature configurations: what is refused, what is stored, and their keys."""

from __future__ import annotations

import dataclasses

import pytest

from emosense.errors import UsageError
from emosense.features.config import FeatureConfig, default_config


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


def test_every_setting_changes_the_key() -> None:
    config = default_config("logmel")
    changed = [
        dataclasses.replace(config, **{name: value})
        for name, value in [("sample_rate", 22_050), ("n_fft", 512), ("hop", 128), ("n_mels", 32), ("f_min_hz", 60.0),
                            ("f_max_hz", 7000.0), ("tuning", None), ("trim_db", 30.0), ("segment_s", 2.0)]
    ]  # fmt: skip
    assert len({config.key, *(other.key for other in changed)}) == 1 + len(changed)
