"""Feature tables whose classes can be learned, and the temperature that SciPy finds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax

from emosense.features.config import default_config
from emosense.features.sets import FEATURE_SETS
from emosense.inputs.recording import Recording
from emosense.inputs.utterance import Utterance
from emosense.training.cnn_settings import CnnConfig
from emosense.training.features.table import FeatureTable
from emosense.training.features.table_file import FeatureTableWriter
from emosense.training.mlp_settings import MlpConfig
from emosense.training.presets import PRESETS, Preset
from emosense.training.settings import ModelConfig

CLASSES = ("calm", "happy", "angry")


def made_table(config: CnnConfig | MlpConfig, n: int = 24, seed: int = 0) -> FeatureTable:
    """Features in which each class has its own band, so that a model can learn it in a few epochs."""
    rng = np.random.default_rng(seed)
    n_bands = len(FEATURE_SETS[config.feature.set].names(config.feature))
    labels = np.arange(n) % len(CLASSES)
    features = []
    for label in labels:
        is_sequence = isinstance(config, CnnConfig)
        shape = (
            (130 if config.feature.segment_s else int(rng.integers(60, 140)), n_bands) if is_sequence else (n_bands,)
        )
        values = rng.normal(-40, 6, shape)
        values[..., label * (n_bands // 3) : (label + 1) * (n_bands // 3)] += 15
        features.append(values.astype(np.float32))
    names = tuple(f"{index:03d}.wav" for index in range(n))
    speakers = tuple(f"s{index % 4}" for index in range(n))
    return FeatureTable(config.feature, names, tuple(CLASSES[label] for label in labels), speakers, ("",) * n, features)


def add_preset(monkeypatch: pytest.MonkeyPatch, kind: str, name: str, config: ModelConfig) -> None:
    """Register a preset for the duration of a test."""
    monkeypatch.setitem(PRESETS._entries, f"{kind}-{name}", Preset(config, "made up"))


def write_corpus(write_voice: Callable[..., Path], folder: Path) -> Path:
    """Write 12 recordings of 3 actors with names of RAVDESS, and give their folder."""
    for actor in (1, 2, 3):
        for emotion in (2, 3, 4, 5):
            name = f"corpus/Actor_{actor:02d}/03-01-{emotion:02d}-01-01-01-{actor:02d}.wav"
            write_voice(name, duration_s=0.5 + 0.1 * emotion, pitch_hz=90 + 20 * emotion)
    return folder / "corpus"


def write_functionals(folder: Path) -> str:
    """Functionals of 6 speakers, whose voices differ more than their emotions do."""
    config = default_config("functionals")
    rng = np.random.default_rng(0)
    n_values = len(FEATURE_SETS[config.set].names(config))
    voices, emotions = rng.normal(0, 3, (6, n_values)), rng.normal(0, 0.45, (3, n_values))
    utterances, results = [], []
    for speaker in range(6):
        for number in range(24):
            label = number % 3
            values = (
                voices[speaker] + emotions[label] + rng.normal(0, 1, n_values) + voices[(speaker + label) % 6] * 0.4
            )
            name = f"{speaker + 1:02d}-{number:02d}.wav"
            sex = "female" if speaker % 2 else "male"
            utterances.append(
                Utterance(Recording(name, name, 1, "1"), CLASSES[label], f"{speaker + 1:02d}", sex, "table")
            )
            results.append({"features": values.astype(np.float32), "n_frames": 0, "error_code": "", "error": ""})
    path = folder / "functionals.parquet"
    with open(path, "wb") as file:
        writer = FeatureTableWriter(file, config)
        writer.write(utterances, results)
        writer.close()
    return str(path)


def best_temperature(shares: np.ndarray, labels: np.ndarray) -> float:
    """The temperature whose confidence makes it likeliest which answers are right, among many."""
    is_right = shares.argmax(axis=1) == labels

    def loss(temperature: float) -> float:
        confidence = softmax(np.log(np.maximum(shares, 1e-30)) / temperature, axis=1).max(axis=1)
        return float(-np.log(np.where(is_right, confidence, np.maximum(1 - confidence, 1e-15))).mean())

    return float(min(np.geomspace(0.05, 20, 20_000), key=loss))
