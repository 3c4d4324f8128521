"""The Python API gives what the command line gives."""

from __future__ import annotations

import asyncio
import dataclasses
import doctest
import importlib.util
import io
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from commands import run_command
from made_sounds import voice

from emosense.api import Labeller, extract_features, label, load_model, to_pandas
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
    assert run_command("label", tmp_path / "in", "-o", output, "-m", tiny_model, "-q").returncode == 3
    rows = list(label(clips, tiny_model, n_workers=n_workers))
    assert len(rows) == 20
    assert csv_bytes(rows) == output.read_bytes()


def test_rows_of_chosen_emotions_are_those_of_the_command_line(
    clips: list[Path], tiny_model: str, tmp_path: Path
) -> None:
    output = tmp_path / "labels.csv"
    command = ("label", tmp_path / "in", "-o", output, "-m", tiny_model, "-q", "--emotions", "sad, Angry")
    assert run_command(*command).returncode == 3
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
    assert run_command("label", path, "-o", output, "-m", tiny_model, "-q", "--window", "1").returncode == 0
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
    for function in (Labeller, label, load_model, extract_features, to_pandas):
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


@pytest.fixture
def labeller(tiny_model: str) -> Iterator[Labeller]:
    with Labeller(tiny_model) as opened:
        yield opened


def without_path(row: Row) -> Row:
    return dataclasses.replace(row, path="")


@pytest.mark.parametrize("n_channels", [1, 2])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", "int32"])
def test_an_array_has_the_row_of_the_file_that_it_was_read_from(
    labeller: Labeller, tmp_path: Path, dtype: str, n_channels: int
) -> None:
    path = tmp_path / "clip.wav"
    waveform = np.stack([voice(1.0, 140 + 40 * channel, 22_050) for channel in range(n_channels)], axis=1)
    soundfile.write(path, waveform, 22_050, "PCM_16")
    samples, rate = soundfile.read(path, dtype=dtype)
    of_file, of_array = labeller.label(path), labeller.label(samples, sample_rate=rate, name="mine")
    assert of_file.status == "ok"
    assert of_array.path == "mine"
    assert without_path(of_array) == without_path(of_file)
    assert without_path(labeller.label(path.read_bytes())) == without_path(of_file)


def test_the_worker_stays_between_calls(labeller: Labeller, clips: list[Path]) -> None:
    labeller.label(clips[0])
    (worker,) = labeller._workers._idle
    process = worker.worker._process
    assert [row.status for row in labeller.label_many(clips[:3])] == ["ok"] * 3
    labeller.label(clips[1])
    assert labeller._workers._idle == [worker]
    assert worker.worker._process is process
    labeller.close()
    assert process is not None
    assert process.poll() is not None
    with pytest.raises(UsageError, match="closed"):
        labeller.label(clips[0])


def test_rows_that_are_left_in_the_middle_do_not_mix_with_the_next_ones(labeller: Labeller, clips: list[Path]) -> None:
    rows = labeller.label_many(iter(lambda: clips[0], None))
    assert next(rows).path == str(clips[0])
    assert labeller.label(clips[5]).path == str(clips[5])
    rows.close()
    assert [row.path for row in labeller.label_many(clips)] == [str(path) for path in clips]


def test_calls_from_several_threads_give_each_its_own_row(tiny_model: str, clips: list[Path]) -> None:
    async def all_rows() -> list[Row]:
        return await asyncio.gather(*(asyncio.to_thread(labeller.label, path) for path in clips))

    with Labeller(tiny_model, n_workers=2) as labeller:
        assert [row.path for row in asyncio.run(all_rows())] == [str(path) for path in clips]
        assert len(labeller._workers._idle) <= 2


def test_a_recording_that_is_split_has_several_rows(tiny_model: str) -> None:
    stereo = np.stack([voice(2.0, 120, 16_000), voice(2.0, 240, 16_000)], axis=1)
    with Labeller(tiny_model, channels="split", segments=True, window_s=1.0) as labeller:
        rows = labeller.label_rows(stereo, sample_rate=16_000)
        assert [(row.channel, row.start_s) for row in rows] == [(1, 0.0), (1, 1.0), (2, 0.0), (2, 1.0)]
        with pytest.raises(UsageError, match="use label_rows"):
            labeller.label(stereo, sample_rate=16_000)
    frame = to_pandas(rows)
    assert list(frame["channel"]) == [1, 1, 2, 2]
    assert list(frame["start_s"]) == [0.0, 1.0, 0.0, 1.0]
    assert frame["level_dbfs"].notna().all()


def test_a_data_frame_without_pandas_is_refused_with_the_way_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pandas" else find_spec(name))
    with pytest.raises(UsageError, match=r"^to_pandas needs pandas, which is not installed: pip install pandas$"):
        to_pandas([])


@pytest.mark.parametrize(
    ("recording", "sample_rate", "sentence"),
    [
        (np.zeros(100, np.float32), None, "needs its sample_rate"),
        ("a.wav", 16_000, "needs its sample_rate"),
        (np.zeros((2, 2, 2), np.float32), 16_000, "shape"),
        (np.zeros(100, np.uint8), 16_000, "not uint8"),
    ],
)
def test_what_is_no_recording_is_refused(
    labeller: Labeller, recording: Any, sample_rate: int | None, sentence: str
) -> None:
    with pytest.raises(UsageError, match=sentence):
        labeller.label(recording, sample_rate=sample_rate)


def test_a_row_reads_well_and_a_notebook_shows_a_player_and_bars(
    labeller: Labeller, write_voice: Callable[..., Path], tmp_path: Path
) -> None:
    row = labeller.label(write_voice("<b>.wav"))
    assert repr(row) == f"<Row {row.path!r}: {row.emotion} {row.confidence:.0%}>"
    page = row._repr_html_()
    assert "&lt;b&gt;.wav" in page
    assert "<audio controls src='data:audio/" in page
    assert f">{row.emotion}<" in page
    assert f">{row.confidence:.0%}<" in page
    missing = labeller.label(tmp_path / "gone.wav")
    assert repr(missing) == f"<Row {missing.path!r}: missing: {missing.error}>"
    assert "<audio" not in missing._repr_html_()


def test_a_progress_bar_shows_every_recording(
    labeller: Labeller, clips: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(list(labeller.label_many(clips, progress=True))) == 20
    assert "20/20" in capsys.readouterr().out
