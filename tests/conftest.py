"""What the tests share: made recordings, a tiny model, and where RAVDESS lies."""

from __future__ import annotations

import functools
import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

# One thread for each matrix product, as in a worker: more would only wait for each other. NumPy reads it when imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import onnx
import pytest
import soundfile
from hypothesis import settings
from made_sounds import voice
from made_tables import write_functionals
from onnx import TensorProto, helper, numpy_helper

from emosense.emotions import EMOTIONS
from emosense.features.config import FeatureConfig, default_config
from emosense.models.model_files import write_model
from emosense.progress import Progress, Silent
from emosense.ray_session import ray_session
from emosense.training.features.extraction import Copy, Speed
from emosense.training.features.loading import load_tables
from emosense.training.features.source import FeatureSource
from emosense.training.features.table import FeatureTable

# A busy machine is no failure: examples have no time limit.
settings.register_profile("emosense", deadline=None)
settings.load_profile("emosense")

# Below nohup, a run ignores a terminal that is gone; the tests are about those that do not.
signal.signal(signal.SIGHUP, signal.SIG_DFL)

REPOSITORY = Path(__file__).parents[1]
RAVDESS = Path(os.environ.get("EMOSENSE_RAVDESS") or REPOSITORY.parent / "shared" / "ravdess")
CASES = Path(os.environ.get("EMOSENSE_CASES") or REPOSITORY.parent / "shared" / "cases")


@pytest.fixture(scope="session")
def cases() -> Path:
    """The folder of small inputs that were labelled wrongly once, or a skip that is counted and says why."""
    if not CASES.is_dir():
        pytest.skip(f"the cases are not at {CASES}: set EMOSENSE_CASES")
    return CASES


@pytest.fixture(scope="session")
def ravdess() -> Path:
    """The folder of actors, or a skip that is counted and says why."""
    if not RAVDESS.is_dir():
        pytest.skip(f"RAVDESS is not at {RAVDESS}: set EMOSENSE_RAVDESS")
    return RAVDESS


@pytest.fixture
def write_voice(tmp_path: Path) -> Callable[..., Path]:
    """Write a made recording and give its path."""

    def write(name: str = "voice.wav", duration_s: float = 1.0, pitch_hz: float = 150.0, rate: int = 16_000) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, voice(duration_s, pitch_hz, rate), rate)
        return path

    return write


def own_bytes() -> int:
    """Memory of this process that lies in no file."""
    (size,) = re.findall(r"RssAnon:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(size) * 1024


def tiny_graph(n_bands: int = 128, n_classes: int = 8, seed: int = 0) -> bytes:
    """An ONNX graph with the real interface: the mean over time, a random projection, a softmax."""
    weights = np.random.default_rng(seed).standard_normal((n_bands, n_classes)).astype(np.float32) * 0.02
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["features"], ["mean"], axes=[1], keepdims=0),
            helper.make_node("MatMul", ["mean", "weights"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        ],
        "tiny",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", "frames", n_bands])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", n_classes])],
        [numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.checker.check_model(model)
    return model.SerializeToString()


def tiny_description(**changes: object) -> dict[str, object]:
    """A description that fits `tiny_graph`."""
    return {
        "name": "tiny",
        "version": "1",
        "kind": "cnn",
        "classes": list(EMOTIONS),
        "features": [default_config("logmel").to_dict()],
        "window_s": 10.0,
        "calibration": {},
        "trained_on": {},
        "scores": [],
        "licence": "none",
        "versions": {},
    } | changes


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Directory of a tiny model with random weights."""
    folder = tmp_path_factory.mktemp("model") / "tiny"
    folder.mkdir()
    write_model(str(folder), tiny_description(), tiny_graph())
    return str(folder)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Functionals of 6 speakers, whose voices differ more than their emotions do."""
    return write_functionals(tmp_path_factory.mktemp("table"))


class Listener(Silent):
    """Keeps the messages."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def message(self, text: str) -> None:
        self.messages.append(text)


@pytest.fixture(scope="module")
def running_ray() -> Iterator[None]:
    """Ray with two CPUs for all tests of a module."""
    with ray_session(None, 2):
        yield


@pytest.fixture
def few_disturbances(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let evaluations try three disturbances of the catalogue: each is a run of Ray Data, which takes a second."""
    from emosense.audio.disturbances import CATALOGUE
    from emosense.crossvalidation import evaluate, robustness

    names = ("gain -30 dB", "white noise, 10 dB", "50 Hz hum, -30 dBFS")
    few = [disturbance for disturbance in CATALOGUE if disturbance.name in names]
    monkeypatch.setattr(evaluate, "robustness", functools.partial(robustness.robustness, catalogue=few))


def load_table(
    source: FeatureSource, config: FeatureConfig, *speeds: float, progress: Progress | None = None
) -> FeatureTable:
    """One feature set of a corpus."""
    (table,) = load_tables(source, {config: [Copy(config, Speed(speed)) for speed in speeds]}, progress or Silent())
    return table


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what the tests counted: faults survived, bad inputs tried, rows lost and doubled."""
    counts = [
        f"{report.nodeid.split('::')[0]}: {name}: {value}"
        for report in terminalreporter.stats.get("passed", [])
        for name, value in report.user_properties
    ]
    if counts:
        terminalreporter.section("counts")
        for line in counts:
            terminalreporter.line(line)
