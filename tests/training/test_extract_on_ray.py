"""Features of a corpus through Ray Data: the local values, in order, with the configuration beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from conftest import Listener, load_table

from emosense.audio.reader import read_waveform
from emosense.errors import UsageError
from emosense.features.config import default_config
from emosense.features.sets import extract
from emosense.inputs.corpus import read_corpus
from emosense.ray_session import ray_session
from emosense.training.extract_on_ray import extract_corpus
from emosense.training.feature_cache import FeatureSource, corpus_key
from emosense.training.feature_table import FeatureTableWriter, is_feature_table, read_feature_table, replace_rows


@pytest.fixture(scope="module", autouse=True)
def running_ray() -> Iterator[None]:
    with ray_session(None, 2):
        yield


@pytest.fixture
def corpus_folder(tmp_path: Path, write_voice: Callable[..., Path]) -> Path:
    for actor in (1, 2, 3):
        for emotion in (2, 3, 4, 5):
            name = f"corpus/Actor_{actor:02d}/03-01-{emotion:02d}-01-01-01-{actor:02d}.wav"
            write_voice(name, duration_s=0.5 + 0.1 * emotion, pitch_hz=90 + 20 * emotion)
    return tmp_path / "corpus"


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
            expected = extract(read_waveform(file, config.sample_rate), config)
        np.testing.assert_array_equal(found, expected)


def test_bad_recordings_are_rows_with_codes_and_are_left_out_of_training(corpus_folder: Path, tmp_path: Path) -> None:
    (corpus_folder / "Actor_01" / "03-01-05-02-01-01-01.wav").write_bytes(b"")
    output = tmp_path / "f.parquet"
    done = extract_corpus(read_corpus(str(corpus_folder)), default_config("mfcc"), str(output), n_workers=2)
    assert done.n_utterances == 13
    assert done.by_error == {"empty_file": 1}
    table = read_feature_table(str(output))
    assert (len(table), table.by_error, table.corpus) == (12, {"empty_file": 1}, "ravdess")


def test_recordings_that_cannot_be_read_are_counted_on_every_load(corpus_folder: Path, tmp_path: Path) -> None:
    (corpus_folder / "Actor_01" / "03-01-05-02-01-01-01.wav").write_bytes(b"")
    (corpus_folder / "Actor_02" / "03-01-05-02-01-01-02.wav").write_bytes(b"text")
    source = FeatureSource(str(corpus_folder), str(tmp_path / "cache"), n_workers=2)
    for _ in range(2):
        progress = Listener()
        assert len(load_table(source, default_config("mfcc"), progress=progress)) == 12
        (said,) = [text for text in progress.said if "could not be read" in text]
        assert said.startswith("mfcc: recordings that could not be read: 1 ")
        assert "1 empty_file" in said
        assert "1 not_audio" in said


def test_a_corpus_of_unreadable_recordings_is_not_called_unlabelled(corpus_folder: Path, tmp_path: Path) -> None:
    for path in corpus_folder.rglob("*.wav"):
        path.write_bytes(b"")
    with pytest.raises(UsageError, match="can be used: recordings that could not be read: 12 empty_file"):
        load_table(FeatureSource(str(corpus_folder), str(tmp_path / "cache")), default_config("mfcc"))


def test_a_fault_of_the_machine_is_not_kept(corpus_folder: Path, tmp_path: Path) -> None:
    config, cache = default_config("mfcc"), tmp_path / "cache"
    (corpus_folder / "Actor_01" / "03-01-05-02-01-01-01.wav").write_bytes(b"")
    source = FeatureSource(str(corpus_folder), str(cache), n_workers=2)
    first = load_table(source, config)
    (kept,) = cache.iterdir()
    utterances = read_corpus(str(corpus_folder)).utterances
    faults = [
        {"features": [], "n_frames": 0, "error_code": code, "error": ""}
        for code in ("io_error", "unsupported_encoding")
    ]
    with open(tmp_path / "faults.parquet", "wb") as file:
        writer = FeatureTableWriter(file, config)
        writer.write([utterances[0], utterances[7]], faults)
        writer.close()
    replace_rows(str(kept), [0, 7], str(tmp_path / "faults.parquet"))
    assert read_feature_table(str(kept)).by_error == {"empty_file": 1, "io_error": 1, "unsupported_encoding": 1}
    progress = Listener()
    again = load_table(source, config, progress=progress)
    assert any("trying 2 recordings again" in text for text in progress.said)
    assert (again.paths, again.by_error) == (first.paths, {"empty_file": 1})
    for before, after in zip(first.features, again.features, strict=True):
        np.testing.assert_array_equal(after, before)
    written_ns = kept.stat().st_mtime_ns
    load_table(source, config)
    assert kept.stat().st_mtime_ns == written_ns


def test_a_feature_table_of_an_earlier_version_is_of_an_unknown_corpus(corpus_folder: Path, tmp_path: Path) -> None:
    source = FeatureSource(str(corpus_folder), str(tmp_path / "cache"), n_workers=2)
    load_table(source, default_config("mfcc"))
    (kept,) = (tmp_path / "cache").iterdir()
    stored = pq.read_table(kept)
    metadata = {key: value for key, value in stored.schema.metadata.items() if key != b"emosense_corpus"}
    assert len(metadata) < len(stored.schema.metadata)
    pq.write_table(stored.replace_schema_metadata(metadata), kept)
    assert load_table(FeatureSource(str(kept), ""), default_config("mfcc")).corpus == ""
    # Of the corpus itself it is known, whatever the cache says.
    assert load_table(source, default_config("mfcc")).corpus == "ravdess"


def test_features_are_extracted_once_and_again_when_a_file_changes(corpus_folder: Path, tmp_path: Path) -> None:
    config, cache = default_config("mfcc"), str(tmp_path / "cache")
    source = FeatureSource(str(corpus_folder), cache, n_workers=2)
    first = load_table(source, config)
    (kept,) = Path(cache).iterdir()
    written_ns = kept.stat().st_mtime_ns
    second = load_table(source, config)
    assert kept.stat().st_mtime_ns == written_ns
    assert first.paths == second.paths
    changed = next(corpus_folder.rglob("*.wav"))
    before = corpus_key(read_corpus(str(corpus_folder)), config)
    changed.write_bytes(changed.read_bytes() + b"\0\0")
    assert corpus_key(read_corpus(str(corpus_folder)), config) != before
    assert corpus_key(read_corpus(str(corpus_folder)), default_config("logmel")) != before


def test_a_copy_at_another_speed_is_shorter_and_higher(corpus_folder: Path, tmp_path: Path) -> None:
    source = FeatureSource(str(corpus_folder), str(tmp_path / "cache"), n_workers=2)
    table = load_table(source, default_config("logmel"), 1.25)
    assert list(table.copies) == [1.25]
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
