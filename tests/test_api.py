"""The Python API gives what the command line gives."""

from __future__ import annotations

import doctest
import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emosense.api import extract_features, label, load_model
from emosense.audio.speech import speech_of
from emosense.emotions import EMOTIONS
from emosense.errors import ModelError, RecordingError, UsageError
from emosense.features.config import default_config
from emosense.features.sets import extract
from emosense.tables.formats import TableLayout
from emosense.tables.row import Row
from emosense.tables.writers import csv_table


def csv_bytes(rows: list[Row]) -> bytes:
    file = io.BytesIO()
    with csv_table(file, TableLayout()) as write:
        write(rows)
    return file.getvalue()


@pytest.fixture
def clips(write_voice: Callable[..., Path], tmp_path: Path) -> list[Path]:
    """Twenty recordings in order of their names; one is empty and one is not audio."""
    for index in range(18):
        write_voice(f"in/{index:02d}.wav", duration_s=0.3 + 0.02 * index, pitch_hz=100 + 9 * index)
    (tmp_path / "in" / "03b.wav").write_bytes(b"")
    (tmp_path / "in" / "=07b.wav").write_bytes(b"<html>not found</html>")
    return sorted((tmp_path / "in").iterdir())


@pytest.mark.parametrize("n_workers", [1, 2])
def test_rows_are_those_of_the_command_line(clips: list[Path], tiny_model: str, tmp_path: Path, n_workers: int) -> None:
    output = tmp_path / "labels.csv"
    command = [sys.executable, "-m", "emosense", "label", tmp_path / "in", "-o", output, "-m", tiny_model, "-q"]
    assert subprocess.run(command, timeout=120).returncode == 3
    rows = list(label(clips, tiny_model, n_workers=n_workers))
    assert len(rows) == 20
    assert csv_bytes(rows) == output.read_bytes()


def test_rows_of_chosen_emotions_are_those_of_the_command_line(
    clips: list[Path], tiny_model: str, tmp_path: Path
) -> None:
    output = tmp_path / "labels.csv"
    command = [sys.executable, "-m", "emosense", "label", tmp_path / "in", "-o", output, "-m", tiny_model, "-q"]
    assert subprocess.run([*command, "--emotions", "sad, Angry"], timeout=120).returncode == 3
    rows = list(label(clips, tiny_model, emotions=["angry", "sadness"]))
    assert csv_bytes(rows) == output.read_bytes()
    labelled = [row for row in rows if row.probabilities]
    assert {row.emotion for row in labelled} <= {"sad", "angry"}
    assert all(sum(row.probabilities[3:5]) == pytest.approx(1, abs=1e-5) for row in labelled)
    assert all(not any(row.probabilities[:3] + row.probabilities[5:]) for row in labelled)


def test_emotions_given_as_one_text_are_refused(tiny_model: str) -> None:
    with pytest.raises(UsageError, match="a list of names"):
        label([], tiny_model, emotions="sad")


def test_rows_come_in_the_order_of_the_paths_and_twice_for_a_path_given_twice(
    clips: list[Path], tiny_model: str
) -> None:
    paths = [*reversed(clips), clips[0]]
    rows = list(label(paths, tiny_model, n_workers=2))
    assert [row.path for row in rows] == [str(path) for path in paths]
    assert rows[-1] == rows[-2]


def test_a_window_gives_the_rows_of_the_same_window_of_the_command_line(
    write_voice: Callable[..., Path], tiny_model: str, tmp_path: Path
) -> None:
    path, output = write_voice("long.wav", duration_s=3.0), tmp_path / "labels.csv"
    command = [sys.executable, "-m", "emosense", "label", path, "-o", output, "-m", tiny_model, "-q", "--window", "1"]
    assert subprocess.run(command, timeout=120).returncode == 0
    assert csv_bytes(list(label([path], tiny_model, window_s=1.0))) == output.read_bytes()


def test_bad_recordings_are_error_rows_and_their_neighbours_are_not(clips: list[Path], tiny_model: str) -> None:
    missing = clips[0].with_name("missing.wav")
    rows = {Path(row.path).name: row for row in label([*clips, missing], tiny_model)}
    assert {name: row.error_code for name, row in rows.items() if row.status == "error"} == {
        "03b.wav": "empty_file", "=07b.wav": "not_audio", "missing.wav": "missing",
    }  # fmt: skip
    assert {row.status for name, row in rows.items() if name[0] in "01" and name != "03b.wav"} == {"ok"}


def test_paths_may_be_an_endless_iterator_and_the_rows_may_be_left(
    write_voice: Callable[..., Path], tiny_model: str
) -> None:
    path = write_voice()
    rows = label(iter(lambda: path, None), tiny_model, n_workers=2)
    assert [next(rows).status for _ in range(10)] == ["ok"] * 10
    rows.close()
    assert list(rows) == []


def test_no_paths_give_no_rows(tiny_model: str) -> None:
    assert list(label([], tiny_model)) == []


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"n_workers": 0}, "at least 1"),
        ({"file_timeout_s": 0.0}, "positive number of seconds"),
        ({"window_s": -1.0}, "the window must be at least 0.25 s, not -1 s"),
        ({"window_s": 0.1}, "the window must be at least 0.25 s, not 0.1 s"),
        ({"hop_s": 0.2}, "the hop must be at least 0.25 s"),
        ({"window_s": float("nan")}, "the window must be at least"),
        ({"window_s": 1.0, "hop_s": 2.0}, "the hop cannot be longer than the window"),
        ({"hop_s": 20.0}, "the hop cannot be longer than the window of 10 s"),
        ({"max_duration_s": -1.0}, "the maximum duration must be a positive number of seconds, not -1"),
        ({"max_duration_s": 0.0}, "the maximum duration"),
        ({"max_duration_s": float("inf")}, "the maximum duration"),
        ({"max_duration_s": float("nan")}, "the maximum duration"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_at_the_call(
    settings: dict[str, float], sentence: str, tiny_model: str
) -> None:
    with pytest.raises(UsageError, match=sentence):
        label(["a.wav"], tiny_model, **settings)


def test_one_path_in_place_of_a_list_is_refused(tiny_model: str) -> None:
    with pytest.raises(UsageError, match="a list of paths"):
        label("voice.wav", tiny_model)


def test_a_model_that_is_not_there_is_refused_at_the_call(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model"):
        label(["a.wav"], str(tmp_path))
    with pytest.raises(ModelError, match="no model"):
        load_model(str(tmp_path))


def test_features_of_a_recording_are_those_of_its_waveform(write_voice: Callable[..., Path]) -> None:
    path = write_voice(duration_s=1.0)
    waveform, sample_rate = soundfile.read(path, dtype="float32")
    features = extract_features(path, "logmel")
    assert sample_rate == default_config("logmel").sample_rate
    np.testing.assert_array_equal(features, extract(speech_of(waveform, sample_rate), default_config("logmel")))
    assert features.shape[1] == 128
    assert extract_features(path, "summary").shape == (180,)


def test_features_of_a_bad_recording_are_an_error_with_its_code(tmp_path: Path) -> None:
    path = tmp_path / "empty.wav"
    path.write_bytes(b"")
    with pytest.raises(RecordingError, match="zero bytes") as caught:
        extract_features(path)
    assert caught.value.code == "empty_file"


def test_an_unknown_feature_set_is_refused(write_voice: Callable[..., Path]) -> None:
    with pytest.raises(UsageError, match="unknown feature set 'chroma'"):
        extract_features(write_voice(), "chroma")


def test_a_loaded_model_gives_the_probabilities_of_the_row(write_voice: Callable[..., Path], tiny_model: str) -> None:
    path = write_voice(duration_s=1.0)
    (row,) = label([path], tiny_model)
    probabilities = load_model(tiny_model).probabilities([extract_features(path, "logmel")])
    assert probabilities.shape == (len(EMOTIONS),)
    np.testing.assert_allclose(probabilities, row.probabilities, atol=1e-6)


def test_features_of_the_shipped_models_are_those_that_their_description_names(
    write_voice: Callable[..., Path],
) -> None:
    path = write_voice(duration_s=1.0)
    for name in ("default", "fast", "accurate"):
        (row,) = label([path], name)
        model = load_model(name)
        probabilities = model.probabilities([extract_features(path, features) for features in model.features])
        np.testing.assert_allclose(probabilities, row.probabilities, atol=1e-6)
    # The name of the set means the features of the default model.
    np.testing.assert_array_equal(extract_features(path), extract_features(path, load_model().features[0]))
    with pytest.raises(UsageError, match="give its file to load_model"):
        extract_features(path, model.features[0], encoder="x.onnx")


def test_the_examples_of_the_documentation_run(
    write_voice: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("calls/1.wav", "calls/2.wav"):
        write_voice(name)
    monkeypatch.chdir(tmp_path)
    for function in (label, load_model, extract_features):
        (test,) = doctest.DocTestFinder(recurse=False).find(function, globs={})
        result = doctest.DocTestRunner().run(test)
        assert result.attempted >= 3
        assert result.failed == 0


def test_importing_the_package_loads_neither_numpy_nor_anything_else_of_weight() -> None:
    script = "import sys, emosense\nprint(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert not set(done.stdout.split()) & {"numpy", "ray", "onnxruntime", "soundfile", "fsspec", "pyarrow", "typer"}


def test_importing_the_api_loads_no_ray_and_no_training_package() -> None:
    script = "import sys, emosense.api\nprint(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert not set(done.stdout.split()) & {"ray", "tensorflow", "sklearn", "pyarrow", "pandas", "librosa", "typer"}
