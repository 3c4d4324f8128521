"""The feature cache: each recording is extracted once, until the recording or the code that extracts it changes."""

from __future__ import annotations

import csv
import os
import pickle
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Listener, load_table, own_bytes
from made_tables import write_corpus

from emosense.errors import StorageError, UsageError
from emosense.features.config import FeatureConfig, default_config
from emosense.inputs.corpus import Corpus, read_corpus
from emosense.inputs.recording import Recording
from emosense.inputs.utterance import Utterance
from emosense.progress import Silent
from emosense.training import source_digest
from emosense.training.features import corpus_features
from emosense.training.features.corpus_features import CorpusFeatures
from emosense.training.features.extraction import Copy, Speed, extract_recordings
from emosense.training.features.files import StoredFeatures, recording_key
from emosense.training.features.loading import load_tables
from emosense.training.features.source import FeatureSource
from emosense.training.features.store import FeatureStore
from emosense.training.features.table import FeatureTable

MFCC = default_config("mfcc")


@pytest.fixture
def corpus_folder(running_ray: None, tmp_path: Path, write_voice: Callable[..., Path]) -> Path:
    return write_corpus(write_voice, tmp_path)


class Counted(Listener):
    """Counts the recordings that are extracted."""

    def __init__(self) -> None:
        super().__init__()
        self.n_extracted = 0

    def advance(self, n_done: int, n_errors: int) -> None:
        self.n_extracted += n_done


def load(data: Path, cache: Path, *speeds: float) -> tuple[FeatureTable, int]:
    """MFCC of a corpus, and how many recordings were extracted for them."""
    progress = Counted()
    source = FeatureSource(str(data), str(cache), n_workers=2)
    return load_table(source, MFCC, *speeds, progress=progress), progress.n_extracted


def write_table(path: Path, rows: list[tuple[str, str, str]]) -> Path:
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([("path", "emotion", "speaker"), *rows])
    return path


def test_a_folder_without_labels_is_refused_before_anything_is_extracted(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.wav").write_bytes(b"x")
    # No cluster answers there: an extraction would fail with a StorageError.
    source = FeatureSource(str(tmp_path / "in"), str(tmp_path / "cache"), "127.0.0.1:1")
    with pytest.raises(UsageError, match=r"no recording of .* has a label"):
        load_tables(source, {MFCC: [Copy(MFCC, Speed(0.9))]}, Silent())
    assert not (tmp_path / "cache").exists()


def test_a_row_more_extracts_one_recording_and_a_row_less_or_another_label_none(
    corpus_folder: Path, tmp_path: Path
) -> None:
    wavs = sorted(corpus_folder.rglob("*.wav"))
    rows = [(str(wav), ("calm", "happy")[number % 2], f"s{number % 3}") for number, wav in enumerate(wavs)]
    cache, data = tmp_path / "cache", tmp_path / "corpus.csv"
    first, n_first = load(write_table(data, rows[:-1]), cache)
    assert (len(first), n_first) == (11, 11)
    more, n_more = load(write_table(data, rows), cache)
    assert (len(more), n_more) == (12, 1)
    less, n_less = load(write_table(data, rows[3:]), cache)
    assert (less.paths, n_less) == (more.paths[3:], 0)
    other, n_other = load(write_table(data, [(path, "sad", "x") for path, _, _ in rows]), cache)
    assert (set(other.emotions), set(other.speakers), n_other) == ({"sad"}, {"x"}, 0)
    whole, n_whole = load(corpus_folder, tmp_path / "empty")
    assert (len(whole), n_whole) == (12, 12)
    for table, expected in ((more, whole.features), (less, whole.features[3:]), (other, whole.features)):
        for found, features in zip(table.features, expected, strict=True):
            np.testing.assert_array_equal(found, features)


def test_a_changed_recording_is_extracted_again_and_a_copy_at_another_speed_for_itself(
    corpus_folder: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    assert load(corpus_folder, cache)[1] == 12
    assert load(corpus_folder, cache)[1] == 0
    changed = next(corpus_folder.rglob("*.wav"))
    os.utime(changed, ns=(1, 1))
    assert load(corpus_folder, cache)[1] == 1
    table, n_extracted = load(corpus_folder, cache, 1.25)
    assert n_extracted == 12
    assert not np.array_equal(table.copies[Copy(table.config, Speed(1.25))][0], table.features[0])


@pytest.mark.parametrize(("module", "is_used"), [("emosense.features.mfcc", True), ("emosense.reports.page", False)])
def test_features_are_extracted_again_when_the_code_that_extracts_them_changes(
    corpus_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, is_used: bool
) -> None:
    assert load(corpus_folder, tmp_path / "cache")[1] == 12
    sources = source_digest._sources

    def edited(name: str) -> Iterator[tuple[str, str]]:
        yield from ((found, source + "\nN = 1\n" * (found == module)) for found, source in sources(name))

    monkeypatch.setattr(source_digest, "_sources", edited)
    source_digest.source_digest.cache_clear()
    try:
        assert load(corpus_folder, tmp_path / "cache")[1] == (12 if is_used else 0)
    finally:
        source_digest.source_digest.cache_clear()


def test_two_processes_that_extract_the_same_recordings_at_once_agree(corpus_folder: Path, tmp_path: Path) -> None:
    first, _ = load(corpus_folder, tmp_path / "cache")
    recordings = [utterance.recording for utterance in read_corpus(str(corpus_folder)).utterances]
    store = FeatureStore(str(tmp_path / "cache"), MFCC, None)
    n_files = len(list(Path(store.folder).iterdir()))
    rows = [{"error_code": "", "error": "", "n_frames": len(each), "features": each.ravel()} for each in first.features]
    # Another process found nothing in the cache either, and wrote files of its own; a task that ran twice wrote one.
    with store.created():
        for _ in range(2):
            assert store.add(recordings[:5], rows[:5]) == b""
        assert store.add(recordings[5:], rows[5:]) == b""
    assert len(list(Path(store.folder).iterdir())) == n_files + 2
    again, n_extracted = load(corpus_folder, tmp_path / "cache")
    assert n_extracted == 0
    for before, after in zip(first.features, again.features, strict=True):
        np.testing.assert_array_equal(after, before)


def test_a_machine_without_the_folder_sends_what_another_keeps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recordings = [Recording(name, name, 1, "1") for name in "abc"]
    results = [
        {"error_code": "", "error": "", "n_frames": 2, "features": np.arange(6, dtype=np.float32)},
        {"error_code": "empty_file", "error": "no bytes", "n_frames": 0, "features": []},
        {"error_code": "", "error": "", "n_frames": 0, "features": np.ones(3, np.float32)},
    ]
    monkeypatch.chdir(tmp_path)
    store = FeatureStore("here", MFCC, None)
    content = store.add(recordings, results)
    assert content
    assert not (tmp_path / "here").exists()
    # A machine that happens to have a folder of the same name is not taken for one that shares it.
    Path(store.folder).mkdir(parents=True)
    assert store.add(recordings, results) == content
    with store.created():
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        sent = pickle.loads(pickle.dumps(store))
        assert sent.add(recordings, results) == b""
        for _ in range(2):
            store.keep(content)
    assert list((tmp_path / "elsewhere").iterdir()) == []
    (file,) = Path(store.folder).iterdir()
    assert file.read_bytes() == content
    assert store.missing(recordings) == []
    found = [store.read(recordings)[recording_key(each)] for each in recordings]
    assert [row.error for row in found] == ["", "no bytes", ""]
    for row, result in zip(found, results, strict=True):
        np.testing.assert_array_equal(row.result().pop("features"), result["features"])
        assert {name: row.result()[name] for name in ("error_code", "error", "n_frames")} == {
            name: result[name] for name in ("error_code", "error", "n_frames")
        }


def test_features_that_are_gone_after_they_were_written_are_not_called_extracted(
    corpus_folder: Path, tmp_path: Path
) -> None:
    features = CorpusFeatures(read_corpus(str(corpus_folder)), str(tmp_path / "cache"), [(MFCC, None)])
    features.extract_missing(None, 2, Silent())
    shutil.rmtree(tmp_path / "cache")
    with pytest.raises(StorageError, match="lacks the features of 12 recordings that were written there"):
        features.table(MFCC, None)


def test_copies_without_errors_cost_one_reading_each(
    corpus_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(corpus_folder, tmp_path / "cache", 0.9, 1.1)
    folders: list[str] = []
    read = FeatureStore.read

    def counted(store: FeatureStore, recordings: Sequence[Recording]) -> dict[str, StoredFeatures]:
        folders.append(store.folder)
        return read(store, recordings)

    monkeypatch.setattr(FeatureStore, "read", counted)
    table, n_extracted = load(corpus_folder, tmp_path / "cache", 0.9, 1.1)
    assert (len(table.copies), n_extracted) == (2, 0)
    assert len(folders) == len(set(folders)) == 3


def test_the_recording_itself_stands_for_a_copy_that_has_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("a.wav", "b.wav")
    utterances = [Utterance(Recording(name, name, 1, "1"), "calm", "s") for name in names]
    logmel, speed = default_config("logmel"), Speed(1.25)
    wanted = [(MFCC, None), (MFCC, speed), (logmel, None), (logmel, speed)]
    values = {FeatureStore(str(tmp_path), *each).folder: float(number) for number, each in enumerate(wanted)}

    def read(store: FeatureStore, recordings: Sequence[Recording]) -> dict[str, StoredFeatures]:
        value = values[store.folder]
        found = {recording_key(each): StoredFeatures(np.full(3, value, np.float32), "", "") for each in recordings}
        if value % 2:
            found[recording_key(recordings[1])] = StoredFeatures(np.empty(0, np.float32), "too_short", "")
        return found

    monkeypatch.setattr(FeatureStore, "read", read)
    copies = [Copy(MFCC, speed), Copy(logmel, speed)]
    table = CorpusFeatures(Corpus(tuple(utterances), ()), str(tmp_path), wanted).table(MFCC, None, copies)
    assert [[row[0] for row in table.copies[copy]] for copy in copies] == [[1, 0], [3, 2]]


def test_the_memory_of_the_process_that_reads_features_does_not_grow_with_them(tmp_path: Path) -> None:
    store = FeatureStore(str(tmp_path), MFCC, None)
    values = np.ones((64, 100_000), np.float32)
    recordings = [Recording(str(number), str(number), 1, "1") for number in range(10 * 64)]
    with store.created():
        for start in range(0, len(recordings), 64):
            results = [{"error_code": "", "error": "", "n_frames": 0, "features": row * start} for row in values]
            store.add(recordings[start : start + 64], results)
    del values, results
    store.read(recordings[:64])
    before = own_bytes()
    found = store.read(recordings)
    last = [float(found[recording_key(recording)].values[-1]) for recording in recordings]
    assert last == [64.0 * (number // 64) for number in range(640)]
    # 256 MB of features.
    assert own_bytes() - before < 64_000_000


def test_recordings_that_cannot_be_read_are_counted_on_every_load(corpus_folder: Path, tmp_path: Path) -> None:
    (corpus_folder / "Actor_01" / "03-01-05-02-01-01-01.wav").write_bytes(b"")
    (corpus_folder / "Actor_02" / "03-01-05-02-01-01-02.wav").write_bytes(b"text")
    source = FeatureSource(str(corpus_folder), str(tmp_path / "cache"), n_workers=2)
    for _ in range(2):
        progress = Listener()
        assert len(load_table(source, MFCC, progress=progress)) == 12
        (message,) = [text for text in progress.messages if "could not be read" in text]
        assert message.startswith("mfcc: recordings that could not be read: 1 ")
        assert "1 empty_file" in message
        assert "1 not_audio" in message


def test_a_corpus_of_unreadable_recordings_is_not_called_unlabelled(corpus_folder: Path, tmp_path: Path) -> None:
    for path in corpus_folder.rglob("*.wav"):
        path.write_bytes(b"")
    with pytest.raises(UsageError, match="can be used: recordings that could not be read: 12 empty_file"):
        load_table(FeatureSource(str(corpus_folder), str(tmp_path / "cache")), MFCC)


def test_a_fault_of_the_machine_is_counted_and_not_kept(
    corpus_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(
        recordings: Sequence[Recording], config: FeatureConfig, variant: None, store: FeatureStore, *_: Any
    ) -> Iterator[tuple[Recording, str, str]]:
        yield recordings[0], "io_error", ""
        with store.created():
            store.add(recordings[1:], extract_recordings(recordings[1:], config, variant))
        yield from ((recording, "", "") for recording in recordings[1:])

    with monkeypatch.context() as patched:
        patched.setattr(corpus_features, "extract_on_ray", faulty)
        table, _ = load(corpus_folder, tmp_path / "cache")
        assert (len(table), table.by_error) == (11, {"io_error": 1})
        (kept,) = (tmp_path / "cache").glob("*/*.parquet")
        assert load(corpus_folder, tmp_path / "cache")[0].by_error == {"io_error": 1}
        # What was not kept leaves no file behind, however often it is tried.
        assert list((tmp_path / "cache").glob("*/*.parquet")) == [kept]
    table, n_extracted = load(corpus_folder, tmp_path / "cache")
    assert (len(table), table.by_error, n_extracted) == (12, {}, 1)


def test_the_corpus_is_known_by_its_recordings_whatever_is_in_the_cache(corpus_folder: Path, tmp_path: Path) -> None:
    for _ in range(2):
        assert set(load(corpus_folder, tmp_path / "cache")[0].corpora) == {"ravdess"}
