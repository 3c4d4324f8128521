"""Features of a corpus through Ray Data: the local values, in order, with the configuration."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from conftest import Listener, load_table
from made_tables import write_corpus

from emosense.audio.waveform import read_waveform
from emosense.errors import UsageError
from emosense.features.config import default_config
from emosense.inputs.corpus import read_corpus
from emosense.training.features import corpus_extraction
from emosense.training.features.corpus_extraction import extract_corpus
from emosense.training.features.extraction import Copy, Speed, recording_features
from emosense.training.features.parts_folder import parts_folder
from emosense.training.features.source import FeatureSource
from emosense.training.features.store import FeatureStore
from emosense.training.features.table_file import is_feature_table, read_feature_table

pytestmark = pytest.mark.usefixtures("running_ray")


@pytest.fixture
def corpus_folder(tmp_path: Path, write_voice: Callable[..., Path]) -> Path:
    return write_corpus(write_voice, tmp_path)


@pytest.mark.parametrize("name", ["summary", "functionals", "mfcc", "logmel"])
def test_ray_gives_the_local_values_in_order(corpus_folder: Path, tmp_path: Path, name: str) -> None:
    config = default_config(name)
    corpus = read_corpus(str(corpus_folder))
    output = tmp_path / f"{name}.parquet"
    done = extract_corpus(corpus, config, str(output), n_workers=2)
    assert (done.n_utterances, done.by_error) == (12, {})
    table = read_feature_table(str(output))
    assert table.config == config
    assert table.paths == tuple(u.recording.path for u in corpus.utterances)
    assert table.emotions == tuple(u.emotion for u in corpus.utterances)
    for path, found in zip(table.paths, table.features, strict=True):
        with open(path, "rb", buffering=0) as file:
            expected = recording_features(read_waveform(file, config.sample_rate), config)
        np.testing.assert_array_equal(found, expected)


def test_bad_recordings_are_rows_with_codes_and_are_left_out_of_training(corpus_folder: Path, tmp_path: Path) -> None:
    bad = corpus_folder / "Actor_01" / "03-01-05-02-01-01-01.wav"
    bad.write_bytes(b"")
    output = tmp_path / "f.parquet"
    done = extract_corpus(read_corpus(str(corpus_folder)), default_config("mfcc"), str(output), n_workers=2)
    assert done.n_utterances == 13
    assert done.by_error == {"empty_file": 1}
    table = read_feature_table(str(output))
    assert (len(table), table.by_error, table.corpora) == (12, {"empty_file": 1}, ("ravdess",) * 12)
    rows = {row["path"]: row for row in pq.read_table(output).to_pylist()}
    assert rows[str(bad)]["error"] == "the file has zero bytes"


def test_a_stopped_extraction_resumes_and_gives_the_same_bytes(
    corpus_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus, config, output = read_corpus(str(corpus_folder)), default_config("mfcc"), tmp_path / "f.parquet"
    extract_corpus(corpus, config, str(output), n_workers=1)
    expected = output.read_bytes()
    output.unlink()
    # The first run has one recording in three when it is stopped.
    some = dataclasses.replace(corpus, utterances=corpus.utterances[::3])
    with monkeypatch.context() as patched:
        patched.setattr(corpus_extraction.CorpusFeatures, "rows", stopped)
        with pytest.raises(KeyboardInterrupt):
            extract_corpus(some, config, str(output), n_workers=2)
    assert [path.name for path in tmp_path.iterdir() if "f.parquet" in path.name] == ["f.parquet.parts"]
    # What a run with other settings has left.
    other = tmp_path / "f.parquet.parts" / f"features-mfcc-{0:024x}"
    other.mkdir()
    (other / "0.parquet").write_bytes(b"")
    progress = Listener()
    extract_corpus(corpus, config, str(output), n_workers=2, progress=progress)
    assert progress.messages == ["features: mfcc: 8 recordings"]
    assert output.read_bytes() == expected
    assert not (tmp_path / "f.parquet.parts").exists()


def test_one_run_at_a_time_writes_a_table_and_files_of_others_stay(corpus_folder: Path, tmp_path: Path) -> None:
    corpus, config, output = read_corpus(str(corpus_folder)), default_config("mfcc"), tmp_path / "f.parquet"
    with parts_folder(str(output), print) as folder:
        notes = Path(folder.location) / "notes.txt"
        notes.write_text("mine")
        with pytest.raises(UsageError, match=r"another run is writing .*f\.parquet: wait for it"):
            extract_corpus(corpus, config, str(output), n_workers=2)
        assert not output.exists()
    assert extract_corpus(corpus, config, str(output), n_workers=2).n_utterances == 12
    assert list(notes.parent.iterdir()) == [notes]


def test_workers_that_share_the_folder_write_themselves(
    corpus_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In this process only; workers import the class anew.
    monkeypatch.setattr(FeatureStore, "keep", stopped)
    monkeypatch.chdir(tmp_path)
    done = extract_corpus(read_corpus(str(corpus_folder)), default_config("mfcc"), "f.parquet", n_workers=2)
    assert (done.n_utterances, done.by_error) == (12, {})


def stopped(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_copy_at_another_speed_is_shorter_and_higher(corpus_folder: Path, tmp_path: Path) -> None:
    source = FeatureSource(str(corpus_folder), str(tmp_path / "cache"), n_workers=2)
    # Whole recordings: where speech is found differs by a frame.
    config = dataclasses.replace(default_config("logmel"), speech_only=False)
    table = load_table(source, config, 1.25)
    assert list(table.copies) == [Copy(config, Speed(1.25))]
    (copies,) = table.copies.values()
    for features, copy in zip(table.features, copies, strict=True):
        assert len(copy) == pytest.approx(len(features) / 1.25, abs=4)
        assert np.argmax(copy.mean(axis=0)) > np.argmax(features.mean(axis=0))


def test_a_feature_table_of_another_configuration_is_refused(corpus_folder: Path, tmp_path: Path) -> None:
    output = str(tmp_path / "f.parquet")
    extract_corpus(read_corpus(str(corpus_folder)), default_config("mfcc"), output, n_workers=2)
    assert is_feature_table(output)
    with pytest.raises(UsageError, match="set mfcc, needed is logmel"):
        load_table(FeatureSource(output, str(tmp_path)), default_config("logmel"))


def test_a_failed_extraction_leaves_no_table(tmp_path: Path, corpus_folder: Path) -> None:
    from emosense.errors import OutputError

    with pytest.raises(OutputError):
        extract_corpus(read_corpus(str(corpus_folder)), default_config("mfcc"), str(tmp_path / "no" / "f.parquet"))
    assert not (tmp_path / "no").exists()
