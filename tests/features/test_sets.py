"""What holds for every feature set, and what an entry of the registry promises."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
from conftest import REPOSITORY
from made_sounds import harmonic_tone as voice

from emosense.errors import UsageError
from emosense.features.config import FeatureConfig, default_config
from emosense.features.sets import FEATURE_SETS, FeatureSet, extract


@pytest.mark.parametrize("name", ["summary", "mfcc", "logmel"])
@pytest.mark.parametrize("n_samples", [1, 2, 511, 4000])
def test_features_are_finite_for_short_and_constant_signals(name: str, n_samples: int) -> None:
    config = default_config(name)
    for signal in (np.full(n_samples, 0.5, np.float32), np.full(n_samples, 1e-30, np.float32)):
        assert np.isfinite(extract(signal, config)).all()


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


def nine_values(waveform: np.ndarray, config: FeatureConfig) -> np.ndarray:
    return np.zeros(9, np.float32)


def three_names(config: FeatureConfig) -> list[str]:
    return ["a", "b", "c"]


@pytest.mark.parametrize(("is_sequence", "shape"), [(False, "(3,)"), (True, "(n_frames, 3)")])
def test_a_set_that_gives_another_shape_than_its_entry_says_is_refused_by_name(
    is_sequence: bool, shape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    functions = (f"{__name__}:nine_values", f"{__name__}:three_names")
    entry = FeatureSet("nine values", *functions, {"sample_rate": 16_000}, is_sequence=is_sequence)
    monkeypatch.setitem(FEATURE_SETS._entries, "nine", entry)
    with pytest.raises(UsageError, match=rf"set nine gave .* shape \(9,\); .* shape {re.escape(shape)}$"):
        extract(voice(), FeatureConfig("nine", 16_000))


def test_the_docs_list_every_set() -> None:
    page = (REPOSITORY / "docs" / "architecture.md").read_text()
    section = page.partition("\n## Feature sets\n")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(FEATURE_SETS)
